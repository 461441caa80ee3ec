"""The ranking loss as the losses call it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from madapt.backends.cupy._device import Device
from madapt.backends.cupy._prefixes import Blocks, column_grid, rectangular
from madapt.backends.cupy._shared import Found, dim_weights, serves

__all__ = ["ranking"]


def ranking(
    device: Device,
    Q: Any,
    D: Any,
    grades: Any,
    dims: Sequence[int],
    *,
    temperature: float = 1.0,
    weights: Sequence[float] | None = None,
) -> Found:
    """Return the ranking loss and its gradient; see `madapt.losses.ranking_loss`."""
    if not serves(device, dims, Q, grades, D):
        return None
    rows, columns = Blocks.of(device, Q, dims), Blocks.of(device, D, dims)
    ranks = _Ranks(rows, columns, device.plain(grades), 1.0 / temperature, weights)
    gradients = rectangular(rows, columns, ranks, lambda: ranks.share() / temperature)
    return (ranks.values.sum() * ranks.share()).reshape(()), gradients


class _Ranks:
    """Both passes of the ranking loss; see `madapt.backends.cupy._prefixes.Passes`."""

    def __init__(
        self,
        rows: Blocks,
        columns: Blocks,
        grades: Any,
        steepness: float,
        weights: Sequence[float] | None,
    ) -> None:
        self.device, self.r, self.s, self.n = rows.device, rows.r, columns.r, columns.n
        self.grades, self.steepness = grades, steepness
        cupy, (L, B) = self.device.cupy, rows.r.shape
        self.weights = cupy.asarray(dim_weights(weights, L))
        self.A: Any = None
        self.values, self.row_sums = cupy.empty((L, B)), cupy.empty((L, B))
        self.terms = cupy.empty(B)

    def rows(self, K: Any, first: int) -> None:
        """Turn Gram blocks into cosines; write down what they lose and how they pull."""
        self.A = self.device.cupy.empty(K.shape, np.float32)
        given = (K, self.grades, self.r, self.s, self.weights, self.steepness)
        self.device.launch(
            "ranking_rows",
            (K.shape[1],),
            *(*given, *self._sizes(K, first), self.A, self.values, self.row_sums, self.terms),
        )

    def columns(self, K: Any, first: int, symmetric: bool) -> Any:
        """Turn cosines into running sums of D."""
        grid, options = column_grid(*K.shape)
        sums = self.device.cupy.empty((K.shape[0], grid[1], self.n), np.float32)
        given = (K, self.A, self.r, self.s, options.pop("rows"))
        self.device.launch("ranking_columns", grid, *given, *self._sizes(K, first), sums, **options)
        return sums

    def share(self) -> Any:
        """Return 1 / the number of terms, shape (1,)."""
        return 1.0 / self.device.cupy.maximum(self.terms.sum(keepdims=True), 1.0)

    def _sizes(self, K: Any, first: int) -> tuple[Any, ...]:
        return (K.shape[0], *map(np.int64, (*K.shape[1:], self.r.shape[1], first)))
