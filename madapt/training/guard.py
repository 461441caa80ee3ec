"""The guard: a candidate is kept only where held-out data show that it is no worse."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy.sparse import csr_array
from scipy.special import stdtrit

from madapt.evaluation.metrics import ndcg_at_k
from madapt.neighbors import top_k

__all__ = [
    "GRADE_TEMPERATURE",
    "LEVEL",
    "MARGIN",
    "NEIGHBOR_MARGIN",
    "falls_below",
    "is_no_worse",
    "labels_agree",
    "neighbor_ndcg",
    "neighbor_overlap",
    "query_ndcg",
]

#: Error probability of a stage's test.
LEVEL = 0.05

#: How far below the start the mean of a dim may fall, by judgments and by neighbours: held-out
#: rows are many and say more than judged queries, which are few.
MARGIN, NEIGHBOR_MARGIN = 0.01, 0.005
#: What the guard measures neighbours by where cosines spread as usual.
GRADE_TEMPERATURE = 0.05

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


def neighbor_ndcg(
    similarities: np.ndarray,
    prefixes: Prefixes,
    dims: Sequence[int],
    *,
    k: int = 10,
    temperature: float = GRADE_TEMPERATURE,
) -> np.ndarray:
    """nDCG@k of each prefix's ranking, graded by the original similarities.

    Parameters
    ----------
    similarities : ndarray of shape (n_rows, n)
        Cosines of the original vectors.
    prefixes : callable
        m -> (rows (n_rows, m), corpus (n, m)).
    dims : sequence of L int
        Prefix lengths.
    k : int, default=10
        Depth.
    temperature : float, default=0.05
        An original similarity lower by that much makes a grade e times smaller.

    Returns
    -------
    ndarray of shape (L, n_rows)
        Between 0 and 1.

    Notes
    -----
    Document j has the grade exp((S_ij - max_j S_ij) / temperature). Where many documents are
    about as near as the tenth, it costs next to nothing to find others of them, as it would cost
    a reader; the overlap of the nearest ten counts each as a loss.
    """
    k = min(k, similarities.shape[1])
    discounts = 1.0 / np.log2(np.arange(2, k + 2))
    nearest = similarities.max(axis=1, keepdims=True)
    grades = np.exp((similarities - nearest) / temperature)
    ideal = -np.sort(-grades, axis=1)[:, :k] @ discounts
    scores = np.empty((len(dims), len(similarities)))
    for place, m in enumerate(dims):
        found, _ = top_k(*prefixes(m), k)
        scores[place] = np.take_along_axis(grades, found, axis=1) @ discounts / ideal
    return scores


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
        Between 0 and 1.
    """
    scores = np.zeros((len(dims), qrels.shape[0]))
    for place, m in enumerate(dims):
        queries, corpus = prefixes(m)
        ranking, _ = top_k(queries, corpus, k)
        scores[place] = ndcg_at_k(ranking, qrels, k, average=False)
    return scores


def labels_agree(scores: np.ndarray, shuffled: np.ndarray, *, level: float = LEVEL) -> bool:
    """Say whether judgments have anything to do with the embedding.

    Parameters
    ----------
    scores : ndarray of shape (n,)
        Each query's nDCG by its own judgments, before it was learned from them.
    shuffled : ndarray of shape (n,)
        Its nDCG by another query's judgments.
    level : float, default=0.05
        Error probability of the test.

    Returns
    -------
    bool
        True if queries find more by their own judgments than by others', by a one-sided
        paired t-test. Random and shuffled judgments, and such as call the farthest documents
        relevant, do not pass; nothing learned from them could be better than the start.
    """
    return _is_above_zero(scores - shuffled, level)


def is_no_worse(
    start: np.ndarray,
    candidate: np.ndarray,
    margin: float = MARGIN,
    *,
    level: float = LEVEL,
    weights: np.ndarray | None = None,
    standard_errors: float = 0.0,
) -> bool:
    """Decide whether a candidate replaces the start.

    Parameters
    ----------
    start, candidate : ndarrays of shape (L, n)
        Held-out scores, one row a dim, one column a held-out row or query.
    margin : float, default=0.01
        The most by which the mean of a dim may fall below the start.
    level : float, default=0.05
        Error probability of the test.
    weights : ndarray of shape (n,) or None, default=None
        Of the columns in each mean, of sum 1; None weighs all alike.
    standard_errors : float, default=0.0
        As in `falls_below`.

    Returns
    -------
    bool
        True if no dim's mean falls below the start's by more than the margin, and the mean
        over dims is higher by a one-sided paired t-test: a candidate that is in truth no
        better is kept with a probability of at most `level`.
    """
    n = start.shape[1]
    if n < 2:
        return False
    w = np.full(n, 1 / n) if weights is None else weights
    if falls_below(start, candidate, margin, weights=w, standard_errors=standard_errors):
        return False
    return _is_above_zero((candidate - start).mean(axis=0), level, w)


def falls_below(
    start: np.ndarray,
    candidate: np.ndarray,
    margin: float = MARGIN,
    *,
    weights: np.ndarray | None = None,
    standard_errors: float = 0.0,
) -> bool:
    """Say whether the mean of a dim falls below the start's by more than the margin.

    Parameters are those of `is_no_worse`; without columns nothing falls. A fall counts if it is
    more than so many of its `standard_errors`, too: the means of a few dozen queries
    differ by points where nothing has changed.
    """
    n = start.shape[1]
    if n == 0:
        return False
    w = np.full(n, 1 / n) if weights is None else weights
    falls = (start - candidate) @ w  # (L,)
    allowed = np.full(len(falls), margin)
    if standard_errors and n > 1:
        allowed = np.maximum(allowed, standard_errors * _standard_error(start - candidate, w))
    return bool((falls > allowed).any())


def _is_above_zero(values: np.ndarray, level: float, weights: np.ndarray | None = None) -> bool:
    """Test the mean by a one-sided t-test; False where fewer than two values tell nothing."""
    n = len(values)
    if n < 2:
        return False
    w = np.full(n, 1 / n) if weights is None else weights
    mean = float(values @ w)
    return mean > 0 and mean > float(stdtrit(n - 1, 1 - level) * _standard_error(values, w))


def _standard_error(values: np.ndarray, w: np.ndarray) -> Any:
    """Return that of the weighted mean over the last axis, of n > 1 values."""
    n = values.shape[-1]
    deviations = values - (values @ w)[..., None]
    return np.sqrt(((w * deviations) ** 2).sum(axis=-1) * n / (n - 1))
