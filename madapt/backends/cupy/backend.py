"""The GPU backend."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from madapt.backends.base import Backend
from madapt.backends.cupy._device import Device
from madapt.backends.cupy._kernels import kernels_of

__all__ = ["CupyBackend"]


class CupyBackend(Backend):
    """CuPy's arrays on the current CUDA device, cuBLAS for the products, CUDA between them.

    Parameters
    ----------
    tf32 : bool, default=False
        Whether the products of the losses' kernels may round their factors to 10 bits (TF32),
        which is faster and keeps three digits. Other products are CuPy's, which leaves TF32
        alone unless the environment sets ``CUPY_TF32=1``.
    memory_limit : int or None, default=None
        The most bytes that CuPy's memory pool may hold on the device; beyond it an allocation
        fails. None leaves the pool as it is.
    devices : tuple of int, default=()
        Numbers of the devices that queries of `madapt.neighbors.top_k` and blocks of `transform`
        of rows of the host are dealt to; () is the current one.

    Raises
    ------
    ImportError
        If CuPy is not installed or finds no device; the message says which.

    Notes
    -----
    ``backend="cupy"`` stands for no options; ``madapt.backends.register("cupy", lambda:
    CupyBackend(memory_limit=8 * 2**30))`` makes it stand for some. Kernels are compiled by
    NVRTC on their first use, which takes about a second, and are read from CuPy's cache
    afterwards. They run in CuPy's current stream. float64 arrays, temperatures below 0.025
    and masks in the square form are left to the array code. What a fit has learned comes back
    in NumPy.
    """

    name = "cupy"

    def __init__(
        self,
        *,
        tf32: bool = False,
        memory_limit: int | None = None,
        devices: tuple[int, ...] = (),
    ) -> None:
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
        import cupy.cublas  # a module of its own, which `import cupy` leaves out

        self.xp = array_api_compat.cupy
        self._cupy = cupy
        if memory_limit is not None:
            cupy.get_default_memory_pool().set_limit(size=memory_limit)
        self._kernels = kernels_of(Device(cupy, tf32=tf32, devices=devices))

    @property
    def kernels(self) -> Mapping[str, Callable[..., Any]]:
        """The kernels, by name; compiled or read from CuPy's cache on first use."""
        return self._kernels

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
