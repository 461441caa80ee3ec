"""The CPU backend."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numba  # noqa: F401  whether it is there is known when the backend is made

from madapt.backends.numpy import NumpyBackend

__all__ = ["NumbaBackend"]


class NumbaBackend(NumpyBackend):
    """NumPy with fused float32 kernels for the losses, compiled by Numba.

    Notes
    -----
    The kernels are compiled for this machine on their first use, which takes some seconds,
    and are read from Numba's cache afterwards (``NUMBA_CACHE_DIR`` says where that is). They
    use as many threads as NumPy's BLAS has; `threadpoolctl.threadpool_limits` limits both,
    and the same number of threads gives the same bits. While a kernel runs, BLAS is held to
    one thread in the whole process, since each of the kernel's threads does its own
    products. float64 arrays, temperatures below 0.025 and masks in the square form are left
    to the array code.
    """

    name = "numba"

    @property
    def kernels(self) -> Mapping[str, Callable[..., Any]]:
        """The kernels, by name; compiled or read from the cache on first use."""
        from madapt.backends.numba import _losses

        return {name: getattr(_losses, name) for name in _losses.__all__}
