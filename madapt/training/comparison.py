"""Held-out scores side by side: frozen, truncation, PCA, the start and the candidates."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from madapt._linalg import svd_rotation
from madapt.training.data import HeldOutScores

__all__ = ["Comparison", "HeldOut"]

#: (m -> (row prefixes, corpus prefixes)), dims -> scores of shape (L, n_rows).
Measure = Callable[[Callable[[int], tuple[Any, Any]], tuple[int, ...]], np.ndarray]


@dataclass(frozen=True)
class HeldOut:
    """Rows that were not trained on, and what they are compared with.

    Parameters
    ----------
    rows, corpus : ndarrays of shapes (n_rows, d), (n, d)
        As they enter the rotation: normalised and centred.
    frozen_rows, frozen_corpus : ndarrays of the same shapes
        The same, normalised only.
    """

    rows: np.ndarray
    corpus: np.ndarray
    frozen_rows: np.ndarray
    frozen_corpus: np.ndarray


@dataclass(frozen=True)
class Comparison:
    """Held-out scores of several methods.

    Parameters
    ----------
    dims : tuple of L int
        Prefix lengths.
    scores : dict of str to ndarray of shape (L, n_rows)
        By method.
    weights : ndarray of shape (n_rows,) or None
        Of the rows in a mean; None weighs all alike.
    """

    dims: tuple[int, ...]
    scores: dict[str, np.ndarray]
    weights: np.ndarray | None = None

    @classmethod
    def of(
        cls,
        measure: Measure,
        data: HeldOut,
        dims: tuple[int, ...],
        candidates: Mapping[str, Callable[[np.ndarray], np.ndarray]],
        weights: np.ndarray | None = None,
    ) -> Comparison:
        """Measure the frozen embedding, truncation, PCA and each candidate's full transform."""
        frozen = (data.frozen_rows, data.frozen_corpus)
        axes = _principal_axes(data.frozen_corpus)
        scores = {
            # The same whole vectors at every dim: one search.
            "frozen": np.repeat(measure(lambda m: frozen, dims[-1:]), len(dims), axis=0),
            "truncation": measure(_prefixes(*frozen), dims),
            "pca": measure(_prefixes(*(axes(rows) for rows in frozen)), dims),
        }
        for name, transform in candidates.items():
            scores[name] = measure(_prefixes(transform(data.rows), transform(data.corpus)), dims)
        return cls(dims, scores, weights)

    @classmethod
    def joined(cls, parts: Sequence[Comparison]) -> Comparison:
        """Return the scores of several folds' rows side by side."""
        first = parts[0]
        scores = {
            name: np.concatenate([part.scores[name] for part in parts], axis=1)
            for name in first.scores
        }
        if first.weights is None:
            return cls(first.dims, scores)
        return cls(
            first.dims, scores, np.concatenate([part.weights for part in parts]) / len(parts)
        )

    def held_out(self, metric: str, kept: str) -> HeldOutScores:
        """Return the scores of what was kept, beside those of the frozen embedding."""
        scores = self.scores[kept]
        n = scores.shape[1]
        weights = np.full(n, 1 / max(n, 1)) if self.weights is None else self.weights
        return HeldOutScores(metric, self.dims, scores, self.scores["frozen"][0], weights)

    def table(self, metric: str, kept: str) -> dict[str, list[Any]]:
        """Return plain columns: dim, each method's mean, what was kept and the metric."""
        columns: dict[str, list[Any]] = {"dim": list(self.dims)}
        for name, scores in self.scores.items():
            means = np.average(scores, axis=1, weights=self.weights)
            columns[name] = [float(mean) for mean in means]
        columns["kept"] = [kept] * len(self.dims)
        columns["metric"] = [metric] * len(self.dims)
        return columns


def _prefixes(rows: np.ndarray, corpus: np.ndarray) -> Callable[[int], tuple[Any, Any]]:
    return lambda m: (rows[:, :m], corpus[:, :m])


def _principal_axes(corpus: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Return rows (n, d) -> their coordinates on the principal axes of the corpus (n, d)."""
    mean = corpus.mean(axis=0, dtype=np.float64)
    rotation = svd_rotation(corpus, mean)
    centre = mean.astype(corpus.dtype)
    return lambda rows: (rows - centre) @ rotation.T
