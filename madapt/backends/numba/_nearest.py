"""Exact nearest rows: products in tiles, and one look at each tile while it is in the cache."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from madapt.backends.numba._products import is_plain, shares
from madapt.backends.numba._ranked import (
    Rankings,
    merge_both,
    merge_diagonal,
    merge_rankings,
    merge_rows,
)
from madapt.backends.numba._threads import in_parallel, one_blas_thread
from madapt.backends.numba._workspace import scratch

__all__ = ["nearest", "nearest_others"]

#: Rows and columns of a tile: 2 MiB, and products of that size run at full speed.
ROWS, COLUMNS = 1024, 512

Found = tuple[np.ndarray, np.ndarray] | None


def nearest(
    Q: Any, blocks: Iterable[tuple[int, np.ndarray]], k: int, repeats: np.ndarray | None
) -> Found:
    """Return the k rows of a corpus with the largest products with each query.

    Parameters
    ----------
    Q : array of shape (b, d)
    blocks : iterable of (start, array of shape (c, d))
        The corpus, in order: where a block starts, and its rows.
    k : int
    repeats : bool array of shape (n,) or None
        Rows to pass over.

    Returns
    -------
    indices : array of shape (b, k), int64
        Largest first, of equal ones the lower index; -1 where there are fewer.
    values : array of shape (b, k), float32
        The products; -inf where there are fewer. Instead of the pair None where Q is not float32.
    """
    if not is_plain(Q):
        return None
    rankings = Rankings.empty(len(Q), k)
    passed_over = np.zeros(0, np.uint8) if repeats is None else repeats.view(np.uint8)
    with one_blas_thread() as n_threads:
        parts = shares(len(Q), n_threads)
        for start, C in blocks:

            def work(part: int, start: int = start, C: np.ndarray = C) -> None:
                mine = parts[part]
                _search(Q[mine], C, start, passed_over, k, rankings.rows(mine))

            in_parallel(work, len(parts))
    return rankings.unpacked(k)


def _search(
    Q: np.ndarray,
    C: np.ndarray,
    start: int,
    passed_over: np.ndarray,
    k: int,
    rankings: Rankings,
) -> None:
    """Merge rows start.. of the corpus into the rankings of some queries."""
    for top in range(0, len(Q), ROWS):
        rows = slice(top, top + ROWS)
        for left in range(0, len(C), COLUMNS):
            block, first = C[left : left + COLUMNS], start + left
            S = scratch("similarities", (len(Q[rows]), len(block)))
            np.matmul(Q[rows], block.T, out=S)
            aside = passed_over[first : first + len(block)]
            merge_rows(S, first, aside, k, *rankings.rows(rows))


def nearest_others(X: Any, k: int) -> Found:
    """Return the k other rows with the largest products with each row.

    Half the work of `nearest`: S_ij counts for row i and for row j.

    Parameters
    ----------
    X : array of shape (n, d)
    k : int
        Below n.

    Returns
    -------
    indices : array of shape (n, k), int64
        As from `nearest`.
    values : array of shape (n, k), float32
        As from `nearest`.
    """
    if not is_plain(X):
        return None
    rankings = Rankings.empty(len(X), k)
    with one_blas_thread() as n_threads:
        for top in range(0, len(X), ROWS):
            rows = slice(top, min(top + ROWS, len(X)))
            # A column's ranking belongs to one thread; to those of the rows all threads add,
            # each to its own, until the end of the block.
            own = [Rankings.empty(rows.stop - top, k) for _ in range(n_threads - 1)]
            own.insert(0, rankings.rows(rows))

            def work(part: int, rows: slice = rows, own: list[Rankings] = own) -> None:
                for left in range(rows.start + part * ROWS, len(X), len(own) * ROWS):
                    columns = slice(left, left + ROWS)
                    _search_both(X, rows, columns, k, own[part], rankings.rows(columns))

            in_parallel(work, n_threads)
            for other in own[1:]:
                merge_rankings(k, *other, *own[0])
    return rankings.unpacked(k)


def _search_both(
    X: np.ndarray,
    rows: slice,
    columns: slice,
    k: int,
    of_rows: Rankings,
    of_columns: Rankings,
) -> None:
    """Merge a tile on or above the diagonal into the rankings of both sides."""
    block = X[columns]
    S = scratch("similarities", (rows.stop - rows.start, len(block)))
    np.matmul(X[rows], block.T, out=S)
    if columns.start == rows.start:
        merge_diagonal(S, rows.start, k, *of_rows)
    else:
        merge_both(S, rows.start, columns.start, k, *of_rows, *of_columns)
