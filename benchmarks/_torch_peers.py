"""What the published competitors written in PyTorch share: batches, scores, schedule, face."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple, Self

import numpy as np
import torch
from scipy.sparse import csr_array

from madapt.baselines import SVDRotation
from madapt.neighbors import top_k

#: The negatives of a query are drawn from so many of its nearest documents.
N_NEAR = 100
#: From so many judged queries on the learning rate for many is used.
N_MANY = 200


class Batch(NamedTuple):
    """A few queries with documents for all of them."""

    queries: np.ndarray  # (B,) rows of the queries
    corpus: np.ndarray  # (D,) rows of the corpus
    grades: torch.Tensor  # (B, D)


class Judgments:
    """Judged queries, drawn in batches.

    A batch holds the relevant documents of its queries (at most `n_positives` of each),
    `n_hard` documents of each query that lie near it and are not relevant, and documents at
    random up to `n_docs`.
    """

    def __init__(self, X: np.ndarray, queries: np.ndarray, qrels: Any, sizes: dict[str, int]):
        qrels = csr_array(qrels)
        self.sizes = sizes
        self.n_docs = len(X)
        self.qrels = qrels
        ends = zip(qrels.indptr[:-1], qrels.indptr[1:], strict=True)
        rows = [(qrels.indices[a:b], qrels.data[a:b]) for a, b in ends]
        self.relevant = [found[grades > 0] for found, grades in rows]
        self.judged = np.array([i for i, found in enumerate(self.relevant) if len(found)])
        if not len(self.judged):
            raise ValueError("qrels must hold a grade above 0, got none to learn from")
        near, _ = top_k(queries, X, min(N_NEAR, len(X)))
        pairs = zip(near, self.relevant, strict=True)
        self.hard = [found[~np.isin(found, known)] for found, known in pairs]

    def batches(self, n_steps: int, generator: np.random.Generator) -> Iterator[Batch]:
        """Yield so many batches; a query comes again when all others have come."""
        waiting: list[int] = []
        size = min(self.sizes["n_queries"], len(self.judged))
        for _ in range(n_steps):
            while len(waiting) < size:
                waiting.extend(generator.permutation(self.judged))
            chosen, waiting = waiting[:size], waiting[size:]
            yield self._batch(np.array(chosen), generator)

    def rate(self, many: float, few: float) -> float:
        """Return the learning rate for so many, or so few, judged queries."""
        return many if len(self.judged) >= N_MANY else few

    def steps_an_epoch(self) -> int:
        """Return after how many steps each query has come about once."""
        return math.ceil(len(self.judged) / self.sizes["n_queries"])

    def _batch(self, chosen: np.ndarray, generator: np.random.Generator) -> Batch:
        few, most = self.sizes["n_hard"], self.sizes["n_positives"]
        parts = [generator.permutation(self.relevant[i])[:most] for i in chosen]
        parts += [generator.permutation(self.hard[i])[:few] for i in chosen]
        picked = np.unique(np.concatenate(parts))
        missing = min(self.sizes["n_docs"], self.n_docs) - len(picked)
        if missing > 0:
            others = generator.choice(self.n_docs, missing, replace=False)
            picked = np.unique(np.concatenate([picked, others]))
        grades = self.qrels[chosen][:, picked].toarray().astype(np.float32)
        return Batch(chosen, picked, torch.from_numpy(grades))


def pair_differences(scores: torch.Tensor, grades: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Return s_ik - s_ij for each relevant document j of a query i and all k, and r_ij - r_ik.

    scores and grades are (B, D); both results (P, D) with one row for each relevant pair. The
    second is 0 where k is not less relevant than j.
    """
    i, j = torch.nonzero(grades > 0, as_tuple=True)
    gaps = (grades[i, j].unsqueeze(1) - grades[i]).clamp(min=0)
    return scores[i] - scores[i, j].unsqueeze(1), gaps


def cosines(A: torch.Tensor, B: torch.Tensor) -> torch.Tensor:
    """Return the cosines of rows of A (a, m) with rows of B (b, m)."""
    unit = torch.nn.functional.normalize
    return unit(A, dim=1) @ unit(B, dim=1).T


def minimise(
    parameters: list[dict[str, Any]], losses: Iterable[Callable[[], torch.Tensor]], n_steps: int
) -> None:
    """Take one step of Adam a loss, with learning rates that fall to 0 along a cosine."""
    optimizer = torch.optim.Adam(parameters)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: 0.5 + 0.5 * math.cos(math.pi * step / n_steps)
    )
    for loss in losses:
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()
        schedule.step()


def start_columns(X: np.ndarray, start: str) -> torch.Tensor:
    """Return the d x d matrix that a fit starts from: "identity", or the "svd" rotation."""
    if start == "identity":
        return torch.eye(X.shape[1])
    if start == "svd":
        return torch.from_numpy(SVDRotation().fit(X).rotation_.T.astype(np.float32))
    raise ValueError(f"start must be 'identity' or 'svd', got {start!r}")


class Peer:
    """The face that the competitors share."""

    def fit(self, X: Any, *, queries: Any = None, qrels: Any = None) -> Self:
        """Learn from documents (n, d), queries (n_q, d) and their grades (n_q, n)."""
        X = unit_rows(X)
        if queries is not None:
            queries = unit_rows(queries)
        self.dims_ = sorted({*self.dims, X.shape[1]})
        self._fit(X, queries, qrels)
        return self

    def transform(self, X: Any, dim: int | None = None) -> np.ndarray:
        """Return the first `dim` coordinates, rows of unit length, float32."""
        dim = self.dims_[-1] if dim is None else dim
        if dim not in self.dims_:
            raise ValueError(f"dim must be one of {self.dims_}, got {dim}")
        with torch.no_grad():
            return unit_rows(self._reduce(torch.from_numpy(unit_rows(X)), dim).numpy())

    def _fit(self, X: np.ndarray, queries: np.ndarray | None, qrels: Any) -> None:
        raise NotImplementedError

    def _reduce(self, X: torch.Tensor, dim: int) -> torch.Tensor:
        raise NotImplementedError


def unit_rows(X: Any) -> np.ndarray:
    """Return the rows as float32 of unit length; rows of zeros stay."""
    X = np.ascontiguousarray(X, dtype=np.float32)
    norms = np.linalg.norm(X, axis=1, keepdims=True)
    return X / np.where(norms > 0, norms, 1)
