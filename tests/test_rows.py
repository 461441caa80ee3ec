"""Rows of unit length, whatever finite numbers they had."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from madapt._rows import unit_rows


def matrices(dtype):
    width = 8 * np.dtype(dtype).itemsize
    finite = st.floats(allow_nan=False, allow_infinity=False, width=width)
    return arrays(dtype, array_shapes(min_dims=2, max_dims=2, max_side=12), elements=finite)


def exact(X):
    """Unit rows in long double, which holds the squares of all but float64's extremes."""
    X = X.astype(np.longdouble)
    X = X / np.where(np.abs(X).max(axis=1, keepdims=True) > 0, np.abs(X).max(1, keepdims=True), 1)
    length = np.sqrt((X * X).sum(axis=1, keepdims=True))
    return X / np.where(length > 0, length, 1)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@given(data=st.data())
def test_any_finite_rows(dtype, data):
    X = data.draw(matrices(dtype))
    before = X.copy()
    unit = unit_rows(X)
    np.testing.assert_array_equal(X, before)
    assert unit.dtype == dtype
    assert unit.shape == X.shape
    zero = ~X.any(axis=1)
    assert not unit[zero].any()
    tolerance = 4 * np.finfo(dtype).eps
    np.testing.assert_allclose(np.linalg.norm(unit[~zero], axis=1), 1.0, rtol=tolerance)
    np.testing.assert_allclose(unit, exact(X), rtol=0, atol=tolerance)


@pytest.mark.parametrize("scale", [1e-45, 1e-40, 1e-38, 1e-30, 1e-10, 1.0, 1e10, 1e30, 1e38])
def test_scale_does_not_matter(scale):
    X = np.array([[2, -1, 0, 2], [0, 0, 0, 1]], np.float32) * np.float32(scale)
    unit = unit_rows(X)
    np.testing.assert_allclose(unit[0], [2 / 3, -1 / 3, 0, 2 / 3], rtol=1e-6)
    np.testing.assert_array_equal(unit[1], [0, 0, 0, 1])


def test_powers_of_two_change_no_bit():
    X = np.random.default_rng(0).standard_normal((5, 7)).astype(np.float32)
    for exponent in (-100, -3, 60, 100):
        np.testing.assert_array_equal(unit_rows(np.ldexp(X, exponent)), unit_rows(X))


def test_long_rows_of_large_numbers():
    X = np.full((2, 4096), np.finfo(np.float32).max)
    np.testing.assert_allclose(unit_rows(X), 1 / 64, rtol=1e-6)


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0)])
def test_nothing_to_scale(shape):
    assert unit_rows(np.ones(shape, np.float32)).shape == shape
