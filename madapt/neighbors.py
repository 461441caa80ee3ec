"""Exact nearest rows by similarity, in blocks, within a given amount of memory."""

from __future__ import annotations

from typing import Any

import numpy as np

from madapt._block_search import BlockSearch
from madapt._checks import check_integer, check_one_of, check_pair, check_rows
from madapt._duplicates import equal_rows
from madapt._nearest_on_device import top_k_on_device
from madapt._on_device import is_on_device
from madapt.backends import get_backend

__all__ = ["top_k"]

_METRICS = ("cosine", "dot", "euclidean")


def top_k(
    queries: Any,
    corpus: Any,
    k: int,
    metric: str = "cosine",
    *,
    exclude_self: bool = False,
    max_bytes: int = 256 * 2**20,
    backend: str = "auto",
) -> tuple[Any, Any]:
    """Find the k most similar corpus rows of each query, exactly.

    Parameters
    ----------
    queries : array-like of shape (n_queries, d)
        Rows of floats or integers. Memory-mapped, float16 and int8 arrays are cast block
        by block, never whole. Arrays on a device (CuPy, PyTorch on CUDA) are searched there.
    corpus : array-like of shape (n_docs, d)
        Rows to search, of the same kinds; on the device of the queries if those are on one.
    k : int
        How many rows to find for each query, at least 1.
    metric : {"cosine", "dot", "euclidean"}, default="cosine"
        The similarity: the cosine (0 for a zero row), the inner product, or *minus* the
        Euclidean distance, so that the highest is the nearest for all three.
    exclude_self : bool, default=False
        Never return row i for query i. Needs the queries to be the corpus.
    max_bytes : int, default=256 MiB
        Working memory, whatever n_queries and n_docs are. Besides it there are the results
        and about 50 bytes for each corpus row. A value too small for one query against 64
        corpus rows is exceeded.
    backend : str, default="auto"
        Where the products run: "auto" is the fastest CPU backend that is installed. With
        "cupy" float32 products run on a GPU, where the corpus is kept for the call if half of
        its free memory is enough, else it streams through it.

    Returns
    -------
    indices : ndarray of shape (n_queries, k), int64
        Corpus rows, most similar first. There are min(k, n_docs) columns, or
        min(k, n_docs - 1) with ``exclude_self``.
    similarities : ndarray of shape (n_queries, k), float32 or float64
        Their similarities, falling; float64 if queries or corpus are float64.

    Raises
    ------
    TypeError
        If k, max_bytes or exclude_self has the wrong type.
    ValueError
        If queries or corpus is not a finite 2-D array of real numbers with the same number
        of columns, if its numbers are too large for products in float32, or if another
        argument lies outside its range.

    Notes
    -----
    Of two equal similarities the lower index comes first, also where only one of them is
    among the best k. Corpus rows that are equal bit for bit always have equal similarities
    here; a matrix product alone can give them different last digits.

    Work is one matrix product for a block of queries against a block of the corpus,
    2 n_queries n_docs d in all, in float32 unless an input is float64. The Euclidean
    distance is always computed in float64, since the difference of two large squares is
    little more than rounding in float32, and returned in the dtype named above.

    After the first block an entry counts only if it beats the k-th best so far: one
    comparison for each entry, and sorting for the few that pass.

    Examples
    --------
    >>> from madapt.neighbors import top_k
    >>> indices, similarities = top_k([[1.0, 0.0]], [[0.0, 2.0], [3.0, 0.0], [1.0, 1.0]], k=2)
    >>> indices
    array([[1, 2]])
    >>> similarities.round(3)
    array([[1.   , 0.707]])
    """
    k = check_integer(k, "k", low=1)
    check_one_of(metric, "metric", _METRICS)
    max_bytes = check_integer(max_bytes, "max_bytes", low=1)
    if is_on_device(queries) or is_on_device(corpus):
        get_backend(backend)  # one that there is not is refused; the products run where they are
        return top_k_on_device(queries, corpus, k, metric, exclude_self, max_bytes)
    queries, corpus = check_rows(queries, "queries"), check_rows(corpus, "corpus")
    check_pair(queries, corpus, exclude_self)
    n_queries, n = queries.shape[0], corpus.shape[0]
    dtype = np.float64 if _is_double(queries) or _is_double(corpus) else np.float32
    # A query that is left out of its own ranking afterwards takes one place more in it.
    k, wanted = min(k + bool(exclude_self), n), min(k, n - bool(exclude_self))
    equal = equal_rows(corpus)
    search = BlockSearch(corpus, k, metric, dtype, equal, n_queries, max_bytes, backend)
    if exclude_self and queries is corpus and equal is None:
        both = search.others(wanted)
        if both is not None:
            return both
    indices = np.empty((n_queries, wanted), np.int64)
    similarities = np.empty((n_queries, wanted), dtype)
    for start in range(0, n_queries, search.rows):
        stop = min(start + search.rows, n_queries)
        found, values = search(queries[start:stop])
        if equal is not None:
            equal.expand(found, values)
        if exclude_self:
            found, values = _without(np.arange(start, stop), found, values)
        indices[start:stop] = found
        similarities[start:stop] = values
    return indices, similarities


def _without(
    own: np.ndarray, indices: np.ndarray, values: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Take from each row its own index, or the last place where that is not in it."""
    kept = indices != own[:, None]
    kept[kept.all(axis=1), -1] = False
    shape = (indices.shape[0], indices.shape[1] - 1)
    return indices[kept].reshape(shape), values[kept].reshape(shape)


def _is_double(X: np.ndarray) -> bool:
    return X.dtype.kind == "f" and X.dtype.itemsize == 8
