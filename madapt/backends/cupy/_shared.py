"""What the losses' kernels are handed in, as the device wants it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from madapt.backends.cupy._device import Device

__all__ = ["Found", "dim_weights", "for_each_dim", "mask", "serves"]

#: A value, 0-d and on the device, and the gradient; None where a kernel cannot serve a case.
Found = tuple[Any, Any] | None

#: Each dim takes shared memory of a block.
MOST_DIMS = 256


def serves(device: Device, dims: Sequence[int], Y: Any, S: Any, columns: Any) -> bool:
    """Say whether the kernels can do with such rows, targets and columns."""
    arrays = (Y, S) if columns is None else (Y, S, columns)
    return len(dims) <= MOST_DIMS and device.serves(*arrays)


def mask(device: Device, pairs: Any) -> Any:
    """Return a boolean array as bytes in C order, None for all."""
    return None if pairs is None else device.plain(pairs).view(np.uint8)


def for_each_dim(number: float | Sequence[float], dims: Sequence[int]) -> np.ndarray:
    """Return one number per dim."""
    return np.broadcast_to(np.asarray(number, np.float64), (len(dims),))


def dim_weights(weights: Sequence[float] | None, L: int) -> np.ndarray:
    """Return one weight per dim, of sum 1."""
    w = np.ones(L) if weights is None else np.asarray(weights, np.float64)
    shares: np.ndarray = w / w.sum()
    return shares.astype(np.float32)
