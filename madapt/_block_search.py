"""The block loop of the exact search: tiles of products, and the best of each query so far."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from madapt._duplicates import EqualRows
from madapt._rows import unit_rows
from madapt._selection import merge_largest
from madapt.backends import get_backend
from madapt.exceptions import InvalidValueError

__all__ = ["BlockSearch"]

#: Operations of a search for which a backend is imported: some hundredths of a second.
WORTH_A_KERNEL = 4e9


class BlockSearch:
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
