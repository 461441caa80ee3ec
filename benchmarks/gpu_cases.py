"""What benchmarks/gpu.py compares with the reference: every kernel, and what has none yet.

A case takes a backend and a function that brings NumPy arrays to it, and returns arrays. Where a
function has a kink, the cases keep away from it: on either side of it the gradients are others,
and rounding would decide.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from _rows import embedding_rows

from madapt._activations import ACTIVATIONS
from madapt.adaptor import ResidualAdaptor
from madapt.backends import Backend
from madapt.losses import Objective, neighbor_pairs, reconstruction_loss
from madapt.training.optimizers import Adam, OrthogonalAdam

#: How far from a kink, in what the kink is in.
MARGIN = 1e-4
#: Kernels that the cases go through. Another one is reported as never compared.
COMPARED = {
    *("similarity", "listwise", "graded_listwise", "ranking", "neighbor_pairs"),
    *("residual", "adam_direction", "orthogonal_step", "product"),
    *("nearest", "nearest_others", "hold", "stream"),
}

To = Callable[[np.ndarray], Any]
#: Backend and a function that takes arrays to it -> arrays.
Case = Callable[[Backend, To], list[Any]]


@dataclass(frozen=True)
class Sizes:
    """Rows of a batch, columns of the rectangular form, coordinates, prefixes."""

    rows: int
    columns: int
    d: int
    dims: tuple[int, ...]


def cases(sizes: Sizes, kernels: set[str]) -> dict[str, Case]:
    """Return everything that is compared, by name."""
    return {
        **document_cases(sizes),
        **query_cases(sizes),
        **adaptor_cases(sizes),
        **optimiser_cases(sizes),
        **search_cases(sizes, kernels),
    }


def document_cases(sizes: Sizes) -> dict[str, Case]:
    """Return the losses among documents, square and rectangular, each with its gradient."""
    X = embedding_rows(sizes.columns, sizes.d)
    Y = X + 0.3 / sizes.d**0.5 * np.random.default_rng(0).standard_normal(X.shape, np.float32)
    S = away_from_kinks(X @ X.T, Y, sizes.dims)
    data = {"Y": Y, "S": S, "near": neighbor_pairs(S, 10)}
    listwise = {"listwise_weight": 1.0, "neighbor_temperature": 0.03, "prefix_temperature": 0.3}
    weights = {
        "listwise": listwise,
        "top-k": {"listwise_weight": 0.0, "topk_weight": 1.0},
        "pairwise": {"listwise_weight": 0.0, "pairwise_weight": 1.0},
        "all three": {**listwise, "topk_weight": 0.7, "pairwise_weight": 1.3},
    }
    found = {f"{name}, square": _square(sizes, data, kw) for name, kw in weights.items()}
    return found | {f"{name}, columns": _columns(sizes, data, kw) for name, kw in weights.items()}


def _square(sizes: Sizes, data: dict[str, np.ndarray], options: dict[str, float]) -> Case:
    """Return a case of rows among themselves."""
    B = sizes.rows
    Y, *pairs = (np.ascontiguousarray(A[:B]) for A in data.values())
    S, near = (np.ascontiguousarray(A[:, :B]) for A in pairs)

    def run(backend: Backend, to: To) -> list[Any]:
        objective = Objective(sizes.dims, kernels=backend.kernels, **options)
        value, gradient = objective.documents(to(Y), to(S), neighbors=to(near))
        return [float(value), gradient]

    return run


def _columns(sizes: Sizes, data: dict[str, np.ndarray], options: dict[str, float]) -> Case:
    """Return a case of rows against all columns, of which they are the first."""
    others = np.ones((sizes.rows, sizes.columns), bool)
    np.fill_diagonal(others, False)
    Y, S, near = (np.ascontiguousarray(A[: sizes.rows]) for A in data.values())

    def run(backend: Backend, to: To) -> list[Any]:
        objective = Objective(sizes.dims, kernels=backend.kernels, **options)
        columns = {"columns": to(data["Y"]), "pairs": to(others)}
        value, gradients = objective.documents(to(Y), to(S), neighbors=to(near), **columns)
        return [float(value), *gradients]

    return run


def away_from_kinks(S: np.ndarray, Y: np.ndarray, dims: tuple[int, ...]) -> np.ndarray:
    """Return symmetric targets, float32, that no prefix cosine of the rows of Y is close to."""
    Y = Y.astype(np.float64)
    units = [Y[:, :m] / np.linalg.norm(Y[:, :m], axis=1, keepdims=True) for m in dims]
    S = (0.5 * (S + S.T)).astype(np.float32)
    for _ in range(100):
        close = np.zeros(S.shape, bool)
        for Z in units:
            close |= np.abs(S - Z @ Z.T) < MARGIN
        # A diagonal has no say, and nothing moves it away from a cosine of 1.
        np.fill_diagonal(close, False)
        if not close.any():
            return S
        S = S + np.float32(3 * MARGIN) * (close | close.T)
    raise AssertionError("there are targets close to a cosine still")


def query_cases(sizes: Sizes) -> dict[str, Case]:
    """Return the losses of queries against graded documents, and the marks of neighbours."""
    generator = np.random.default_rng(1)
    D = embedding_rows(sizes.columns, sizes.d)
    Q = D[: sizes.rows] + 0.3 / sizes.d**0.5 * generator.standard_normal(
        (sizes.rows, sizes.d), np.float32
    )
    grades = (generator.random((sizes.rows, sizes.columns)) < 0.02).astype(np.float32)
    grades[np.arange(sizes.rows), np.arange(sizes.rows)] = 2.0

    def queries(**options: Any) -> Case:
        def run(backend: Backend, to: To) -> list[Any]:
            objective = Objective(sizes.dims, kernels=backend.kernels, **options)
            value, gradients = objective.queries(to(Q), to(D), to(grades))
            return [float(value), *gradients]

        return run

    def marks(backend: Backend, to: To) -> list[Any]:
        S = to(np.ascontiguousarray(Q @ D[: sizes.rows].T))
        found = None
        if "neighbor_pairs" in backend.kernels:
            found = backend.kernels["neighbor_pairs"](S, 10, pairs=None, exclude_self=True)
        return [neighbor_pairs(S, 10) if found is None else found]

    return {
        "graded listwise": queries(relevance="softmax", relevance_temperature=0.05),
        "ranking": queries(relevance="logistic", relevance_temperature=0.1),
        "neighbour marks": marks,
    }


def adaptor_cases(sizes: Sizes) -> dict[str, Case]:
    """Return the adaptor forward and back with each activation, and the reconstruction loss."""
    d, h = sizes.d, max(8, sizes.d // 4)
    generator = np.random.default_rng(2)
    arrays = {
        "P": np.linalg.qr(generator.standard_normal((d, d)))[0],
        "W1": generator.standard_normal((d, h)) / d**0.5,
        "b1": generator.standard_normal(h) / 3,
        "W2": generator.standard_normal((h, d)) / h**0.5,
        "b2": generator.standard_normal(d) / 3,
    }
    arrays = {name: A.astype(np.float32) for name, A in arrays.items()}
    X, dY, dU = (generator.standard_normal((sizes.rows, d), np.float32) for _ in range(3))
    inputs = X.astype(np.float64) @ arrays["P"] @ arrays["W1"] + arrays["b1"]
    kept = (np.abs(inputs) > MARGIN).all(axis=1)
    X, dY, dU = X[kept], dY[kept], dU[kept]

    def residual(activation: str) -> Case:
        def run(backend: Backend, to: To) -> list[Any]:
            here = {name: to(A) for name, A in arrays.items()}
            adaptor = ResidualAdaptor(activation=activation, **here)
            forward = adaptor.forward(to(X), backend.kernels)
            gradients = forward.backward(to(dY), to(dU))
            return [forward.Y, forward.U, *(gradients[name] for name in sorted(gradients))]

        return run

    def reconstruction(_: Backend, to: To) -> list[Any]:
        value, gradient = reconstruction_loss(to(dY), to(dU))
        return [float(value), gradient]

    found = {f"adaptor, {name}": residual(name) for name in ACTIVATIONS}
    return found | {"reconstruction": reconstruction}


def optimiser_cases(sizes: Sizes) -> dict[str, Case]:
    """Return three steps of Adam and of Adam on rotations, and a product."""
    d, generator = sizes.d, np.random.default_rng(3)
    P = np.linalg.qr(generator.standard_normal((d, d)))[0].astype(np.float32)
    gradients = generator.standard_normal((3, d, d), np.float32)

    def adam(backend: Backend, to: To) -> list[Any]:
        optimiser = Adam(kernels=backend.kernels)
        return [optimiser.direction(to(gradient)) for gradient in gradients]

    def rotation(backend: Backend, to: To) -> list[Any]:
        optimiser, here = OrthogonalAdam(kernels=backend.kernels), to(P)
        for gradient in gradients:
            here = optimiser.step(here, to(gradient), 1e-3)
        return [here]

    def product(backend: Backend, to: To) -> list[Any]:
        objective = Objective((d,), kernels=backend.kernels)
        return [objective.product(to(gradients[0]), to(gradients[1]))]

    return {"Adam": adam, "Adam on rotations": rotation, "product": product}


def search_cases(sizes: Sizes, kernels: set[str]) -> dict[str, Case]:
    """Return the similarities of the nearest rows, for the kernels of search that there are."""
    X = embedding_rows(sizes.columns, sizes.d)
    Q = np.ascontiguousarray(X[: sizes.rows])

    def best(S: np.ndarray, k: int) -> np.ndarray:
        return np.sort(S, axis=1)[:, ::-1][:, :k]

    def nearest(backend: Backend, to: To) -> list[Any]:
        if "nearest" not in backend.kernels:  # the reference
            return [best(to(Q) @ to(X).T, 10)]
        _, similarities = backend.kernels["nearest"](to(Q), iter([(0, to(X))]), 10, None)
        return [similarities]

    def others(backend: Backend, to: To) -> list[Any]:
        if "nearest_others" not in backend.kernels:
            S = to(X) @ to(X).T
            np.fill_diagonal(S, -np.inf)
            return [best(S, 10)]
        return [backend.kernels["nearest_others"](to(X), 10)[1]]

    def held(backend: Backend, to: To) -> list[Any]:
        if "hold" not in backend.kernels:
            return [best(to(Q) @ to(X).T, 10)]
        corpus = backend.kernels["hold"](iter([(0, X)]), X.shape)
        return [backend.kernels["nearest"](to(Q), iter([(0, corpus)]), 10, None)[1]]

    def streamed(backend: Backend, to: To) -> list[Any]:
        if "stream" not in backend.kernels:
            return [to(X) @ to(X).T]
        rows, S = 7, np.empty((len(X), len(X)), np.float32)

        def take(start: int, part: np.ndarray) -> None:
            S[start : start + len(part)] = part

        def make() -> Callable[[Any], Any]:
            C = to(X).T
            return lambda block: block @ C

        blocks = ((start, X[start : start + rows]) for start in range(0, len(X), rows))
        backend.kernels["stream"](blocks, rows, (X.shape[1], len(X)), np.float32, make, take)
        return [to(S)]

    found: dict[str, Case] = {
        "nearest": nearest,
        "nearest_others": others,
        "hold": held,
        "stream": streamed,
    }
    return {name: case for name, case in found.items() if name in kernels}
