"""The residual adaptor: forward, backward and prefixes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from madapt._activations import ACTIVATIONS
from madapt.adaptor import Forward, ResidualAdaptor

N, D, H = 7, 6, 4
MLP = ("W1", "b1", "W2", "b2")


def drawn(seed=0, *, rotation=True, mlp=True, activation="relu", dtype=float):
    """Return rows and a random adaptor with or without its parts."""
    generator = np.random.default_rng(seed)
    shapes = {"W1": (D, H), "b1": (H,), "W2": (H, D), "b2": (D,)}
    arrays = {name: generator.standard_normal(shape) for name, shape in shapes.items()}
    arrays["P"] = np.linalg.qr(generator.standard_normal((D, D)))[0]
    kept = ("P",) * rotation + MLP * mlp
    adaptor = ResidualAdaptor(
        **{name: arrays[name].astype(dtype) for name in kept}, activation=activation
    )
    return generator.standard_normal((N, D)).astype(dtype), adaptor


every_form = pytest.mark.parametrize(
    ("rotation", "mlp"),
    [(True, True), (True, False), (False, True), (False, False)],
    ids=["both", "rotation", "mlp", "neither"],
)


@every_form
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_forward_is_the_formula(rotation, mlp, dtype):
    X, a = drawn(rotation=rotation, mlp=mlp, dtype=dtype)
    U = X @ a.P if rotation else X
    Y = U + np.maximum(U @ a.W1 + a.b1, 0) @ a.W2 + a.b2 if mlp else U
    forward = a.forward(X)
    assert forward.Y.dtype == forward.U.dtype == dtype
    np.testing.assert_allclose(forward.U, U, rtol=1e-6)
    np.testing.assert_allclose(forward.Y, Y, rtol=1e-6)
    assert a.has_mlp is mlp
    assert set(a.parameters) == {*("P",) * rotation, *MLP * mlp}


@every_form
@pytest.mark.parametrize("activation", ACTIVATIONS)
@given(dim=st.integers(1, D), seed=st.integers(0, 2**32 - 1))
def test_prefixes_are_the_first_columns(rotation, mlp, activation, dim, seed):
    X, adaptor = drawn(seed, rotation=rotation, mlp=mlp, activation=activation)
    Y = adaptor.forward(X).Y
    prefix = adaptor.transform(X, dim)
    assert prefix.shape == (N, dim)
    np.testing.assert_allclose(prefix, Y[:, :dim], rtol=0, atol=1e-12 * np.abs(Y).max())
    np.testing.assert_allclose(adaptor.transform(X), Y, rtol=0, atol=1e-12 * np.abs(Y).max())


@every_form
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("with_skip", [True, False])
def test_backward_against_differences(rotation, mlp, activation, with_skip):
    X, adaptor = drawn(2, rotation=rotation, mlp=mlp, activation=activation)
    generator = np.random.default_rng(1)
    dY, dU = generator.standard_normal((2, N, D))
    if mlp and activation == "relu":  # no hidden unit switches on the way
        U = adaptor.forward(X).U
        assert np.abs(U @ adaptor.W1 + adaptor.b1).min() > 1e-3

    def linear(adaptor):
        Y, U, _ = adaptor.forward(X)
        return np.sum(dY * Y) + (np.sum(dU * U) if with_skip else 0.0)

    gradients = adaptor.forward(X).backward(dY, dU if with_skip else None)
    assert gradients.keys() == adaptor.parameters.keys()
    for name, parameter in adaptor.parameters.items():
        expected = np.empty_like(parameter)
        for at in np.ndindex(parameter.shape):
            step = np.zeros_like(parameter)
            step[at] = 1e-5
            ahead = linear(adaptor.replace(**{name: parameter + step}))
            expected[at] = (ahead - linear(adaptor.replace(**{name: parameter - step}))) / 2e-5
        scale = np.abs(expected).max()
        np.testing.assert_allclose(gradients[name], expected, rtol=0, atol=1e-8 * scale)


def test_skip_gradient_reaches_the_rotation_only():
    X, adaptor = drawn()
    dY, dU = np.random.default_rng(1).standard_normal((2, N, D))
    backward = adaptor.forward(X).backward
    with_skip, without = backward(dY, dU), backward(dY)
    for name in MLP:
        np.testing.assert_array_equal(with_skip[name], without[name])
    np.testing.assert_allclose(with_skip["P"], without["P"] + X.T @ dU, rtol=1e-12)


def test_new_mlp_with_zero_output_changes_nothing():
    X, adaptor = drawn(mlp=False)
    with_mlp = adaptor.with_mlp(np.ones((D, H)), np.zeros((H, D)))
    assert with_mlp.has_mlp
    assert not with_mlp.b1.any()
    assert not with_mlp.b2.any()
    np.testing.assert_array_equal(with_mlp.forward(X).Y, adaptor.forward(X).Y)


@pytest.mark.parametrize(("d", "h"), [(1, 1), (1, 3), (3, 1)])
def test_new_mlp_of_one_coordinate_or_one_unit(d, h):
    W1, W2 = np.full((d, h), 2.0, np.float32), np.full((h, d), 3.0, np.float32)
    adaptor = ResidualAdaptor().with_mlp(W1, W2)
    for bias, length in ((adaptor.b1, h), (adaptor.b2, d)):
        assert bias.dtype == np.float32
        np.testing.assert_array_equal(bias, np.zeros(length))
    X = np.ones((2, d), np.float32)
    np.testing.assert_array_equal(adaptor.forward(X).Y, X + 6.0 * d * h)


def test_relu_is_the_default():
    X, adaptor = drawn(activation="relu")
    default = ResidualAdaptor(**adaptor.parameters)
    np.testing.assert_array_equal(default.forward(X).Y, adaptor.forward(X).Y)
    assert (adaptor.forward(X).U @ adaptor.W1 + adaptor.b1 < 0).any()


def test_replace_leaves_the_original_alone():
    X, adaptor = drawn()
    before = adaptor.forward(X).Y
    other = adaptor.replace(b2=adaptor.b2 + 1.0)
    np.testing.assert_array_equal(adaptor.forward(X).Y, before)
    np.testing.assert_allclose(other.forward(X).Y, before + 1.0, rtol=1e-12)
    assert other.P is adaptor.P
    assert not adaptor.replace(**dict.fromkeys(MLP)).has_mlp


def test_nothing_is_changed_in_place():
    X, adaptor = drawn()
    copies = {name: array.copy() for name, array in adaptor.parameters.items()}
    X_before = X.copy()
    dY = np.ones((N, D))
    adaptor.forward(X).backward(dY, dY)
    adaptor.transform(X, 3)
    np.testing.assert_array_equal(X, X_before)
    assert (dY == 1).all()
    for name, array in adaptor.parameters.items():
        np.testing.assert_array_equal(array, copies[name])


def test_no_rows():
    X, adaptor = drawn()
    forward = adaptor.forward(X[:0])
    assert forward.Y.shape == (0, D)
    assert not any(gradient.any() for gradient in forward.backward(forward.Y).values())


@every_form
def test_a_kernel_is_asked_first(rotation, mlp):
    X, adaptor = drawn(rotation=rotation, mlp=mlp, activation="tanh")
    found = Forward(np.ones((N, D)), np.zeros((N, D)), lambda dY, dU=None: {"P": dY})
    calls = []

    def residual(*arguments):
        calls.append(arguments)
        return tuple(found)

    forward = adaptor.forward(X, {"residual": residual})
    assert isinstance(forward, Forward)
    assert forward == found
    (arguments,) = calls
    assert arguments[0] is X
    for name, array in zip(("P", *MLP), arguments[1:6], strict=True):
        assert array is getattr(adaptor, name)
    assert arguments[6:] == ("tanh",)


@pytest.mark.parametrize("kernels", [{}, {"other": None}, {"residual": lambda *arguments: None}])
def test_without_a_kernel_that_serves_the_formula_is_computed(kernels):
    X, adaptor = drawn()
    found, expected = adaptor.forward(X, kernels), adaptor.forward(X)
    np.testing.assert_array_equal(found.Y, expected.Y)
    np.testing.assert_array_equal(found.U, expected.U)
    for name, gradient in expected.backward(X).items():
        np.testing.assert_array_equal(found.backward(X)[name], gradient)
