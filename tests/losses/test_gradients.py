"""Every gradient, through the adaptor to each parameter, in float64.

Two independent witnesses: central differences along random directions, and automatic
differentiation of the definitions written out naively, one prefix at a time.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import autograd.numpy as anp
import numpy as np
import pytest
from autograd import grad
from autograd.scipy.special import erf

from madapt.adaptor import ResidualAdaptor
from madapt.losses import (
    Objective,
    graded_listwise_loss,
    listwise_loss,
    pairwise_loss,
    ranking_loss,
    reconstruction_loss,
    topk_loss,
)

N, B, D, H = 9, 4, 6, 5  # rows, of which the first B are queries; coordinates; hidden units
rng = np.random.default_rng(209)  # a draw that keeps far from every kink, see below
X = rng.standard_normal((N, D))
S = np.corrcoef(rng.standard_normal((N, D)))
NEAR = rng.random((N, N)) < 0.4  # not symmetric
PAIRS = rng.random((N, N)) < 0.7
PAIRS[1] = False  # an empty list
OTHERS = PAIRS[:B] & ~np.eye(B, N, dtype=bool)
OFF = ~np.eye(N, dtype=bool)
ALL = np.ones((B, N - B), dtype=bool)
JUDGED = rng.random((B, N - B)) < 0.8
GRADES = np.array([[0, 2, 1, 0, 0], [0, 0, 0, 0, 0], [1, 1, 1, 1, 1], [3, 0, 1, 3, 0]], float)
PARAMETERS = {
    "P": np.linalg.qr(rng.standard_normal((D, D)))[0],
    "W1": rng.standard_normal((D, H)),
    "b1": rng.standard_normal(H),
    "W2": 0.5 * rng.standard_normal((H, D)),
    "b2": rng.standard_normal(D),
}
ACTIVATIONS = {
    "relu": lambda z: anp.maximum(z, 0.0),
    "gelu": lambda z: z * 0.5 * (1.0 + erf(z / anp.sqrt(2.0))),
    "silu": lambda z: z / (1.0 + anp.exp(-z)),
    "tanh": anp.tanh,
    "identity": lambda z: z,
}
LAYOUTS = [
    pytest.param((D,), None, id="full"),
    pytest.param((3,), None, id="one"),
    pytest.param(tuple(range(1, D + 1)), None, id="all"),
    pytest.param((2, 3, 5), (1.0, 0.5, 4.0), id="weighted, last below d"),
]


def deviation(C, S, pairs):
    return anp.sum(pairs * anp.abs(S - C)) / np.sum(pairs)


def divergence(C, mass, pairs, temperature):
    """Mean over rows of KL(mass / its sum || softmax(C / temperature)), on each row's list."""
    rows = []
    for i, listed in enumerate(pairs):
        at = np.flatnonzero(listed & (mass[i] > 0))
        if len(at):
            p = mass[i, at] / mass[i, at].sum()
            normaliser = anp.sum(anp.exp(C[i, listed] / temperature))
            rows.append(anp.sum(p * anp.log(p / (anp.exp(C[i, at] / temperature) / normaliser))))
    return sum(rows) / len(rows)


def neighbor_divergence(C, S, pairs, temperature):
    return divergence(C, np.exp(S / temperature), pairs, temperature)


def ranking(C, grades, temperature):
    s = C / temperature
    gap = grades[:, :, None] - grades[:, None, :]  # r_ij - r_ik
    loss = anp.log(1.0 + anp.exp(s[:, None, :] - s[:, :, None]))
    return anp.sum(np.maximum(gap, 0.0) * loss) / np.sum(gap > 0)


class Case(NamedTuple):
    """A loss, and what the definition says of one prefix's cosines C."""

    form: str  # which rows are compared with which columns
    loss: Callable[..., tuple[float, Any]]  # (rows, columns, dims, weights)
    definition: Callable[[Any], Any]
    counted: np.ndarray | None = None  # pairs that have a kink at C = S


def mixed_objective(dims, weights, **settings):
    return Objective(
        dims,
        listwise_weight=0.7,
        topk_weight=1.3,
        pairwise_weight=0.4,
        neighbor_temperature=0.3,
        weights=weights,
        **settings,
    )


def mixed(C, S, near, pairs):
    return (
        0.7 * neighbor_divergence(C, S, pairs, 0.3)
        + 1.3 * deviation(C, S, near & pairs)
        + 0.4 * deviation(C, S, pairs)
    )


