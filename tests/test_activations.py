"""Activations: values by SciPy's functions, slopes by differences."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import expit
from scipy.stats import norm

from madapt._activations import ACTIVATIONS

DEFINITIONS = {
    "relu": lambda z: np.maximum(z, 0),
    "gelu": lambda z: z * norm.cdf(z),
    "silu": lambda z: z * expit(z),
    "tanh": lambda z: (np.exp(z) - np.exp(-z)) / (np.exp(z) + np.exp(-z)),
    "identity": lambda z: z,
}
every_activation = pytest.mark.parametrize("name", ACTIVATIONS)


def test_each_has_a_definition():
    assert ACTIVATIONS.keys() == DEFINITIONS.keys()


@every_activation
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_values(name, dtype):
    z = np.linspace(-8, 8, 401, dtype=dtype)
    value, slope = ACTIVATIONS[name](z)
    assert value.dtype == slope.dtype == dtype
    expected = DEFINITIONS[name](z.astype(float))
    np.testing.assert_allclose(value, expected, rtol=0, atol=16 * np.finfo(dtype).eps)


@every_activation
def test_slopes(name):
    z = np.linspace(-8.01, 8, 401)
    assert np.abs(z).min() > 1e-3  # relu's kink
    _, slope = ACTIVATIONS[name](z)
    h = 1e-5
    expected = (DEFINITIONS[name](z + h) - DEFINITIONS[name](z - h)) / (2 * h)
    np.testing.assert_allclose(slope, expected, rtol=0, atol=1e-9)


def test_relu_is_flat_at_zero():
    value, slope = ACTIVATIONS["relu"](np.zeros(2))
    assert not value.any()
    assert not slope.any()


@every_activation
@given(arrays(np.float32, (2, 5), elements=st.floats(-(2.0**60), 2.0**60, width=32)))
def test_far_out_stays_finite(name, z):
    value, slope = ACTIVATIONS[name](z)
    assert np.isfinite(value).all()
    assert np.isfinite(slope).all()
    assert (slope > -0.2).all()  # silu and gelu dip to -0.1 and -0.13
    assert (slope < 1.2).all()


@every_activation
def test_input_is_left_alone(name):
    z = np.array([[-1.0, 0.0, 2.0]])
    ACTIVATIONS[name](z)
    np.testing.assert_array_equal(z, [[-1.0, 0.0, 2.0]])
