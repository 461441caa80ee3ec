"""The listwise losses as the losses call them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from madapt.backends.cupy._device import Device
from madapt.backends.cupy._prefixes import Blocks, column_grid, rectangular, square
from madapt.backends.cupy._shared import Found, dim_weights, for_each_dim, mask, serves

__all__ = ["graded_listwise", "listwise"]

#: Below this, 2^(k c - k) with k = log2(e) / t could leave the range of float32.
LOWEST_TEMPERATURE = 0.025
_LOG2_E = float(np.log2(np.e))


def listwise(
    device: Device,
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

    Parameters as for `madapt.losses.listwise_loss`; the square form has no `pairs`.
    """
    t = for_each_dim(temperature, dims)
    target = float(t[0]) if target_temperature is None else float(target_temperature)
    if min(target, t.min()) < LOWEST_TEMPERATURE or (columns is None and pairs is not None):
        return None
    if not serves(device, dims, Y, S, columns):
        return None
    targets = _Targets(device.plain(S), mask(device, pairs), _LOG2_E / target, False)
    return _divergence(device, Y, columns, targets, dims, t, weights)


def graded_listwise(
    device: Device,
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
    t = for_each_dim(temperature, dims)
    if t.min() < LOWEST_TEMPERATURE or not serves(device, dims, Q, grades, D):
        return None
    targets = _Targets(device.plain(grades), mask(device, pairs), 1.0, True)
    return _divergence(device, Q, D, targets, dims, t, weights)


@dataclass
class _Targets:
    """What the lists ought to be: grades, or cosines and log2(e) / t; which columns count."""

    values: Any
    pairs: Any
    slope: float
    is_graded: bool


def _divergence(
    device: Device,
    Y: Any,
    columns: Any,
    targets: _Targets,
    dims: Sequence[int],
    temperatures: np.ndarray,
    weights: Sequence[float] | None,
) -> Found:
    rows = Blocks.of(device, Y, dims)
    others = rows if columns is None else Blocks.of(device, columns, dims)
    lists = _Lists(rows, others, targets, columns is None, temperatures, weights)
    gradient: Any
    if columns is None:
        gradient = square(rows, lists, lists.factor)
    else:
        gradient = rectangular(rows, others, lists, lists.factor)
    return (lists.values.sum() * lists.factor()).reshape(()), gradient


class _Lists:
    """Both passes of the listwise losses; see `madapt.backends.cupy._prefixes.Passes`."""

    def __init__(
        self,
        rows: Blocks,
        columns: Blocks,
        targets: _Targets,
        is_square: bool,
        temperatures: np.ndarray,
        weights: Sequence[float] | None,
    ) -> None:
        self.device, self.r, self.s = rows.device, rows.r, columns.r
        self.targets, self.is_square, self.n = targets, is_square, columns.n
        cupy, (L, B) = self.device.cupy, rows.r.shape
        slopes = (_LOG2_E / temperatures).astype(np.float32)
        self.weights, self.slopes = cupy.asarray(dim_weights(weights, L)), cupy.asarray(slopes)
        self.inverse = cupy.empty((L + 1, B), np.float32)
        self.values, self.row_sums = cupy.empty((L, B)), cupy.empty((L, B))

    def rows(self, K: Any, first: int) -> None:
        """Write down what normalises the lists of a tile's rows, values and sums of A C."""
        self.device.launch(
            "list_rows",
            (K.shape[1],),
            *(K, *self._given, self.is_square, *self._sizes(K, first)),
            *(self.inverse, self.values, self.row_sums),
        )

    def columns(self, K: Any, first: int, symmetric: bool) -> Any:
        """Turn Gram matrices into running sums of D."""
        grid, options = column_grid(*K.shape)
        sums = self.device.cupy.empty((K.shape[0], grid[1], self.n), np.float32)
        self.device.launch(
            "list_columns",
            grid,
            *(K, *self._given, self.is_square, symmetric, options.pop("rows")),
            *(*self._sizes(K, first), self.inverse, sums),
            **options,
        )
        return sums

    def factor(self) -> Any:
        """Return 1 / the number of rows with anything in their list, shape (1,)."""
        counted = (self.inverse[-1:] > 0).sum(axis=1, dtype=np.float64)
        return 1.0 / self.device.cupy.maximum(counted, 1.0)

    @property
    def _given(self) -> tuple[Any, ...]:
        targets = self.targets
        lists = (targets.values, targets.pairs, self.r, self.s, self.weights, self.slopes)
        return (*lists, targets.slope, targets.is_graded)

    def _sizes(self, K: Any, first: int) -> tuple[Any, ...]:
        return (K.shape[0], *map(np.int64, (*K.shape[1:], self.r.shape[1], first)))
