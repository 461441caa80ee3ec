"""The kernels of a training step besides the losses: adaptor, Adam and plain products."""

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from madapt.adaptor import ResidualAdaptor
from madapt.backends import get_backend
from madapt.training.optimizers import Adam, OrthogonalAdam

KERNELS = get_backend("numba").kernels
EPS = np.finfo(np.float32).eps


def adaptor_case(n, d, h, *, rotated, with_mlp, dtype=np.float32, activation="relu"):
    generator = np.random.default_rng(n + d)
    P = np.linalg.qr(generator.standard_normal((d, d)))[0] if rotated else None
    arrays = {"P": P}
    if with_mlp:
        arrays |= {
            "W1": generator.standard_normal((d, h)) / d**0.5,
            "b1": generator.standard_normal(h) / 3,
            "W2": generator.standard_normal((h, d)) / h**0.5,
            "b2": generator.standard_normal(d) / 3,
        }
    arrays = {name: None if A is None else A.astype(dtype) for name, A in arrays.items()}
    X, dY, dU = (generator.standard_normal((n, d)).astype(dtype) for _ in range(3))
    return ResidualAdaptor(activation=activation, **arrays), X, dY, dU


def double(adaptor):
    wide = {name: A.astype(np.float64) for name, A in adaptor.parameters.items()}
    return ResidualAdaptor(activation=adaptor.activation, **wide)


@pytest.mark.parametrize("n_threads", [1, 2, 3])
@pytest.mark.parametrize("n", [1, 2, 15, 16, 17, 33, 200])
@pytest.mark.parametrize(
    ("rotated", "with_mlp"), [(False, True), (True, True), (True, False), (False, False)]
)
def test_the_adaptor_and_its_gradients(n, rotated, with_mlp, n_threads):
    adaptor, X, dY, dU = adaptor_case(n, 24, 40, rotated=rotated, with_mlp=with_mlp)
    with threadpool_limits(n_threads):
        found = adaptor.forward(X, KERNELS)
        gradients = found.backward(dY, dU)
    wanted = double(adaptor).forward(X.astype(np.float64))
    pairs = {"Y": (found.Y, wanted.Y), "U": (found.U, wanted.U)}
    # A unit whose input is rounding has a slope of 0 or 1: there is none among these.
    truth = wanted.backward(dY.astype(np.float64), dU.astype(np.float64))
    assert gradients.keys() == truth.keys()
    pairs |= {name: (gradients[name], truth[name]) for name in truth}
    for name, (one, other) in pairs.items():
        # Sums of at most 200 terms in a chain of four products.
        limit = 4 * 200**0.5 * EPS * max(np.linalg.norm(other), 1e-30)
        assert one.dtype == np.float32, name
        assert np.linalg.norm(one - other) <= limit, name


def test_what_reaches_u_otherwise_may_be_left_out():
    adaptor, X, dY, _ = adaptor_case(40, 12, 20, rotated=True, with_mlp=True)
    with_none = adaptor.forward(X, KERNELS).backward(dY)
    with_zeros = adaptor.forward(X, KERNELS).backward(dY, np.zeros_like(dY))
    for name, gradient in with_none.items():
        np.testing.assert_array_equal(gradient, with_zeros[name])


@pytest.mark.parametrize("changes", [{"dtype": np.float64}, {"activation": "gelu"}])
def test_what_the_adaptor_kernel_cannot_serve(changes):
    adaptor, X, dY, _ = adaptor_case(10, 6, 8, rotated=False, with_mlp=True, **changes)
    plain, fused = adaptor.forward(X), adaptor.forward(X, KERNELS)
    np.testing.assert_array_equal(plain.Y, fused.Y)
    for name, gradient in plain.backward(dY).items():
        np.testing.assert_array_equal(gradient, fused.backward(dY)[name])


def test_what_is_not_finite_is_passed_on():
    adaptor, X, _, _ = adaptor_case(40, 12, 20, rotated=False, with_mlp=True)
    X[7, 3] = np.nan
    Y = adaptor.forward(X, KERNELS).Y
    assert np.isnan(Y[7]).all()
    assert np.isfinite(np.delete(Y, 7, axis=0)).all()


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("shape", [(1,), (7,), (40, 33)])
def test_adam_is_adam(shape, order):
    generator = np.random.default_rng(0)
    fused, plain = Adam(kernels=KERNELS), Adam()
    for step in range(20):
        gradient = np.asarray(
            generator.standard_normal(shape) * 10.0 ** generator.integers(-8, 8, shape),
            dtype=np.float32,
            order=order,
        )
        before = gradient.copy()
        one, other = fused.direction(gradient), plain.direction(gradient.astype(np.float64))
        np.testing.assert_array_equal(gradient, before)
        # Each step rounds both moments a few times; the root halves what is relative.
        np.testing.assert_allclose(one, other, rtol=8 * (step + 2) * EPS, atol=1e-7)


def test_adam_clips_what_would_overflow_and_keeps_nan():
    gradient = np.asarray([1e30, -1e30, np.nan, 0.0], np.float32)
    direction = Adam(kernels=KERNELS).direction(gradient)
    np.testing.assert_allclose(direction, [1, -1, np.nan, 0], rtol=1e-5)


def test_adam_in_float64_is_array_code():
    gradient = np.random.default_rng(0).standard_normal(9)
    one, other = Adam(kernels=KERNELS), Adam()
    for _ in range(3):
        np.testing.assert_array_equal(one.direction(gradient), other.direction(gradient))


def test_the_orthogonal_step_stays_on_the_group():
    generator = np.random.default_rng(0)
    P = np.eye(32, dtype=np.float32)
    optimizer = OrthogonalAdam(kernels=KERNELS)
    for _ in range(5):
        P = optimizer.step(P, generator.standard_normal((32, 32)).astype(np.float32), 1e-2)
    assert np.abs(P.T @ P - np.eye(32)).max() < 2e-6
    assert np.abs(P - np.eye(32)).max() > 1e-2


@pytest.mark.parametrize("n_threads", [1, 2, 3])
@pytest.mark.parametrize(("n", "k", "p"), [(1, 1, 1), (17, 5, 3), (700, 300, 200)])
def test_a_product(n, k, p, n_threads):
    generator = np.random.default_rng(0)
    A = generator.standard_normal((n, k)).astype(np.float32)
    B = generator.standard_normal((p, k)).astype(np.float32).T
    with threadpool_limits(n_threads):
        found = KERNELS["product"](A, B)
    wanted = A.astype(np.float64) @ B
    bound = k * EPS * (np.abs(A).astype(np.float64) @ np.abs(B))
    assert (np.abs(found - wanted) <= bound).all()
    assert KERNELS["product"](A.astype(np.float64), B) is None
