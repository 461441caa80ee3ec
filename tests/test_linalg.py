"""The SVD rotation against NumPy's own decomposition."""

import numpy as np
import pytest

import madapt._linalg
from madapt._linalg import svd_rotation

DTYPES = [np.float32, np.float64]


def decaying(n, d, dtype=np.float64):
    """Rows whose singular values lie well apart."""
    generator = np.random.default_rng(0)
    return (generator.standard_normal((n, d)) * 0.8 ** np.arange(d)).astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(200, 12), (5, 12), (1, 4), (3, 1)])
def test_is_orthogonal_and_of_the_dtype_of_the_rows(shape, dtype):
    rotation = svd_rotation(decaying(*shape, dtype))
    assert rotation.dtype == dtype
    assert rotation.flags["C_CONTIGUOUS"]
    np.testing.assert_allclose(
        rotation @ rotation.T, np.eye(shape[1]), atol=10 * np.finfo(dtype).eps
    )


def test_rows_are_the_right_singular_vectors_with_their_signs():
    X = decaying(200, 12)
    rotation = svd_rotation(X)
    _, _, components = np.linalg.svd(X, full_matrices=False)
    np.testing.assert_allclose(np.abs(np.sum(rotation * components, axis=1)), 1, atol=1e-10)
    largest = np.abs(rotation).argmax(axis=1)
    assert (rotation[np.arange(12), largest] > 0).all()


def test_directions_without_rows_come_last():
    X = decaying(5, 12)
    np.testing.assert_allclose((X @ svd_rotation(X).T)[:, 5:], 0, atol=1e-12)
    assert np.linalg.matrix_rank(X @ svd_rotation(X)[:5].T) == 5


def test_the_mean_is_taken_off():
    X = decaying(200, 12) + 3
    centred = X - X.mean(axis=0)
    np.testing.assert_allclose(svd_rotation(X, X.mean(axis=0)), svd_rotation(centred), atol=1e-10)
    assert not np.allclose(svd_rotation(X), svd_rotation(centred), atol=0.01)


def test_blocks_add_up(monkeypatch):
    X = decaying(200, 12)
    whole = svd_rotation(X)
    monkeypatch.setattr(madapt._linalg, "_BLOCK_ENTRIES", 12 * 7)
    np.testing.assert_allclose(svd_rotation(X), whole, atol=1e-10)


@pytest.mark.parametrize("scale", [1e-200, 1e-30, 1e30, 1e200])
def test_the_scale_of_the_rows_does_not_matter(scale):
    X = decaying(50, 6)
    np.testing.assert_allclose(svd_rotation(X * scale), svd_rotation(X), atol=1e-10)


def test_zero_rows_give_a_basis():
    rotation = svd_rotation(np.zeros((4, 3)))
    np.testing.assert_array_equal(rotation @ rotation.T, np.eye(3))
