"""The kernels as the losses call them: arrays are made ready, tiles are dealt out.

Each function returns None where it cannot serve a case; the array code does it then.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from madapt.backends.numba._gram import Blocks, Slopes, each_tile, plain, rectangular, square
from madapt.backends.numba._listwise import list_slopes, neighbor_slopes, normalisers
from madapt.backends.numba._ranking import ranking_slopes
from madapt.backends.numba._similarity import fold_upper, mark_largest, similarity_slopes
from madapt.backends.numba._threads import one_blas_thread

__all__ = ["graded_listwise", "listwise", "neighbor_pairs", "ranking", "similarity"]

#: Below this, 2^(k c - k) with k = log2(e) / t can leave the range of float32.
LOWEST_TEMPERATURE = 0.025
#: Lists are looked through for it down to this; below it, k c loses too many digits.
LOWEST_OF_LISTS = 0.002

Found = tuple[float, Any] | None


def similarity(
    Y: Any,
    S: Any,
    dims: Sequence[int],
    *,
    topk_weight: float = 0.0,
    pairwise_weight: float = 0.0,
    neighbors: Any = None,
    columns: Any = None,
    pairs: Any = None,
    weights: Sequence[float] | None = None,
) -> Found:
    """Return topk_weight * top-k + pairwise_weight * pairwise loss, and the gradient.

    Parameters as for `madapt.losses.topk_loss` and `pairwise_loss`; the square form has no
    `pairs` and reads S above the diagonal only.
    """
    is_square = columns is None
    if not _serves(Y, S, columns) or (is_square and pairs is not None):
        return None
    if topk_weight and neighbors is None:
        return None
    S, counted = plain(S), _mask(pairs, S)
    if is_square:
        n_pairs = S.size - len(S)
    else:
        n_pairs = S.size if pairs is None else np.count_nonzero(counted)
    near, share = _near(neighbors if topk_weight else None, S, counted, is_square)
    shares = np.asarray([pairwise_weight / max(n_pairs, 1), topk_weight * share], np.float32)
    w = _dim_weights(weights, dims)

    def make(rows: Blocks, others: Blocks) -> Slopes:
        def slopes(K: np.ndarray, i0: int, j0: int, *sums: np.ndarray) -> None:
            similarity_slopes(
                K, S, counted, near, rows.r, others.r, w, shares, i0, j0, is_square, *sums
            )

        return slopes

    if not is_square:
        sums, gradients = _rectangular(Y, columns, dims, make, lambda sums: 1.0)
        return float(sums[0]), gradients
    with one_blas_thread() as n_threads:
        blocks = Blocks.of(Y, dims, "rows")
        sums, gradient = square(blocks, make(blocks, blocks), lambda sums: 2.0, n_threads)
    return 2.0 * float(sums[0]), gradient


def listwise(
    Y: Any,
    S: Any,
    dims: Sequence[int],
    *,
    temperature: float | Sequence[float] = 0.1,
    target_temperature: float | None = None,
    columns: Any = None,
    pairs: Any = None,
    weights: Sequence[float] | None = None,
) -> Found:
    """Return the listwise loss among documents, and its gradient.

    Parameters as for `madapt.losses.listwise_loss`; the square form has no `pairs`, one
    temperature for all, and reads S above the diagonal only.
    """
    t = _temperatures(temperature, dims)
    target = float(t[0]) if target_temperature is None else target_temperature
    lowest = LOWEST_TEMPERATURE if columns is None else LOWEST_OF_LISTS
    if min(target, t.min()) < lowest or not _serves(Y, S, columns):
        return None
    if columns is not None:
        return _lists(Y, columns, S, dims, t, target, pairs, weights, is_graded=False)
    if pairs is not None or (t != target).any():
        return None
    return _neighbors(Y, S, dims, target, weights)


def graded_listwise(
    Q: Any,
    D: Any,
    grades: Any,
    dims: Sequence[int],
    *,
    temperature: float | Sequence[float] = 0.1,
    pairs: Any = None,
    weights: Sequence[float] | None = None,
) -> Found:
    """Return the listwise loss of graded documents; see `madapt.losses.graded_listwise_loss`."""
    t = _temperatures(temperature, dims)
    if t.min() < LOWEST_OF_LISTS or not _serves(Q, grades, D):
        return None
    return _lists(Q, D, grades, dims, t, 1.0, pairs, weights, is_graded=True)


def ranking(
    Q: Any,
    D: Any,
    grades: Any,
    dims: Sequence[int],
    *,
    temperature: float = 1.0,
    weights: Sequence[float] | None = None,
) -> Found:
    """Return the ranking loss and its gradient; see `madapt.losses.ranking_loss`."""
    if not _serves(Q, grades, D):
        return None
    grades, w = plain(grades), _dim_weights(weights, dims)
    steepness = np.float32(1.0 / temperature)

    def make(rows: Blocks, others: Blocks) -> Slopes:
        def slopes(K: np.ndarray, i0: int, j0: int, *sums: np.ndarray) -> None:
            ranking_slopes(K, grades, rows.r, others.r, w, steepness, i0, *sums)

        return slopes

    sums, gradients = _rectangular(
        Q, D, dims, make, lambda sums: 1.0 / (max(sums[1], 1.0) * temperature)
    )
    return float(sums[0]) / max(float(sums[1]), 1.0), gradients


def neighbor_pairs(S: Any, k: int, *, pairs: Any = None, exclude_self: bool = True) -> Any:
    """Mark the k largest entries that count of each row; see `madapt.losses.neighbor_pairs`."""
    if not _serves(S, S, None):
        return None
    marked = np.empty(S.shape, np.uint8)
    k = min(k, S.shape[1])
    mark_largest(plain(S), _mask(pairs, S), exclude_self, k, marked)
    return marked.view(bool)


def _neighbors(
    Y: np.ndarray,
    S: np.ndarray,
    dims: Sequence[int],
    temperature: float,
    weights: Sequence[float] | None,
) -> Found:
    """Return the square form of the listwise loss: the products forward are done twice."""
    S, w = plain(S), _dim_weights(weights, dims)
    B, L = len(Y), len(dims)
    if B == 1:
        return 0.0, np.zeros_like(Y)
    slope = np.float32(np.log2(np.e) / temperature)
    with one_blas_thread() as n_threads:
        blocks = Blocks.of(Y, dims, "rows")
        row_mass, column_mass = np.zeros((L + 1, B)), np.zeros((n_threads, L + 1, B))

        def add_mass(K: np.ndarray, start: int, stop: int, part: int) -> None:
            normalisers(K, S, blocks.r, slope, start, row_mass, column_mass[part])

        each_tile(blocks, add_mass, n_threads)
        mass = row_mass + column_mass.sum(axis=0)
        inverse = (1.0 / mass).astype(np.float32)

        def slopes(K: np.ndarray, i0: int, j0: int, *sums: np.ndarray) -> None:
            neighbor_slopes(K, S, inverse, blocks.r, w, slope, i0, *sums)

        sums, gradient = square(blocks, slopes, lambda sums: 1.0 / (temperature * B), n_threads)
    log_mass = np.log(mass)
    constant = w @ (log_mass[:-1] - log_mass[-1]).sum(axis=1)
    return float(sums[0] / temperature + constant) / B, gradient


def _lists(
    Y: np.ndarray,
    columns: np.ndarray,
    targets: np.ndarray,
    dims: Sequence[int],
    temperatures: np.ndarray,
    target_temperature: float,
    pairs: Any,
    weights: Sequence[float] | None,
    *,
    is_graded: bool,
) -> Found:
    """Return the listwise loss of rows against other rows; None where powers underflow."""
    targets, counted = plain(targets), _mask(pairs, targets)
    w, steepness = _dim_weights(weights, dims), np.log2(np.e) / temperatures
    steep, target = steepness.astype(np.float32), np.float32(np.log2(np.e) / target_temperature)

    def make(rows: Blocks, others: Blocks) -> Slopes:
        def slopes(K: np.ndarray, i0: int, j0: int, *sums: np.ndarray) -> None:
            list_slopes(
                K, targets, counted, is_graded, rows.r, others.r, w, steep, target, i0, *sums
            )

        return slopes

    sums, gradients = _rectangular(
        Y, columns, dims, make, lambda sums: np.log(2.0) / max(sums[1], 1.0)
    )
    lowest = min(temperatures.min(), target_temperature)
    if lowest < LOWEST_TEMPERATURE and not np.isfinite(sums[0]):
        return None
    return float(sums[0]) / max(float(sums[1]), 1.0), gradients


def _rectangular(
    Y: np.ndarray,
    columns: np.ndarray,
    dims: Sequence[int],
    make: Callable[[Blocks, Blocks], Slopes],
    factor: Callable[[np.ndarray], float],
) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
    with one_blas_thread() as n_threads:
        rows, others = Blocks.of(Y, dims, "rows"), Blocks.of(columns, dims, "columns")
        return rectangular(rows, others, make(rows, others), factor, n_threads)


def _near(
    neighbors: Any, S: np.ndarray, counted: np.ndarray, is_square: bool
) -> tuple[np.ndarray, float]:
    """Return how often a pair is one of neighbours, and what each of them weighs."""
    if neighbors is None:
        return np.zeros((1, S.shape[1]), np.uint8), 0.0
    near = _mask(neighbors, S)
    if not is_square:
        return near, 1.0 / max(int(np.count_nonzero(near & counted)), 1)
    # A pair above the diagonal stands for two: both are near, one is or none.
    folded = np.empty(S.shape, np.uint8)
    return folded, 0.5 / max(int(fold_upper(near, folded)), 1)


def _serves(Y: Any, S: Any, columns: Any) -> bool:
    """Say whether these are NumPy arrays of float32 with something in them."""
    arrays = (Y, S) if columns is None else (Y, S, columns)
    return all(isinstance(X, np.ndarray) and X.dtype == np.float32 and X.size for X in arrays)


def _mask(pairs: Any, S: np.ndarray) -> np.ndarray:
    """Return a boolean array as bytes; None is one row of ones, for all."""
    if pairs is None:
        return np.ones((1, S.shape[1]), np.uint8)
    return plain(np.asarray(pairs, dtype=bool)).view(np.uint8)


def _temperatures(temperature: float | Sequence[float], dims: Sequence[int]) -> np.ndarray:
    """Return one temperature per dim."""
    return np.broadcast_to(np.asarray(temperature, np.float64), (len(dims),))


def _dim_weights(weights: Sequence[float] | None, dims: Sequence[int]) -> np.ndarray:
    """Return one weight per dim, of sum 1."""
    w = np.ones(len(dims)) if weights is None else np.asarray(weights, np.float64)
    shares: np.ndarray = w / w.sum()
    return shares.astype(np.float32)
