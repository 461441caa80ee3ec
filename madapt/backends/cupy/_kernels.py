"""The kernels by the names that `madapt.backends.Backend` lists."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from madapt.backends.cupy._device import Device
from madapt.backends.cupy._lists import graded_listwise, listwise
from madapt.backends.cupy._nearest import hold, nearest, nearest_others
from madapt.backends.cupy._pairs import neighbor_pairs, similarity
from madapt.backends.cupy._ranking import ranking
from madapt.backends.cupy._steps import adam_direction, orthogonal_step
from madapt.backends.cupy._stream import stream

__all__ = ["kernels_of"]

_ALL = (
    *(similarity, listwise, graded_listwise, ranking, neighbor_pairs),
    *(adam_direction, orthogonal_step, nearest, nearest_others, hold, stream),
)


def kernels_of(device: Device) -> Mapping[str, Callable[..., Any]]:
    """Return the kernels of a device.

    The adaptor's forward pass and single products are left to the array code: a kernel would
    save them no more than one pass over their elements.
    """
    return {kernel.__name__: partial(kernel, device) for kernel in _ALL}
