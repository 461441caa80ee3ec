"""The GPU backend: the array code on CuPy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from madapt.backends.base import Backend

__all__ = ["CupyBackend"]


class CupyBackend(Backend):
    """CuPy's arrays on the current CUDA device, and cuBLAS for the products.

    It has no kernels of its own yet: the losses run as array code.

    Raises
    ------
    ImportError
        If CuPy is not installed or finds no device; the message says which.

    Notes
    -----
    float32 products are float32's: CuPy leaves TF32 alone unless the environment sets
    ``CUPY_TF32=1``. What a fit has learned comes back in NumPy.
    """

    name = "cupy"

    def __init__(self) -> None:
        try:
            import cupy
        except ImportError as error:
            raise ImportError(
                "CuPy is not installed: pip install 'madapt[cuda13]', or 'madapt[cuda12]' for "
                "drivers of CUDA 12"
            ) from error
        try:
            n_devices = cupy.cuda.runtime.getDeviceCount()
        except Exception as error:  # CuPy's own class, which is not importable everywhere
            raise ImportError(
                f"CuPy {cupy.__version__} cannot use a CUDA device: {error}"
            ) from error
        if not n_devices:
            raise ImportError(f"CuPy {cupy.__version__} finds no CUDA device")
        import array_api_compat.cupy

        self.xp = array_api_compat.cupy
        self._cupy = cupy

    @contextmanager
    def training(self) -> Iterator[None]:
        """Give the memory that steps took back to the device at the end.

        Yields
        ------
        None
        """
        try:
            yield
        finally:
            self._cupy.get_default_memory_pool().free_all_blocks()

    def asarray(self, X: Any) -> Any:
        """Return a NumPy array as one on the current device."""
        return self._cupy.asarray(X)

    def to_numpy(self, X: Any) -> np.ndarray:
        """Return an array of the device as a NumPy array; waits for what computes it."""
        found: np.ndarray = self._cupy.asnumpy(X)
        return found
