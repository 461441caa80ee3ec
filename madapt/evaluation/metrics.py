"""Retrieval metrics on arrays of indices, as trec_eval defines them."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from madapt._checks import check_integer
from madapt.exceptions import InvalidTypeError, InvalidValueError

__all__ = ["ndcg_at_k", "recall_at_k"]


def ndcg_at_k(ranking: Any, qrels: Any, k: int = 10, *, average: bool = True) -> float | np.ndarray:
    """Normalised discounted cumulative gain of the first k places.

    Parameters
    ----------
    ranking : array-like of shape (n_queries, n_ranked), int
        Document indices, best first; -1 is a place without a document. Places past the last
        column are such, too.
    qrels : sparse array or matrix of shape (n_queries, n_docs)
        Grades. Those that are negative or not stored have gain 0.
    k : int, default=10
        How many places count.
    average : bool, default=True
        Return the mean over the queries that have a positive grade.

    Returns
    -------
    float or ndarray of shape (n_queries,), float64
        The mean, or with ``average=False`` the value of each query: between 0 and 1, NaN for
        a query without a positive grade.

    Raises
    ------
    InvalidValueError
        If the shapes do not match, an index lies outside -1..n_docs - 1, a row ranks a
        document twice, a grade is not finite, or no query has a positive grade to average.
    InvalidTypeError
        If ranking is not of integers, or qrels is not sparse.

    Notes
    -----
    With g_r the grade at rank r = 1, 2, ..., where it is positive, DCG@k = sum over r <= k of
    g_r / log2(r + 1). nDCG@k is DCG@k over that of the best possible ranking of *all* judged
    documents. The gain is linear: this is ``ndcg_cut`` of trec_eval, and ``nDCG@k`` of
    ir-measures.

    References
    ----------
    K. Järvelin, J. Kekäläinen, "Cumulated gain-based evaluation of IR techniques", ACM TOIS
    20 (2002).

    Examples
    --------
    >>> from scipy.sparse import csr_array
    >>> qrels = csr_array([[0, 2, 1], [0, 0, 0]])
    >>> round(ndcg_at_k([[0, 1, 2], [0, 1, 2]], qrels), 4)
    0.6697
    """
    ranking, rows, documents, grades, shape = _checked(ranking, qrels, k, average)
    discounts = 1 / np.log2(np.arange(2, k + 2))  # (k,)
    gains = _grades_of(ranking, rows, documents, grades, shape[1])
    gained = gains @ discounts[: ranking.shape[1]]  # (n_queries,)
    # The ideal: grades of each query, falling.
    order = np.lexsort((-grades, rows))
    rows, grades = rows[order], grades[order]
    counts = np.bincount(rows, minlength=shape[0])
    places = np.arange(rows.size) - np.repeat(np.cumsum(counts) - counts, counts)
    first = places < k
    ideal = np.bincount(
        rows[first], weights=grades[first] * discounts[places[first]], minlength=shape[0]
    )
    return _share(gained, ideal, average)


def recall_at_k(
    ranking: Any, qrels: Any, k: int = 100, *, average: bool = True
) -> float | np.ndarray:
    """Share of the relevant documents that are among the first k.

    Parameters
    ----------
    ranking : array-like of shape (n_queries, n_ranked), int
        Document indices, best first; -1 is a place without a document. Places past the last
        column are such, too.
    qrels : sparse array or matrix of shape (n_queries, n_docs)
        Grades. A document is relevant if its grade is above 0.
    k : int, default=100
        How many places count.
    average : bool, default=True
        Return the mean over the queries that have a relevant document.

    Returns
    -------
    float or ndarray of shape (n_queries,), float64
        The mean, or with ``average=False`` the value of each query: between 0 and 1, NaN for
        a query without a relevant document.

    Raises
    ------
    InvalidValueError
        If the shapes do not match, an index lies outside -1..n_docs - 1, a row ranks a
        document twice, a grade is not finite, or no query has a relevant document to average.
    InvalidTypeError
        If ranking is not of integers, or qrels is not sparse.

    Notes
    -----
    This is ``recall`` of trec_eval, and ``R@k`` of ir-measures, at relevance level 1.

    Examples
    --------
    >>> from scipy.sparse import csr_array
    >>> recall_at_k([[0, 1, 2]], csr_array([[0, 2, 1]]), k=2)
    0.5
    """
    ranking, rows, documents, grades, shape = _checked(ranking, qrels, k, average)
    found = _grades_of(ranking, rows, documents, grades, shape[1]) > 0
    relevant = np.bincount(rows, minlength=shape[0])
    return _share(found.sum(axis=1).astype(np.float64), relevant, average)


def _checked(
    ranking: Any, qrels: Any, k: Any, average: Any
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, tuple[int, int]]:
    """Return k places of the ranking, the positive judgments by row and column, the shape."""
    k = check_integer(k, "k", low=1)
    if not isinstance(average, bool | np.bool_):
        raise InvalidTypeError(f"average must be True or False, got {average!r}")
    if not sparse.issparse(qrels):
        raise InvalidTypeError(f"qrels must be sparse, got {type(qrels).__name__}")
    ranking = np.asarray(ranking)
    if ranking.ndim != 2 or ranking.shape[0] != qrels.shape[0]:
        raise InvalidValueError(
            f"ranking must have a row for each of the {qrels.shape[0]} queries of qrels, "
            f"got shape {ranking.shape}"
        )
    if ranking.dtype.kind not in "iu":
        raise InvalidTypeError(f"ranking must hold integers, got dtype {ranking.dtype}")
    n_docs = qrels.shape[1]
    ranking = ranking[:, :k].astype(np.int64, copy=False)
    wrong = ranking[(ranking < -1) | (ranking >= n_docs)]
    if wrong.size:
        raise InvalidValueError(f"ranking must lie in -1..{n_docs - 1}, got {wrong[0]}")
    ordered = np.sort(ranking, axis=1)
    if ((ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)).any():
        raise InvalidValueError("ranking must name a document once a row, got one twice")
    # A copy: summing up what is stored twice would change the caller's own.
    entries = sparse.csr_array(qrels, dtype=np.float64, copy=True)
    entries.sum_duplicates()
    if not np.isfinite(entries.data).all():
        raise InvalidValueError("qrels must be finite, got NaN or infinity")
    rows = np.repeat(np.arange(qrels.shape[0]), np.diff(entries.indptr))
    positive = entries.data > 0
    if average and not positive.any():
        raise InvalidValueError("qrels must hold a grade above 0, got none to average")
    return ranking, rows[positive], entries.indices[positive], entries.data[positive], qrels.shape


def _grades_of(
    ranking: np.ndarray, rows: np.ndarray, documents: np.ndarray, grades: np.ndarray, n_docs: int
) -> np.ndarray:
    """Return the positive grades at the places of a ranking, 0 elsewhere; its shape."""
    if not rows.size:
        return np.zeros(ranking.shape)
    # One number a pair, rising as CSR stores them with sorted indices.
    judged = rows.astype(np.int64) * n_docs + documents
    ranked = np.arange(ranking.shape[0])[:, None] * n_docs + ranking
    places = np.minimum(np.searchsorted(judged, ranked), judged.size - 1)
    return np.where((judged[places] == ranked) & (ranking >= 0), grades[places], 0.0)


def _share(reached: np.ndarray, possible: np.ndarray, average: bool) -> float | np.ndarray:
    """Divide query by query, NaN where nothing is possible; or average the others."""
    some = possible > 0
    shares = np.full(reached.shape, np.nan)
    shares[some] = reached[some] / possible[some]
    return float(shares[some].mean()) if average else shares
