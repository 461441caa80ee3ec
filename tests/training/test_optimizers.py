"""Adam as published, and rotations that stay rotations."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from madapt.training.optimizers import Adam, OrthogonalAdam, cosine_decay, nearest_orthogonal


def orthogonal(k, seed=0, dtype=np.float32):
    normal = np.random.default_rng(seed).standard_normal((k, k))
    return np.linalg.qr(normal)[0].astype(dtype)


def departure(P):
    """Return the largest entry of |P^T P - I|."""
    P = P.astype(float)
    return np.abs(P.T @ P - np.eye(len(P))).max()


def gradients(kind, k, generator):
    """Return a gradient of shape (k, k), float32; the tangents are extreme in many ways."""
    normal = generator.standard_normal((k, k))
    pattern = {
        "normal": lambda: normal,
        "ones": lambda: np.triu(np.ones((k, k))),
        "one entry": lambda: np.eye(k, k, 1) * (np.arange(k) == k // 2),
        "one rank": lambda: np.outer(normal[0], normal[-1]),
        "wide": lambda: normal * 10.0 ** generator.uniform(-30, 15, (k, k)),
        "zero": lambda: 0.0 * normal,
    }
    return pattern[kind]().astype(np.float32)


# Adam.


def adam_by_the_book(parameter, steps, learning_rate, beta1, beta2, epsilon):
    """Algorithm 1 of Kingma and Ba, entry by entry."""
    theta = parameter.copy()
    for at in np.ndindex(parameter.shape):
        m = v = 0.0
        for t, gradient in enumerate(steps, start=1):
            g = gradient[at]
            m = beta1 * m + (1 - beta1) * g
            v = beta2 * v + (1 - beta2) * g**2
            m_hat, v_hat = m / (1 - beta1**t), v / (1 - beta2**t)
            theta[at] -= learning_rate * m_hat / (v_hat**0.5 + epsilon)
    return theta


@pytest.mark.parametrize("settings", [(0.9, 0.999, 1e-8), (0.5, 0.9, 1e-3)])
@pytest.mark.parametrize("scale", [1e-30, 1e-8, 1.0, 1e8])
def test_adam_is_adam(settings, scale):
    generator = np.random.default_rng(0)
    parameter = generator.standard_normal((3, 2))
    steps = [scale * generator.standard_normal((3, 2)) for _ in range(20)]
    adam, actual = Adam(*settings), parameter
    for gradient in steps:
        actual = adam.step(actual, gradient, 0.05)
    expected = adam_by_the_book(parameter, steps, 0.05, *settings)
    np.testing.assert_allclose(actual, expected, rtol=1e-12)


def test_adam_leaves_its_inputs_alone_and_keeps_the_dtype():
    parameter, gradient = np.ones(3, np.float32), np.full(3, 2.0, np.float32)
    adam = Adam()
    new = adam.step(adam.step(parameter, gradient, 0.1), gradient, 0.1)
    assert new.dtype == np.float32
    assert (parameter == 1).all()
    assert (gradient == 2).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_adam_recovers_from_a_huge_gradient(dtype):
    adam = Adam(beta2=0.9)
    parameter = np.zeros(2, dtype)
    huge = np.array([np.finfo(dtype).max, -np.finfo(dtype).max])
    first = adam.step(parameter, huge, 0.1)
    np.testing.assert_allclose(first, [-0.1, 0.1], rtol=1e-6)
    ones = np.ones(2, dtype)
    steps = 2 * int(np.log2(np.finfo(dtype).max)) * 7
    for _ in range(steps):
        before, first = first, adam.step(first, ones, 0.1)
    np.testing.assert_allclose(first - before, -0.1, rtol=1e-2)


# The orthogonal group.


@pytest.mark.parametrize("kind", ["normal", "ones", "one entry", "one rank", "wide", "zero"])
@given(
    k=st.integers(1, 64),
    seed=st.integers(0, 2**32 - 1),
    scale=st.sampled_from([1e-30, 1e-6, 1.0, 1e6, 1e20]),
    learning_rate=st.floats(0.0, 0.1),
    n_steps=st.integers(1, 8),
)
def test_rotation_stays_orthogonal(kind, k, seed, scale, learning_rate, n_steps):
    generator = np.random.default_rng(seed)
    P, optimizer = orthogonal(k, seed), OrthogonalAdam()
    sign = np.sign(np.linalg.det(P))
    for _ in range(n_steps):
        gradient = np.float32(scale) * gradients(kind, k, generator)
        P = optimizer.step(P, gradient, learning_rate)
        assert P.dtype == np.float32
        assert departure(P) < 1e-5
    assert np.sign(np.linalg.det(P)) == sign


@pytest.mark.parametrize("k", [3, 32])
def test_rotation_stays_orthogonal_for_long(k):
    generator = np.random.default_rng(0)
    P, optimizer = orthogonal(k), OrthogonalAdam()
    for _ in range(1000):
        P = optimizer.step(P, generator.standard_normal((k, k)).astype(np.float32), 0.1)
    assert departure(P) < 1e-5


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_no_slope_no_step(dtype):
    P = orthogonal(8, dtype=dtype)
    # The tangent P^T g - g^T P is zero but for rounding, which drowns in Adam's epsilon as
    # long as gradients are of the size that training has.
    symmetric = 1e-4 * P @ (P + P.T)
    for gradient in (np.zeros_like(P), symmetric):
        moved = OrthogonalAdam().step(P, gradient, 1e-3)
        assert moved.dtype == dtype
        np.testing.assert_allclose(moved, P, rtol=0, atol=2e-6)


def test_first_step_goes_down_the_tangent():
    P = orthogonal(6, dtype=float)
    gradient = np.random.default_rng(1).standard_normal((6, 6))
    moved = OrthogonalAdam().step(P, gradient, 1e-6)
    tangent = P.T @ gradient - gradient.T @ P
    np.testing.assert_allclose(moved, P - 1e-6 * P @ np.sign(tangent), rtol=0, atol=1e-10)


def test_step_is_nearly_the_exponential():
    # Adam's first direction is 1, so the turn in the plane is one of 0.2 radians; the
    # series, cut after its second term, errs by a sixth of the cube.
    gradient = np.array([[0.0, -1.0], [1.0, 0.0]])
    moved = OrthogonalAdam().step(np.eye(2), gradient, 0.2)
    assert abs(abs(np.arctan2(moved[1, 0], moved[0, 0])) - 0.2) < 0.2**3 / 5


@pytest.mark.parametrize("kind", ["normal", "ones", "one entry", "one rank"])
@pytest.mark.parametrize("k", [2, 9, 64])
def test_steps_are_short(kind, k):
    P = orthogonal(k, dtype=float)
    gradient = gradients(kind, k, np.random.default_rng(2)).astype(float)
    moved = OrthogonalAdam().step(P, gradient, 10.0)
    # 0.3 but for what eight power iterations miss.
    assert 0.25 < np.linalg.norm(moved - P, 2) < 0.36


@pytest.mark.parametrize("k", [2, 5, 16])
def test_finds_a_rotation(k):
    target = orthogonal(k, 1, dtype=float)
    P = orthogonal(k, 2, dtype=float)
    if np.linalg.det(target) * np.linalg.det(P) < 0:
        P[:, 0] *= -1.0  # the group has two parts, and steps keep to theirs
    optimizer = OrthogonalAdam()
    for step in range(400):
        P = optimizer.step(P, P - target, 0.1 * cosine_decay(step, 400))
    np.testing.assert_allclose(P, target, rtol=0, atol=1e-3)


def test_orthogonal_step_is_deterministic():
    P, gradient = orthogonal(20), orthogonal(20, 1)
    once, again = (OrthogonalAdam().step(P, gradient, 0.1) for _ in range(2))
    np.testing.assert_array_equal(once, again)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@given(k=st.integers(1, 32), seed=st.integers(0, 2**32 - 1), size=st.floats(0, 0.3))
def test_nearest_orthogonal(dtype, k, seed, size):
    generator = np.random.default_rng(seed)
    off = generator.standard_normal((k, k))
    off *= size / np.linalg.norm(off, 2)
    P = (orthogonal(k, seed, dtype=float) + off).astype(dtype)
    pulled = nearest_orthogonal(P)
    assert pulled.dtype == dtype
    assert departure(pulled) < 2e-6
    left, _, right = np.linalg.svd(P.astype(float))
    np.testing.assert_allclose(pulled, left @ right, rtol=0, atol=2e-6)


def test_nearest_orthogonal_leaves_what_is_near_enough():
    P = orthogonal(10)
    assert nearest_orthogonal(P) is P


# The learning rate.


def test_cosine_decay():
    factors = [cosine_decay(step, 10) for step in range(11)]
    assert factors[0] == 1.0
    assert factors[5] == pytest.approx(0.5)
    assert factors[10] == pytest.approx(0.0, abs=1e-15)
    assert (np.diff(factors) < 0).all()
