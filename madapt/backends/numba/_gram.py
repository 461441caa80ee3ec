"""Prefix Gram blocks by tiles of rows: the products, and what surrounds the slopes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from madapt.backends.numba._compile import compiled
from madapt.backends.numba._threads import in_parallel
from madapt.backends.numba._workspace import scratch

__all__ = ["Blocks", "each_tile", "plain", "rectangular", "square"]

#: Bytes of a tile's Gram blocks, all dims together, and the most rows of a tile.
TILE_BYTES, TILE_ROWS = 8 * 2**20, 128
#: Columns of a product that is added to a gradient.
PIECE = 256

#: What turns the Gram blocks K (L, T, J) of a tile into running sums of D from the back:
#: (K, first row, first column, value (2,), sums of A C by row (L, B) and by column (L, n)),
#: the last three added to.
Slopes = Callable[[np.ndarray, int, int, np.ndarray, np.ndarray, np.ndarray], None]


class Blocks(NamedTuple):
    """Rows cut into the column blocks between one dim and the next."""

    #: The rows themselves, shape (B, d).
    Y: np.ndarray
    #: Where the blocks begin and end, shape (L + 1,).
    edges: np.ndarray
    #: Contiguous copies of the blocks: products on slices of long rows are slower.
    parts: list[np.ndarray]
    #: Inverse lengths of the prefixes, shape (L, B), 0 where one counts as zero.
    r: np.ndarray

    @classmethod
    def of(cls, Y: np.ndarray, dims: Sequence[int], name: str) -> Blocks:
        """Cut Y; the copies are scratch memory of that name."""
        Y, edges, B = plain(Y), np.asarray((0, *dims)), Y.shape[0]
        room, parts = scratch(f"blocks of {name}", (B * dims[-1],)), []
        for start, stop in zip(edges, dims, strict=False):
            part = room[B * start : B * stop].reshape(B, stop - start)
            part[:] = Y[:, start:stop]
            parts.append(part)
        r = np.empty((len(dims), B), np.float32)
        _inverse_lengths(Y, edges, r)
        return cls(Y, edges, parts, r)


def plain(X: np.ndarray) -> np.ndarray:
    """Return X as the kernels know arrays: contiguous and not read-only."""
    X = np.ascontiguousarray(X)
    return X if X.flags.writeable else X.copy()


def square(
    blocks: Blocks, slopes: Slopes, factor: Callable[[np.ndarray], float], n_threads: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the sums of value and factor (D + D^T - pulls) Y.

    The Gram matrix and D + D^T are symmetric: the pairs above the diagonal are enough, and
    3 B^2 d operations in all. `slopes` is called with the first row as first column.
    """
    B, L = blocks.Y.shape[0], len(blocks.parts)
    value, row_sums, column_sums = _sums(n_threads, L, B, B)
    gradients = _one_each(blocks.Y, n_threads)

    def tile(K: np.ndarray, start: int, stop: int, part: int) -> None:
        slopes(K, start, start, value[part], row_sums, column_sums[part])
        gradient = gradients[part]
        _add_products(K, blocks, blocks, start, start, gradient[start:stop], gradient[start:])

    each_tile(blocks, tile, n_threads)
    total = value.sum(axis=0)
    gradient = _gathered(gradients)
    _finish(blocks, gradient, row_sums + column_sums.sum(axis=0), factor(total))
    return total, gradient


def each_tile(
    blocks: Blocks, tile: Callable[[np.ndarray, int, int, int], None], n_threads: int
) -> None:
    """Call tile(K, start, stop, part): rows start..stop against all columns from start."""
    B = blocks.Y.shape[0]
    # The tiles differ in width: several for each thread even that out, and narrow ones waste
    # little below the diagonal.
    spans = _spans(B, B, len(blocks.parts), max(8, 4 * n_threads))

    def work(part: int) -> None:
        # There and back again: the first tiles are wide, the last ones narrow.
        turn = 2 * n_threads
        for start, stop in spans[part::turn] + spans[turn - 1 - part :: turn]:
            tile(_forward(blocks, blocks, start, stop, start), start, stop, part)

    in_parallel(work, n_threads)


def rectangular(
    rows: Blocks,
    columns: Blocks,
    slopes: Slopes,
    factor: Callable[[np.ndarray], float],
    n_threads: int,
) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """Return the sums of value, factor (D Z - pulls Y) and its transpose for the columns Z.

    6 B n d operations. `slopes` is called with 0 as first column.
    """
    B, n, L = rows.Y.shape[0], columns.Y.shape[0], len(rows.parts)
    value, row_sums, column_sums = _sums(n_threads, L, B, n)
    of_rows, of_columns = np.zeros_like(rows.Y), _one_each(columns.Y, n_threads)
    spans = _spans(B, n, L, n_threads)

    def work(part: int) -> None:
        for start, stop in spans[part::n_threads]:
            K = _forward(rows, columns, start, stop, 0)
            slopes(K, start, 0, value[part], row_sums, column_sums[part])
            _add_products(K, rows, columns, start, 0, of_rows[start:stop], of_columns[part])

    in_parallel(work, n_threads)
    total = value.sum(axis=0)
    _finish(rows, of_rows, row_sums, factor(total))
    gradient = _gathered(of_columns)
    _finish(columns, gradient, column_sums.sum(axis=0), factor(total))
    return total, (of_rows, gradient)


