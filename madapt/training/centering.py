"""Centring: each side loses a share of its own mean."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from madapt.neighbors import top_k

__all__ = ["FEWEST_QUERIES", "Center", "strength_from_hubs", "strength_from_labels"]

#: The strongest centring without labels: .75 retrieves best where centring helps.
STRENGTH = 0.75
#: It is taken where centring takes a quarter from the hubs; less where it takes less.
WANTED_FALL = 0.25
#: Depth of the lists in which hubs are counted.
N_LISTED = 10
#: Weaker centring is not worth giving up that cosines stay as they were.
WEAKEST = 0.1
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


def strength_from_hubs(X: np.ndarray, Q: np.ndarray) -> float:
    """Return the strength for unlabeled queries: as much as centring thins out hubs.

    Parameters
    ----------
    X : ndarray of shape (n, d)
        Documents.
    Q : ndarray of shape (n_queries, d)
        Queries.

    Returns
    -------
    float
        0, or between .1 and .75.

    Notes
    -----
    With N_j the number of queries that have document j among their nearest ten, the
    hubness is sum N_j^2 / sum N_j: how often, on average, a document that is found is found.
    Where a common direction of the documents, not their content, decides what queries find,
    the same few documents are found again and again; taking away both means then lowers the
    hubness much, and retrieval gains. Where it hardly falls, centring gains nothing.

    References
    ----------
    Radovanovic, Nanopoulos, Ivanovic: "Hubs in Space", JMLR 11, 2010 (hubs, and centring
    against them).
    """
    before = _hubness(X, Q)
    means = Center.of(X, Q, STRENGTH)
    fall = 1.0 - _hubness(X - means.document, Q - means.query) / before
    strength = STRENGTH * min(1.0, max(0.0, fall / WANTED_FALL))
    return strength if strength >= WEAKEST else 0.0


def _hubness(X: np.ndarray, Q: np.ndarray) -> float:
    found, _ = top_k(Q, X, N_LISTED)
    counts = np.bincount(found.ravel()[found.ravel() >= 0], minlength=len(X)).astype(np.float64)
    return float(np.sum(counts**2) / np.sum(counts))
