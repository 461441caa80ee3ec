"""The queries that lose most by a short prefix, and where their documents went."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from madapt.estimator import MatryoshkaAdaptor

__all__ = ["Hurt", "HurtQuery", "Scored", "hurt_queries"]

#: Queries that are listed, and the difference that counts as one.
MOST, LEAST = 10, 1e-9


@dataclass(frozen=True)
class HurtQuery:
    """One query that loses.

    Parameters
    ----------
    query : str
        Its id.
    full, adapted : float
        The metric by the embedding as it is, and by the prefix.
    n_relevant : int
        Documents with a positive grade.
    document : str
        Id of the one with the highest grade, of several the one that was found first.
    rank_full, rank_adapted : int
        Its ranks, from 1.
    """

    query: str
    full: float
    adapted: float
    n_relevant: int
    document: str
    rank_full: int
    rank_adapted: int


@dataclass(frozen=True)
class Hurt:
    """What happens to queries one by one at a dim.

    Parameters
    ----------
    dim : int
    metric : str
    better, same, worse : int
        Counts of judged queries.
    queries : list of HurtQuery
        Those that lose most, ten at most.
    """

    dim: int
    metric: str
    better: int
    same: int
    worse: int
    queries: list[HurtQuery]


@dataclass(frozen=True)
class Scored:
    """A metric of each judged query, by the embedding as it is and by a prefix.

    Parameters
    ----------
    dim : int
    metric : str
    judged : ndarray of shape (n_judged,), int
        Rows of the queries.
    full, adapted : ndarray of shape (n_judged,)
    """

    dim: int
    metric: str
    judged: np.ndarray
    full: np.ndarray
    adapted: np.ndarray


def hurt_queries(
    scored: Scored,
    model: MatryoshkaAdaptor,
    vectors: tuple[np.ndarray, np.ndarray],
    names: tuple[list[str], list[str]],
    qrels: Any,
) -> Hurt:
    """Return the queries that lose most, with the rank of their best document.

    Parameters
    ----------
    scored : Scored
    model : MatryoshkaAdaptor
    vectors : tuple of ndarrays of shapes (n, d) and (n_queries, d)
        Documents and queries.
    names : tuple of lists of str
        Their ids.
    qrels : csr_array of shape (n_queries, n)
    """
    change = scored.adapted - scored.full
    order = np.argsort(change, kind="stable")
    places = [place for place in order[:MOST] if change[place] < -LEAST]
    documents, queries = vectors
    rows = scored.judged[places]
    Z = np.asarray(model.transform(documents, dim=scored.dim))
    before = _similarities(queries[rows], documents)
    after = _similarities(np.asarray(model.transform(queries, scored.dim, "query"))[rows], Z)
    listed = []
    for at, (place, row) in enumerate(zip(places, rows, strict=True)):
        grades = qrels[[row]].toarray()[0]
        best = np.flatnonzero(grades == grades.max())
        document = int(best[np.argmax(before[at][best])])
        scores = float(scored.full[place]), float(scored.adapted[place])
        n_relevant = int((grades > 0).sum())
        ranks = [1 + int((one[at] > one[at][document]).sum()) for one in (before, after)]
        found = HurtQuery(names[1][row], *scores, n_relevant, names[0][document], *ranks)
        listed.append(found)
    worse, better = int((change < -LEAST).sum()), int((change > LEAST).sum())
    return Hurt(scored.dim, scored.metric, better, len(change) - better - worse, worse, listed)


def _similarities(Q: np.ndarray, X: np.ndarray) -> np.ndarray:
    """Return cosines, shape (len(Q), len(X)); a zero row has 0."""
    lengths = (np.linalg.norm(rows, axis=1, keepdims=True) for rows in (Q, X))
    Q, X = (A / np.where(one > 0, one, 1) for A, one in zip((Q, X), lengths, strict=True))
    product: np.ndarray = Q @ X.T
    return product
