"""The reference backend: NumPy."""

from __future__ import annotations

import array_api_compat.numpy

from madapt.backends.base import Backend

__all__ = ["NumpyBackend"]


class NumpyBackend(Backend):
    """Plain NumPy; every other backend is held to it."""

    name = "numpy"
    xp = array_api_compat.numpy