CASES = {
    "pairwise": Case(
        "square",
        lambda Y, _, dims, w: pairwise_loss(Y, S, dims, weights=w),
        lambda C: deviation(C, S, OFF),
        OFF,
    ),
    "pairwise, columns": Case(
        "rectangular",
        lambda Y, Z, dims, w: pairwise_loss(Y, S[:B], dims, columns=Z, weights=w),
        lambda C: deviation(C, S[:B], np.ones((B, N))),
        OFF[:B],
    ),
    "topk": Case(
        "square",
        lambda Y, _, dims, w: topk_loss(Y, S, NEAR, dims, weights=w),
        lambda C: deviation(C, S, NEAR & OFF),
        NEAR & OFF,
    ),
    "topk, columns": Case(
        "rectangular",
        lambda Y, Z, dims, w: topk_loss(Y, S[:B], NEAR[:B] & OFF[:B], dims, columns=Z, weights=w),
        lambda C: deviation(C, S[:B], NEAR[:B] & OFF[:B]),
        NEAR[:B] & OFF[:B],
    ),
    "listwise": Case(
        "square",
        lambda Y, _, dims, w: listwise_loss(Y, S, dims, temperature=0.2, weights=w),
        lambda C: neighbor_divergence(C, S, OFF, 0.2),
    ),
    "listwise, pairs": Case(
        "square",
        lambda Y, _, dims, w: listwise_loss(Y, S, dims, pairs=PAIRS, temperature=0.2, weights=w),
        lambda C: neighbor_divergence(C, S, PAIRS & OFF, 0.2),
    ),
    "listwise, columns": Case(
        "rectangular",
        lambda Y, Z, dims, w: listwise_loss(
            Y, S[:B], dims, columns=Z, pairs=OTHERS, temperature=0.2, weights=w
        ),
        lambda C: neighbor_divergence(C, S[:B], OTHERS, 0.2),
    ),
    "listwise, warmer than its target": Case(
        "square",
        lambda Y, _, dims, w: listwise_loss(
            Y, S, dims, temperature=0.35, target_temperature=0.2, weights=w
        ),
        lambda C: divergence(C, np.exp(S / 0.2), OFF, 0.35),
    ),
    "listwise, columns, warmer than its target": Case(
        "rectangular",
        lambda Y, Z, dims, w: listwise_loss(
            Y,
            S[:B],
            dims,
            columns=Z,
            pairs=OTHERS,
            temperature=[0.35] * len(dims),
            target_temperature=0.2,
            weights=w,
        ),
        lambda C: divergence(C, np.exp(S[:B] / 0.2), OTHERS, 0.35),
    ),
    "graded": Case(
        "queries",
        lambda Q, Z, dims, w: graded_listwise_loss(Q, Z, GRADES, dims, temperature=0.2, weights=w),
        lambda C: divergence(C, GRADES, ALL, 0.2),
    ),
    "graded, pairs": Case(
        "queries",
        lambda Q, Z, dims, w: graded_listwise_loss(
            Q, Z, GRADES, dims, temperature=0.2, pairs=JUDGED, weights=w
        ),
        lambda C: divergence(C, GRADES, JUDGED, 0.2),
    ),
    "ranking": Case(
        "queries",
        lambda Q, Z, dims, w: ranking_loss(Q, Z, GRADES, dims, temperature=0.5, weights=w),
        lambda C: ranking(C, GRADES, 0.5),
    ),
    "documents": Case(
        "square",
        lambda Y, _, dims, w: mixed_objective(dims, w).documents(Y, S, neighbors=NEAR),
        lambda C: mixed(C, S, NEAR, OFF),
        OFF,
    ),
    "documents, columns": Case(
        "rectangular",
        lambda Y, Z, dims, w: mixed_objective(dims, w).documents(
            Y, S[:B], neighbors=NEAR[:B], columns=Z, pairs=OTHERS
        ),
        lambda C: mixed(C, S[:B], NEAR[:B], OTHERS),
        OTHERS,
    ),
    "queries, softmax": Case(
        "queries",
        lambda Q, Z, dims, w: mixed_objective(dims, w).queries(Q, Z, GRADES),
        lambda C: divergence(C, GRADES, ALL, 0.1),
    ),
    "queries, logistic": Case(
        "queries",
        lambda Q, Z, dims, w: mixed_objective(dims, w, relevance="logistic").queries(Q, Z, GRADES),
        lambda C: ranking(C, GRADES, 0.1),
    ),
}


def parts(form, Y):
    """Return the rows and the columns that a form compares."""
    return {"square": (Y, Y), "rectangular": (Y[:B], Y), "queries": (Y[:B], Y[B:])}[form]


