"""The list kernels at temperatures at which powers of two leave the range of float32."""

from __future__ import annotations

import numpy as np
import pytest

from madapt._rows import unit_rows
from madapt.backends import get_backend
from madapt.losses import graded_listwise_loss, listwise_loss

DIMS = (4, 10, 40)
KERNELS = get_backend("numba").kernels


def rows(n, mean, generator):
    """Return unit rows whose cosines are near mean^2 / (1 + mean^2)."""
    X = unit_rows(generator.normal(size=(n, DIMS[-1])))
    X[:, 0] += mean  # every prefix has it
    return unit_rows(X).astype(np.float32)


def assert_agrees(found, expected, rel):
    value, gradients = found
    assert value == pytest.approx(expected[0], rel=rel)
    for one, other in zip(gradients, expected[1], strict=True):
        assert abs(one - other).max() <= rel * abs(other).max()


@pytest.mark.parametrize("t", [0.02, 0.01, 0.004])
@pytest.mark.parametrize("n", [3, 700])
def test_cosines_close_together_are_served(n, t):
    generator = np.random.default_rng(n)
    Y, Z, A, B = (rows(k, 2.0, generator) for k in (6, n, 6, n))
    S, grades = A @ B.T, generator.integers(0, 3, size=(6, n)).astype(np.float32)
    options = {"temperature": [2 * t, 1.5 * t, t], "columns": Z, "target_temperature": t}
    exact = {**options, "columns": Z.astype(np.float64)}
    expected = listwise_loss(Y.astype(np.float64), S.astype(np.float64), DIMS, **exact)
    assert_agrees(KERNELS["listwise"](Y, S, DIMS, **options), expected, 1e-5)
    wide = [X.astype(np.float64) for X in (Y, Z, grades)]
    expected = graded_listwise_loss(*wide, DIMS, temperature=t)
    assert_agrees(KERNELS["graded_listwise"](Y, Z, grades, DIMS, temperature=t), expected, 1e-5)


@pytest.mark.parametrize("n", [3, 700])
def test_where_all_powers_of_a_row_underflow_the_array_code_is_asked(n):
    """Cosines of -1: 2^(-2 / .004 / ln 2) is no float32, and neither is their sum."""
    Y, Z = rows(6, 0.0, np.random.default_rng(0)), np.empty((n, DIMS[-1]), np.float32)
    Y[:], Z[:] = Y[0], -Y[0]
    S, grades = Y @ Z.T, np.ones((6, n), np.float32)
    assert KERNELS["listwise"](Y, S, DIMS, temperature=0.004, columns=Z) is None
    assert KERNELS["graded_listwise"](Y, Z, grades, DIMS, temperature=0.004) is None
    value, gradients = listwise_loss(Y, S, DIMS, temperature=0.004, columns=Z)
    assert np.isfinite(value)
    assert all(np.isfinite(gradient).all() for gradient in gradients)


def test_targets_that_underflow_are_not_taken_for_rows_without_targets():
    generator = np.random.default_rng(0)
    Y, Z = rows(6, 2.0, generator), rows(700, 2.0, generator)
    S = np.full((6, 700), -0.5, np.float32)
    assert KERNELS["listwise"](Y, S, DIMS, temperature=0.01, columns=Z) is None


def test_rows_whose_columns_do_not_count_stay_out():
    generator = np.random.default_rng(0)
    Y, Z = rows(6, 2.0, generator), rows(9, 2.0, generator)
    pairs = np.ones((6, 9), dtype=bool)
    pairs[2] = False
    options = {"temperature": 0.01, "pairs": pairs}
    found = KERNELS["listwise"](Y, Y @ Z.T, DIMS, columns=Z, **options)
    expected = listwise_loss(Y, Y @ Z.T, DIMS, columns=Z, **options)
    assert_agrees(found, expected, 1e-4)
    assert not found[1][0][2].any()
