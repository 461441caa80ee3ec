"""The pairwise and top-k losses as the losses call them, and the marks of neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from madapt.backends.cupy._device import Device
from madapt.backends.cupy._prefixes import Blocks, column_grid, rectangular, square
from madapt.backends.cupy._shared import Found, dim_weights, mask, serves

__all__ = ["neighbor_pairs", "similarity"]


def similarity(
    device: Device,
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
    `pairs`.
    """
    is_square = columns is None
    if (is_square and pairs is not None) or not serves(device, dims, Y, S, columns):
        return None
    if topk_weight and neighbors is None:
        return None
    rows = Blocks.of(device, Y, dims)
    others = rows if is_square else Blocks.of(device, columns, dims)
    near, n_near = _near(device, neighbors if topk_weight else None, pairs, is_square)
    n_pairs: Any = S.size - S.shape[0] * is_square
    if pairs is not None:
        n_pairs = device.cupy.count_nonzero(pairs)
    shares = device.cupy.empty(2, np.float32)
    shares[:1] = pairwise_weight / _at_least_one(device, n_pairs)
    shares[1:] = topk_weight / _at_least_one(device, n_near)
    deviations = _Deviations(
        rows, others, device.plain(S), mask(device, pairs), near, shares, is_square, weights
    )
    gradient: Any
    if is_square:
        gradient = square(rows, deviations, lambda: device.cupy.ones(1))
    else:
        gradient = rectangular(rows, others, deviations, lambda: device.cupy.ones(1))
    return deviations.values.sum(), gradient


def neighbor_pairs(
    device: Device, S: Any, k: int, *, pairs: Any = None, exclude_self: bool = True
) -> Any:
    """Mark the k largest entries that count of each row; see `madapt.losses.neighbor_pairs`."""
    if not device.serves(S):
        return None
    n = np.int64(S.shape[1])
    marked = device.cupy.empty(S.shape, np.uint8)
    device.launch(
        "mark_largest",
        (S.shape[0],),
        *(device.plain(S), mask(device, pairs), n, exclude_self, min(k, int(n)), marked),
    )
    return marked.view(bool)


def _near(device: Device, neighbors: Any, pairs: Any, is_square: bool) -> tuple[Any, Any]:
    """Return how often a pair is one of neighbours, and what a share is of."""
    if neighbors is None:
        return None, 1
    if not is_square:
        counted = neighbors if pairs is None else neighbors & pairs
        return mask(device, neighbors), device.cupy.count_nonzero(counted)
    # A pair stands for itself and its mirror image: both are near, one is or none.
    near = neighbors.astype(np.uint8)
    near = near + near.T
    device.cupy.fill_diagonal(near, 0)
    return device.plain(near), near.sum(dtype=np.float64)


def _at_least_one(device: Device, count: Any) -> Any:
    return max(count, 1) if isinstance(count, int) else device.cupy.maximum(count, 1.0)


class _Deviations:
    """Both passes of the losses of pairs; see `madapt.backends.cupy._prefixes.Passes`."""

    def __init__(
        self,
        rows: Blocks,
        columns: Blocks,
        S: Any,
        pairs: Any,
        near: Any,
        shares: Any,
        is_square: bool,
        weights: Sequence[float] | None,
    ) -> None:
        self.device, self.r, self.s = rows.device, rows.r, columns.r
        self.is_square, self.n = is_square, columns.n
        cupy, (L, B) = self.device.cupy, rows.r.shape
        w = cupy.asarray(dim_weights(weights, L))
        self._given = (S, pairs, near, self.r, self.s, w, shares, is_square)
        self.values, self.row_sums = cupy.empty((L, B)), cupy.empty((L, B))

    def rows(self, K: Any, first: int) -> None:
        """Write down values and sums of A C of a tile's rows."""
        self.device.launch(
            "pair_rows",
            (K.shape[1],),
            *(K, *self._given, *self._sizes(K, first), self.values, self.row_sums),
        )

    def columns(self, K: Any, first: int, symmetric: bool) -> Any:
        """Turn Gram matrices into running sums of D."""
        grid, options = column_grid(*K.shape)
        sums = self.device.cupy.empty((K.shape[0], grid[1], self.n), np.float32)
        self.device.launch(
            "pair_columns",
            grid,
            *(K, *self._given, symmetric, options.pop("rows"), *self._sizes(K, first), sums),
            **options,
        )
        return sums

    def _sizes(self, K: Any, first: int) -> tuple[Any, ...]:
        return (K.shape[0], *map(np.int64, (*K.shape[1:], self.r.shape[1], first)))
