"""Exact nearest rows by similarity, in blocks, within a given amount of memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from madapt._checks import check_integer, check_one_of, check_rows, check_same_width
from madapt._duplicates import EqualRows, equal_rows
from madapt._elsewhere import is_elsewhere
from madapt._nearest_elsewhere import top_k_elsewhere
from madapt._rows import unit_rows
from madapt._selection import merge_largest
from madapt.backends import get_backend
from madapt.exceptions import InvalidTypeError, InvalidValueError

__all__ = ["top_k"]

#: Operations of a search for which a backend is imported: some hundredths of a second.
WORTH_A_KERNEL = 4e9

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
    if is_elsewhere(queries) or is_elsewhere(corpus):
        return top_k_elsewhere(queries, corpus, k, metric, exclude_self, max_bytes)
    queries, corpus = check_rows(queries, "queries"), check_rows(corpus, "corpus")
    _check_pair(queries, corpus, exclude_self)
    n_queries, n = queries.shape[0], corpus.shape[0]
    dtype = np.float64 if _is_double(queries) or _is_double(corpus) else np.float32
    # A query that is left out of its own ranking afterwards takes one place more in it.
    k, wanted = min(k + bool(exclude_self), n), min(k, n - bool(exclude_self))
    equal = equal_rows(corpus)
    search = _Search(corpus, k, metric, dtype, equal, n_queries, max_bytes, backend)
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


class _Search:
    """The best k first rows of a corpus for one block of queries at a time.

    Parameters
    ----------
    corpus : row-sliceable of shape (n_docs, d)
        As in `top_k`, and so are k, at most n_docs, metric and max_bytes.
    k : int
        How many.
    metric : {"cosine", "dot", "euclidean"}
        By what.
    dtype : type
        Of the similarities, float32 or float64.
    equal : EqualRows or None
        Which corpus rows to pass over, as they repeat an earlier one.
    n_queries : int
        How many queries there will be in all.
    max_bytes : int
        Of working memory.
    backend : str
        As in `top_k`.

    Attributes
    ----------
    rows : int
        How many queries to hand in at once, at most.
    """

    def __init__(
        self,
        corpus: np.ndarray,
        k: int,
        metric: str,
        dtype: type,
        equal: EqualRows | None,
        n_queries: int,
        max_bytes: int,
        backend: str = "auto",
    ) -> None:
        n, d = corpus.shape
        self.corpus, self.k, self.metric, self.dtype = corpus, k, metric, dtype
        self.repeats = None if equal is None else equal.repeats
        self.max_bytes = max_bytes
        self.working = np.dtype(np.float64 if metric == "euclidean" else dtype)
        width = (d + 1) * self.working.itemsize
        whole = n * width
        # Preparing the corpus once, not for each block of queries, if it leaves room enough.
        keep = 4 * whole <= max_bytes
        self.rows, self.columns = _tile(
            n_queries, n, k, width, self.working.itemsize, max_bytes - keep * whole
        )
        self.prepared: Any = None
        self.kernels = _kernels(2.0 * n_queries * n * d, self.working, max_bytes, backend)
        if "hold" in self.kernels:
            # Of queries there is nothing but the rows themselves on the host, and results.
            self.rows = max(1, min(n_queries, max_bytes // (4 * width + 24 * k)))
            if self.rows < n_queries:
                self.prepared = self.kernels["hold"](self._blocks(), (n, d))
        elif keep and self.rows < n_queries:
            self.prepared = np.concatenate([block for _, block in self._blocks()])
        self.room: tuple[np.ndarray, np.ndarray] | None = None

    def __call__(self, queries: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return indices (b, k), -1 where there are fewer than k, and similarities (b, k)."""
        Q = _prepare(queries, "queries", self.metric, self.working)
        b = Q.shape[0]
        if "nearest" in self.kernels:
            found: tuple[np.ndarray, np.ndarray] | None
            found = self.kernels["nearest"](Q, self._blocks(), self.k, self.repeats)
            if found is not None:
                return found
        if self.metric == "euclidean":
            squares = np.einsum("ij,ij->i", Q, Q)[:, None]  # (b, 1)
            Q = np.hstack([Q, np.ones((b, 1))])
        indices = np.full((b, self.k), -1)
        values = np.full((b, self.k), -np.inf, self.working)
        for start, block in self._blocks():
            c = block.shape[0]
            tile, passed = self._room()
            S, passed = tile[: b * c].reshape(b, c), passed[: b * c].reshape(b, c)
            np.matmul(Q, block.T, out=S)
            if self.repeats is not None:
                S[:, self.repeats[start : start + c]] = -np.inf
            indices, values = merge_largest(S, start, indices, values, passed)
        if self.metric == "euclidean":
            values = -np.sqrt(np.maximum(squares - values, 0))
        return indices, values.astype(self.dtype, copy=False)

    def others(self, k: int) -> tuple[np.ndarray, np.ndarray] | None:
        """Return the k best other rows of each row of the corpus; None: search as usual."""
        n, d = self.corpus.shape
        # The rows as they are compared, and for each the 8 bytes of 2 k candidates.
        needed = 8 * n * (d + 2 * max(k, 16))
        if "nearest_others" not in self.kernels or needed > self.max_bytes:
            return None
        if self.prepared is None:
            self.prepared = np.concatenate([block for _, block in self._blocks()])
        found: tuple[np.ndarray, np.ndarray] | None
        found = self.kernels["nearest_others"](self.prepared, k)
        return found

    def _room(self) -> tuple[np.ndarray, np.ndarray]:
        """Return memory for a tile of similarities and for what passes of it, always the same."""
        if self.room is None:
            size = self.rows * self.columns
            self.room = np.empty(size, self.working), np.empty(size, bool)
        return self.room

    def _blocks(self) -> Iterator[tuple[int, np.ndarray]]:
        """Yield where a block of the corpus starts, and its rows ready for the product."""
        for start in range(0, self.corpus.shape[0], self.columns):
            stop = start + self.columns
            if self.prepared is not None:
                yield start, self.prepared[start:stop]
                continue
            C = _prepare(self.corpus[start:stop], "corpus", self.metric, self.working)
            if self.metric == "euclidean":
                # With a 1 after the query: 2 q c - |c|^2 = |q|^2 - |q - c|^2.
                C = np.hstack([2 * C, -np.einsum("ij,ij->i", C, C)[:, None]])
            yield start, C


