"""The CPU backend."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
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

    def training(self) -> AbstractContextManager[Any]:
        """Hold BLAS to one thread; the kernels use as many as it had.

        The threads of OpenBLAS go on spinning for some hundredths of a second after each
        product, and would take the cores from the kernels' threads.
        """
        from madapt.backends.numba._threads import one_blas_thread

        return one_blas_thread()

    @property
    def kernels(self) -> Mapping[str, Callable[..., Any]]:
        """The kernels, by name; compiled or read from the cache on first use."""
        from madapt.backends.numba import _losses, _moments, _nearest, _products, _residual

        found = {name: getattr(_losses, name) for name in _losses.__all__}
        found["residual"] = _residual.residual
        found["adam_direction"] = _moments.adam_direction
        found["product"] = _products.product
        found["nearest"], found["nearest_others"] = _nearest.nearest, _nearest.nearest_others
        return found