def _sums(n_threads: int, L: int, B: int, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return zeros: two sums of value a thread, A C by row, A C by column a thread."""
    column_sums = scratch("column sums", (n_threads, L, n))
    column_sums[:] = 0
    return np.zeros((n_threads, 2)), np.zeros((L, B)), column_sums


def _finish(blocks: Blocks, gradient: np.ndarray, pull: np.ndarray, factor: float) -> None:
    """Take the pulls of A C, shape (L, B), off the gradient and scale it, in place."""
    pull = pull * blocks.r.astype(np.float64) ** 2
    pull = np.cumsum(pull[::-1], axis=0)[::-1]  # sums over l >= t
    pull = np.ascontiguousarray(pull.T, dtype=np.float32)
    _take_off(blocks.Y, pull, blocks.edges, np.float32(factor), gradient)


def _spans(n_rows: int, n_columns: int, L: int, n_tiles: int) -> list[tuple[int, int]]:
    """Return where the tiles of rows begin and end: at least so many, if that is not too small.

    L T n_columns numbers fit in the cache.
    """
    fitting = TILE_BYTES // (4 * L * max(n_columns, 1)) // 8 * 8
    even = -(-n_rows // (8 * n_tiles)) * 8
    rows = max(8, min(TILE_ROWS, fitting, max(even, 32)))
    return [(start, min(start + rows, n_rows)) for start in range(0, n_rows, rows)]


def _forward(rows: Blocks, columns: Blocks, start: int, stop: int, first: int) -> np.ndarray:
    """Return the Gram blocks of rows start..stop and columns from `first`, (L, T, J)."""
    K = scratch("tile", (len(rows.parts), stop - start, columns.Y.shape[0] - first))
    for k, left, right in zip(K, rows.parts, columns.parts, strict=True):
        np.matmul(left[start:stop], right[first:].T, out=k)
    return K


def _add_products(
    K: np.ndarray,
    rows: Blocks,
    columns: Blocks,
    start: int,
    first: int,
    of_rows: np.ndarray,
    of_columns: np.ndarray,
) -> None:
    """Add what a tile says to the gradients of its rows and of its columns.

    K_l times block l of the columns from `first`, and K_l^T times block l of the rows from
    `start`: by pieces, so that K_l and what is added stay in the cache.
    """
    T, J = K.shape[1:]
    for k, row_part, column_part, edge in zip(
        K, rows.parts, columns.parts, rows.edges, strict=False
    ):
        for a in range(0, row_part.shape[1], PIECE):
            b = min(a + PIECE, row_part.shape[1])
            here = slice(edge + a, edge + b)
            product = scratch("product", (T, b - a))
            np.matmul(k, column_part[first:, a:b], out=product)
            of_rows[:, here] += product
            product = scratch("product", (J, b - a))
            np.matmul(k.T, row_part[start : start + T, a:b], out=product)
            of_columns[:, here] += product


def _one_each(Y: np.ndarray, n_threads: int) -> list[np.ndarray]:
    """Return zeros in the shape of Y for each thread; all but the first are scratch memory."""
    others = scratch("gradients of other threads", (n_threads - 1, *Y.shape))
    others[:] = 0
    return [np.zeros_like(Y), *others]


def _gathered(gradients: list[np.ndarray]) -> np.ndarray:
    """Return the sum, in the first."""
    for other in gradients[1:]:
        gradients[0] += other
    return gradients[0]


@compiled("void(float32[:,::1], int64[::1], float32[:,::1])")
def _inverse_lengths(Y, edges, r):
    """r_l = 1 / length of prefix l; 0 where that is below eps times the whole row's."""
    L = r.shape[0]
    limits = np.finfo(np.float32)
    squares = np.empty(L, np.float64)
    for i in range(Y.shape[0]):
        whole = np.float64(0)
        for m in range(L):
            total = np.float32(0)
            for x in Y[i, edges[m] : edges[m + 1]]:
                total += x * x
            whole += total
            squares[m] = whole
        floor = max(whole * limits.eps**2, limits.tiny)
        for m in range(L):
            r[m, i] = 1.0 / np.sqrt(squares[m]) if squares[m] > floor else 0.0


@compiled("void(float32[:,::1], float32[:,::1], int64[::1], float32, float32[:,::1])")
def _take_off(Y, pull, edges, factor, gradient):
    """Gradient_t = factor (gradient_t - pull_t Y_t) for each block t."""
    for i in range(gradient.shape[0]):
        for m in range(pull.shape[1]):
            p = pull[i, m]
            for j in range(edges[m], edges[m + 1]):
                gradient[i, j] = factor * (gradient[i, j] - p * Y[i, j])