def _kernels(
    n_operations: float, dtype: np.dtype, max_bytes: int, backend: str
) -> Mapping[str, Callable[..., Any]]:
    """Return a backend's kernels, the best one's where they are worth import and room."""
    if backend != "auto":
        found = get_backend(backend).kernels
        return found if dtype == np.float32 else {}
    if n_operations < WORTH_A_KERNEL or dtype != np.float32 or max_bytes < 2**24:
        return {}
    return get_backend().kernels


def _without(
    own: np.ndarray, indices: np.ndarray, values: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Take from each row its own index, or the last place where that is not in it."""
    kept = indices != own[:, None]
    kept[kept.all(axis=1), -1] = False
    shape = (indices.shape[0], indices.shape[1] - 1)
    return indices[kept].reshape(shape), values[kept].reshape(shape)


def _prepare(block: np.ndarray, name: str, metric: str, dtype: np.dtype) -> np.ndarray:
    """Return a block in the working dtype, of unit rows for cosines."""
    X = block.astype(dtype, copy=False)
    with np.errstate(over="ignore", invalid="ignore"):
        squares = np.einsum("ij,ij->i", X, X)[:, None]  # (b, 1)
    # By Cauchy and Schwarz no product overflows then, and nothing is infinite or NaN.
    safe = bool((squares <= np.finfo(dtype).max / 16).all())
    if not (safe or np.isfinite(X).all()):
        raise InvalidValueError(f"{name} must be finite, got NaN or infinity")
    if metric == "cosine":
        unit: np.ndarray
        unit = X / np.sqrt(squares) if safe and squares.min() > 1e-20 else unit_rows(X)
        return unit
    if not safe:
        raise InvalidValueError(
            f"{name} must have rows no longer than {np.sqrt(np.finfo(dtype).max) / 4:.2g} for "
            f"metric {metric!r} in {dtype}, got a longer one"
        )
    return X


def _tile(
    n_queries: int, n: int, k: int, width: int, itemsize: int, max_bytes: int
) -> tuple[int, int]:
    """Return how many queries and corpus rows to take at once."""
    rows, columns = min(n_queries, 1024), min(n, 8192)
    row = 4 * width + 100 * (3 * k + 16)

    def cost() -> int:
        return rows * columns * (itemsize + 5) + rows * row + 4 * columns * width

    # Fewer columns at a time than that, and what NumPy spends on a call is all there is.
    fewest = min(n, 64)
    while cost() > max_bytes and (rows > 1 or columns > fewest):
        if rows > 1 and (8 * rows >= columns or columns == fewest):
            rows = (rows + 1) // 2
        else:
            columns = max((columns + 1) // 2, fewest)
    return rows, columns


def _is_double(X: np.ndarray) -> bool:
    return X.dtype.kind == "f" and X.dtype.itemsize == 8


def _check_pair(queries: np.ndarray, corpus: np.ndarray, exclude_self: Any) -> None:
    if not isinstance(exclude_self, bool | np.bool_):
        raise InvalidTypeError(f"exclude_self must be True or False, got {exclude_self!r}")
    check_same_width(queries, corpus)
    if exclude_self and queries.shape != corpus.shape:
        raise InvalidValueError(
            f"queries must be the corpus when exclude_self is True, "
            f"got shapes {queries.shape} and {corpus.shape}"
        )