def evaluate(case, adaptor, dims, weights):
    """Return the package's value and gradients."""
    forward = adaptor.forward(X)
    if case == "reconstruction":
        value, dY = reconstruction_loss(forward.Y, forward.U)
        return value, forward.backward(dY, -dY)
    form, loss = CASES[case].form, CASES[case].loss
    value, dY = loss(*parts(form, forward.Y), dims, weights)
    if form != "square":
        d_rows, d_columns = dY
        dY = np.zeros((N, D))
        dY[:B] += d_rows
        dY[N - len(d_columns) :] += d_columns
    return value, forward.backward(dY)


def naive_cosines(A, Z, m):
    A, Z = A[:, :m], Z[:, :m]
    lengths_a, lengths_z = (anp.sqrt(anp.sum(V * V, axis=1)) for V in (A, Z))
    return (A @ Z.T) / lengths_a[:, None] / lengths_z[None, :]


def naive(case, parameters, activation, dims, weights):
    """Return the value by the definition, in operations that autograd knows."""
    P, W1, b1, W2, b2 = (parameters[name] for name in ("P", "W1", "b1", "W2", "b2"))
    U = X @ P
    Y = U + ACTIVATIONS[activation](U @ W1 + b1) @ W2 + b2
    if case == "reconstruction":
        return anp.mean(anp.sum(anp.abs(Y - U), axis=1))
    rows, columns = parts(CASES[case].form, Y)
    weights = np.ones(len(dims)) if weights is None else np.array(weights)
    losses = [CASES[case].definition(naive_cosines(rows, columns, m)) for m in dims]
    return sum(w * loss for w, loss in zip(weights, losses, strict=True)) / weights.sum()


def kinks(case, adaptor, dims):
    """Return every number at whose zero the loss is not smooth."""
    Y, U, _ = adaptor.forward(X)
    found = [Y[:, 0]]  # a prefix of one coordinate has cosines 1 and -1
    if adaptor.activation == "relu":
        found.append((U @ adaptor.W1 + adaptor.b1).ravel())
    if case == "reconstruction":
        found.append((Y - U).ravel())
    elif CASES[case].counted is not None:
        counted = CASES[case].counted
        rows, columns = parts(CASES[case].form, Y)
        target = S[: len(rows)]
        found += [(naive_cosines(rows, columns, m) - target)[counted] for m in dims]
    return np.concatenate(found)


def everywhere(test):
    test = pytest.mark.parametrize(("dims", "weights"), LAYOUTS)(test)
    test = pytest.mark.parametrize("activation", ACTIVATIONS)(test)
    return pytest.mark.parametrize("case", [*CASES, "reconstruction"])(test)


@everywhere
def test_automatic_differentiation_agrees(case, activation, dims, weights):
    adaptor = ResidualAdaptor(**PARAMETERS, activation=activation)
    value, gradients = evaluate(case, adaptor, dims, weights)
    assert value == pytest.approx(naive(case, PARAMETERS, activation, dims, weights), rel=1e-12)
    expected = grad(naive, 1)(case, PARAMETERS, activation, dims, weights)
    assert gradients.keys() == expected.keys()
    for name, gradient in gradients.items():
        scale = np.abs(expected[name]).max()
        np.testing.assert_allclose(gradient, expected[name], rtol=0, atol=1e-10 * scale)


@everywhere
def test_central_differences_agree(case, activation, dims, weights):
    adaptor = ResidualAdaptor(**PARAMETERS, activation=activation)
    assert np.abs(kinks(case, adaptor, dims)).min() > 0.01
    _, gradients = evaluate(case, adaptor, dims, weights)
    generator = np.random.default_rng(1)
    for name, parameter in PARAMETERS.items():
        for _ in range(2):
            direction = generator.standard_normal(parameter.shape)
            step = 1e-5 * direction / np.linalg.norm(direction)
            ahead, behind = (adaptor.replace(**{name: parameter + s}) for s in (step, -step))
            # No kink is crossed on the way.
            signs = np.sign(kinks(case, ahead, dims)), np.sign(kinks(case, behind, dims))
            assert (signs[0] == signs[1]).all()
            rise = evaluate(case, ahead, dims, weights)[0]
            rise -= evaluate(case, behind, dims, weights)[0]
            error = rise / 2e-5 - np.sum(gradients[name] * step) / 1e-5
            assert abs(error) < 1e-6 * np.linalg.norm(gradients[name])
