"""Scratch memory that is kept from call to call, so that no step asks the system for pages."""

from __future__ import annotations

import math
import threading

import numpy as np

__all__ = ["scratch"]

_local = threading.local()


def scratch(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Return a float32 array of that shape with any content.

    It is the same memory at each call with the same name in the same thread: whoever calls
    again is done with the last one. It grows to the largest size asked for, and is freed
    with the thread.
    """
    arrays: dict[str, np.ndarray] = _local.__dict__
    size = math.prod(shape)
    if name not in arrays or arrays[name].size < size:
        arrays[name] = np.empty(size, np.float32)
    return arrays[name][:size].reshape(shape)
