"""The guard: a candidate is kept only where held-out data show that it is no worse."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from madapt.evaluation.metrics import ndcg_at_k
from madapt.neighbors import top_k

__all__ = ["NDCG_MARGIN", "OVERLAP_MARGIN", "is_no_worse", "neighbor_overlap", "query_ndcg"]

#: How far below the start the mean of a dim may fall: held-out rows are many and their overlap
#: says much, judged queries are few and their nDCG says less.
OVERLAP_MARGIN, NDCG_MARGIN = 0.005, 0.01

#: (row prefixes, corpus prefixes) of length m.
Prefixes = Callable[[int], tuple[Any, Any]]


def neighbor_overlap(
    nearest: np.ndarray, prefixes: Prefixes, dims: Sequence[int], *, exclude_self: bool = False
) -> np.ndarray:
    """Share of the true nearest neighbours that each prefix finds.

    Parameters
    ----------
    nearest : ndarray of shape (n_rows, k)
        The nearest neighbours by the original vectors.
    prefixes : callable
        m -> (rows (n_rows, m), corpus (n, m)).
    dims : sequence of L int
        Prefix lengths.
    exclude_self : bool, default=False
        The rows are the corpus.

    Returns
    -------
    ndarray of shape (L, n_rows)
        Between 0 and 1.
    """
    k = nearest.shape[1]
    overlap = np.zeros((len(dims), nearest.shape[0]))
    for place, m in enumerate(dims):
        rows, corpus = prefixes(m)
        found, _ = top_k(rows, corpus, k, exclude_self=exclude_self)
        overlap[place] = (found[:, :, None] == nearest[:, None, :]).any(axis=2).mean(axis=1)
    return overlap


def query_ndcg(
    qrels: csr_array, prefixes: Prefixes, dims: Sequence[int], *, k: int = 10
) -> np.ndarray:
    """nDCG@k of each query with a positive, at each prefix length.

    Parameters
    ----------
    qrels : csr_array of shape (n_queries, n_documents)
        Grades; each query has a positive.
    prefixes : callable
        m -> (queries (n_queries, m), corpus (n_documents, m)).
    dims : sequence of L int
        Prefix lengths.
    k : int, default=10
        Depth.

    Returns
    -------
    ndarray of shape (L, n_queries)
    """
    scores = np.zeros((len(dims), qrels.shape[0]))
    for place, m in enumerate(dims):
        queries, corpus = prefixes(m)
        ranking, _ = top_k(queries, corpus, k)
        scores[place] = ndcg_at_k(ranking, qrels, k, average=False)
    return scores


def is_no_worse(start: np.ndarray, candidate: np.ndarray, margin: float) -> bool:
    """Decide whether a candidate replaces the start.

    Parameters
    ----------
    start, candidate : ndarrays of shape (L, n)
        Held-out scores, one row a dim, one column a held-out row or query.
    margin : float
        The most by which the mean of a dim may fall below the start.

    Returns
    -------
    bool
        True if no dim falls below the start by more than the margin, and the mean over
        dims is higher by more than chance would have it: the one-sided paired test at the
        5 % level, mean / standard error > 1.645 over held-out rows.
    """
    difference = candidate - start
    if difference.mean(axis=1).min(initial=0.0) < -margin:
        return False
    per_row = difference.mean(axis=0)
    if len(per_row) < 2:
        return False
    error = per_row.std(ddof=1) / np.sqrt(len(per_row))
    return bool(per_row.mean() > 1.645 * error and per_row.mean() > 0)
