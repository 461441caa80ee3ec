"""float16 widened bit by bit."""

import numpy as np
import pytest

from madapt._halves import halves_are_finite, widen_halves

EVERY_HALF = np.arange(2**16, dtype=np.uint16).view(np.float16)


@pytest.mark.parametrize("columns", [1, 64])
def test_every_finite_half(columns):
    H = EVERY_HALF[np.isfinite(EVERY_HALF)].reshape(-1, columns)
    assert H.size == 2**16 - 2**11
    out = np.empty(H.shape, np.float32)
    assert widen_halves(H, out) is out
    np.testing.assert_array_equal(out.view(np.int32), H.astype(np.float32).view(np.int32))


def test_rows_of_a_wider_array():
    wide = EVERY_HALF[:1024].reshape(32, 32)
    H = wide[3:20, 5:9]
    np.testing.assert_array_equal(widen_halves(H, np.empty(H.shape, np.float32)), H)


def test_each_half_is_finite_or_not():
    for half, finite in zip(EVERY_HALF, np.isfinite(EVERY_HALF), strict=True):
        if not finite or half in (0, 1, -1, 65504, -65504):
            assert halves_are_finite(np.array([[1, -2, half, 3]], np.float16)) == finite


def test_subnormals_survive_where_singles_are_flushed(monkeypatch):
    monkeypatch.setattr("madapt._halves._flushes_subnormals", lambda: True)
    H = EVERY_HALF[:2048].reshape(2, -1)
    np.testing.assert_array_equal(widen_halves(H, np.empty(H.shape, np.float32)), H)
