"""Centring: each side loses a share of its own mean."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["FEWEST_QUERIES", "STRENGTH", "Center", "strength_from_labels"]

#: Strength without labels. Half of the mean gains much where centring helps and costs little
#: where it does not; docs/results.md has both kinds of collection.
STRENGTH = 0.5
#: Fewer queries do not tell their mean well enough.
FEWEST_QUERIES = 20
#: Strengths that labels choose from.
STRENGTHS = (0.0, 0.25, 0.5, 0.75)


@dataclass(frozen=True)
class Center:
    """What is taken from each side before the rotation.

    Parameters
    ----------
    document, query : ndarrays of shape (d,)
        Strength times the mean of the documents, and of the queries.
    strength : float
        c, between 0 and 1.
    """

    document: np.ndarray
    query: np.ndarray
    strength: float

    @classmethod
    def of(cls, X: np.ndarray, Q: np.ndarray, strength: float) -> Center:
        """Return the centre of documents X (n, d) and queries Q (n_queries, d)."""
        means = (rows.mean(axis=0, dtype=np.float64) for rows in (X, Q))
        document, query = (np.asarray(strength * mean, dtype=X.dtype) for mean in means)
        return cls(document, query, strength)

    def side(self, side: str) -> np.ndarray:
        """Return what is taken from "document" or "query" rows."""
        return self.query if side == "query" else self.document


def strength_from_labels(
    score: Callable[[float], np.ndarray], strengths: Sequence[float] = STRENGTHS
) -> float:
    """Return the strength with the best mean score of judged queries.

    Parameters
    ----------
    score : callable
        c -> scores of shape (L, n_queries), at the start, before any training: with one
        number to choose there is little to overfit.
    strengths : sequence of float
        In rising order, from 0; a higher one must be better by a standard error of the
        paired difference.
    """
    best, best_score = strengths[0], score(strengths[0]).mean(axis=0)
    for strength in strengths[1:]:
        difference = score(strength).mean(axis=0) - best_score
        error = difference.std() / np.sqrt(max(len(difference), 1))
        if difference.mean() > error:
            best, best_score = strength, best_score + difference
    return best
