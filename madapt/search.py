"""Funnel search: a prefix of each vector finds candidates, the whole vector ranks them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from madapt._checks import check_dim, check_integer, check_number, check_rows, check_same_width
from madapt._row_source import raise_not_finite
from madapt._rows import unit_rows
from madapt.exceptions import InvalidValueError
from madapt.neighbors import top_k

__all__ = ["funnel_search"]

#: Memory for the candidates of a block of queries; more gains nothing.
BLOCK_BYTES = 16 * 2**20


def funnel_search(
    queries: Any,
    corpus: Any,
    dim: int,
    oversample: float = 8,
    k: int = 10,
    *,
    prefix: Any = None,
    query_prefix: Any = None,
    max_bytes: int = 256 * 2**20,
) -> tuple[np.ndarray, np.ndarray]:
    """Find k corpus rows of each query by a prefix, ranked exactly by the whole vector.

    Parameters
    ----------
    queries : array-like of shape (n_queries, d)
        Adapted queries at full dim, floats or integers. What `transform` returns has the
        prefixes that this wants.
    corpus : array-like of shape (n_docs, d)
        Adapted documents at full dim. Of a memory map with `prefix` given only the rows of
        candidates are read.
    dim : int
        Coordinates the first search sees, in 1..d.
    oversample : float, default=8
        The first search keeps ceil(oversample * k) candidates, at least 1 times k. docs/search.md
        has what that finds.
    k : int, default=10
        How many rows to find for each query, at least 1.
    prefix : array-like of shape (n_docs, dim) or None, default=None
        What the first search looks at, kept in memory beside a corpus that is not:
        ``transform(X, dim=dim)``, float16 or int8 codes of it. None takes the first `dim` columns
        of the corpus. Rows need no particular length.
    query_prefix : array-like of shape (n_queries, dim) or None, default=None
        What is compared with `prefix`. None takes the first `dim` columns of queries. With both,
        queries and corpus may be the vectors as they were before adapting, which then
        need not be stored anew.
    max_bytes : int, default=256 MiB
        Working memory, as in :func:`madapt.neighbors.top_k`.

    Returns
    -------
    indices : ndarray of shape (n_queries, k), int64
        Corpus rows, most similar first; min(k, n_docs) columns.
    similarities : ndarray of shape (n_queries, k), float32 or float64
        Cosines of the whole vectors, falling, 0 for a zero row; float64 if queries or corpus
        are float64.

    Raises
    ------
    TypeError
        If dim, oversample, k or max_bytes has the wrong type.
    ValueError
        If an array is not a finite 2-D array of real numbers of the shape above, query_prefix
        comes without prefix, or another argument lies outside its range. Numbers of a corpus
        that are not finite are found when they are read; those outside the prefix, of
        candidates alone.

    See Also
    --------
    madapt.neighbors.top_k : The search without a funnel.

    Notes
    -----
    The first search is 2 n_queries n_docs dim operations, the second
    2 n_queries ceil(oversample k) d. With oversample * k >= n_docs, and with dim = d and neither
    prefix, it is ``top_k(queries, corpus, k)`` itself. More candidates hold those of fewer, so
    that no larger `oversample` finds fewer of the exact best k, apart from ties by rounding.
    Of two equal similarities the lower index comes first, among candidates and among results;
    rows that are equal bit for bit have equal similarities.

    Examples
    --------
    >>> from madapt import MatryoshkaAdaptor
    >>> from madapt.datasets import load_cranfield
    >>> from madapt.search import funnel_search
    >>> data = load_cranfield("test")
    >>> adaptor = MatryoshkaAdaptor(max_iter=1, random_state=0).fit(data.corpus)
    >>> documents, queries = adaptor.transform(data.corpus), adaptor.transform(data.queries)
    >>> indices, similarities = funnel_search(queries, documents, dim=64, k=5)
    >>> indices.shape, similarities.dtype
    ((100, 5), dtype('float32'))

    The small column in memory, and of the large one what is needed:

    >>> small = adaptor.transform(data.corpus, dim=64, precision="float16")
    >>> same, _ = funnel_search(queries, documents, dim=64, k=5, prefix=small)
    >>> bool((same == indices).all())
    True
    """
    queries, corpus = check_rows(queries, "queries"), check_rows(corpus, "corpus")
    check_same_width(queries, corpus)
    n, d = corpus.shape
    dim = check_dim(dim, d)
    oversample = check_number(oversample, "oversample", low=1)
    k = min(check_integer(k, "k", low=1), n)
    max_bytes = check_integer(max_bytes, "max_bytes", low=1)
    left, right = _prefixes(queries, corpus, dim, query_prefix, prefix)
    n_candidates = math.ceil(min(oversample * k, n))
    if n_candidates == n or (dim == d and prefix is None):
        return top_k(queries, corpus, k, max_bytes=max_bytes)
    _check_finite(queries, "queries")
    rerank = _Rerank(queries, corpus, min(max_bytes // 4, BLOCK_BYTES))
    indices = np.empty((len(queries), k), np.int64)
    similarities = np.empty((len(queries), k), rerank.dtype)
    # Candidates of all queries at once, unless there are very many.
    step = max(1, max_bytes // 4 // (16 * n_candidates))
    for start in range(0, len(queries), step):
        part = slice(start, start + step)
        candidates, _ = top_k(left[part], right, n_candidates, max_bytes=max_bytes // 2 + 1)
        candidates.sort(axis=1)  # of equal similarities the lower index comes first then
        rerank(candidates, start, indices[part], similarities[part])
    return indices, similarities


class _Rerank:
    """The best of some candidates by the cosine of whole vectors.

    Parameters
    ----------
    queries : ndarray of shape (n_queries, d)
    corpus : ndarray of shape (n_docs, d)
        Read at the candidates alone.
    max_bytes : int
        For the candidates' rows; those of one query are taken at least.
    """

    def __init__(self, queries: np.ndarray, corpus: np.ndarray, max_bytes: int) -> None:
        self.queries, self.corpus, self.max_bytes = queries, corpus, max_bytes
        is_double = any(X.dtype.kind == "f" and X.dtype.itemsize == 8 for X in (queries, corpus))
        self.dtype = np.dtype(np.float64 if is_double else np.float32)

    def __call__(
        self, candidates: np.ndarray, start: int, indices: np.ndarray, values: np.ndarray
    ) -> None:
        """Rank the candidates (b, c), rising, of queries from `start` on; write (b, k) each."""
        (b, c), k, d = candidates.shape, indices.shape[1], self.corpus.shape[1]
        # As they are read, scaled twice, and side by side for each query.
        rows = max(1, self.max_bytes // (4 * c * d * self.dtype.itemsize))
        for first in range(0, b, rows):
            part = slice(first, min(first + rows, b))
            found = candidates[part]
            Q = unit_rows(self.queries[start + first : start + part.stop].astype(self.dtype))
            distinct, place = np.unique(found, return_inverse=True)
            C = unit_rows(self._read(distinct))
            # No matrix product, which may round rows that are equal differently.
            S = np.einsum("bcd,bd->bc", C[place.reshape(found.shape)], Q)
            best = np.argsort(-S, axis=1, kind="stable")[:, :k]
            indices[part] = np.take_along_axis(found, best, axis=1)
            values[part] = np.take_along_axis(S, best, axis=1)

    def _read(self, rows: np.ndarray) -> np.ndarray:
        """Return checked corpus rows, rising, in the working dtype."""
        C: np.ndarray = self.corpus[rows].astype(self.dtype, copy=False)
        if not np.isfinite(C).all():
            i = int(np.argwhere(~np.isfinite(C))[0, 0])
            raise_not_finite(C[i : i + 1], int(rows[i]), "corpus")
        return C


def _prefixes(
    queries: np.ndarray, corpus: np.ndarray, dim: int, query_prefix: Any, prefix: Any
) -> tuple[np.ndarray, np.ndarray]:
    """Return what the first search compares, (n_queries, dim) and (n_docs, dim)."""
    if query_prefix is not None and prefix is None:
        raise InvalidValueError("prefix must come with query_prefix, got query_prefix alone")
    left, right = queries[:, :dim], corpus[:, :dim]
    if query_prefix is not None:
        left = _check_prefix(query_prefix, "query_prefix", left.shape)
    if prefix is not None:
        right = _check_prefix(prefix, "prefix", right.shape)
    return left, right


def _check_prefix(X: Any, name: str, shape: tuple[int, ...]) -> np.ndarray:
    rows = check_rows(X, name)
    if rows.shape != shape:
        of = "queries" if name == "query_prefix" else "corpus"
        raise InvalidValueError(
            f"{name} must have shape {shape}, rows of {of} by dim, got {rows.shape}"
        )
    _check_finite(rows, name)
    return rows


def _check_finite(X: np.ndarray, name: str) -> None:
    rows = max(1, BLOCK_BYTES // X.shape[1])
    for start in range(0, len(X), rows):
        raise_not_finite(X[start : start + rows], start, name)
