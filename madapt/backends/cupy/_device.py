"""What the kernels share: CuPy, the compiled programs, products, how much memory to take."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Any

import numpy as np

__all__ = ["BLOCK", "PROGRAMS", "Device", "source"]

#: Threads of a block; the sources have the same number.
BLOCK = 256
#: Kernels by the file that they are in. Each file is compiled on the first use of one of them.
PROGRAMS = {
    "prefixes": ("split", "inverse_lengths", "pulls", "finish"),
    "listwise": ("list_rows", "list_columns"),
    "similarity": ("pair_rows", "pair_columns"),
    "ranking": ("ranking_rows", "ranking_columns"),
    "adam": ("adam",),
    "nearest": ("merge_largest", "mark_largest"),
}
_FILES = {kernel: file for file, kernels in PROGRAMS.items() for kernel in kernels}
#: Bytes of a tile's Gram matrices, all dims together.
SCRATCH_BYTES = 4 * 2**30
#: What stands for an array that is not there.
NOTHING = np.uintp(0)


@cache
def source(file: str) -> str:
    """Return the CUDA C++ of a file of kernels, with what all of them share before it."""
    folder = resources.files("madapt.backends.cupy") / "cuda"
    return "\n".join((folder / f"{part}.cu").read_text("utf-8") for part in ("sums", file))


@dataclass
class Device:
    """The current device by way of CuPy; whatever it is told waits in CuPy's current stream.

    Parameters
    ----------
    cupy : module
        CuPy, or in tests what stands for it on a CPU.
    tf32 : bool, default=False
        Whether products of float32 may round their factors to 10 bits.
    scratch_bytes : int, default=4 GiB
        Of a tile's Gram matrices.
    devices : tuple of int, default=()
        Numbers of the devices that searches and `transform` of rows of the host are dealt to;
        () is the current one.
    """

    cupy: Any
    tf32: bool = False
    scratch_bytes: int = SCRATCH_BYTES
    devices: tuple[int, ...] = ()
    _programs: dict[str, Any] = field(default_factory=dict)

    def launch(
        self,
        kernel: str,
        grid: tuple[int, ...],
        *arguments: Any,
        block: int = BLOCK,
        shared: int = 0,
    ) -> None:
        """Have a kernel run; Python's numbers are integers of 32 bits and floats of 32 bits.

        Lengths and indices are handed in as np.int64; None stands for no array.
        """
        self._kernel(kernel)(grid, (block,), tuple(map(_typed, arguments)), shared_mem=shared)

    def each(self, kernel: str, n: int, *arguments: Any) -> None:
        """Have a kernel run with a thread for each of n numbers."""
        self.launch(kernel, (-(-n // BLOCK),), *arguments)

    def product(self, A: Any, B: Any, out: Any, *, turned: str = "NN", onto: bool = False) -> None:
        """Write A B to `out`, or add it; "T" in `turned` transposes A or B. All are contiguous."""
        gemm = self.cupy.cublas.gemm
        if not self.tf32:
            gemm(*turned, A, B, out=out, beta=float(onto))
            return
        cublas, handle = self.cupy.cuda.cublas, self.cupy.cuda.device.get_cublas_handle()
        before = cublas.getMathMode(handle)
        cublas.setMathMode(handle, cublas.CUBLAS_TF32_TENSOR_OP_MATH)
        try:
            gemm(*turned, A, B, out=out, beta=float(onto))
        finally:
            cublas.setMathMode(handle, before)

    def plain(self, X: Any) -> Any:
        """Return X in C order."""
        return self.cupy.ascontiguousarray(X)

    def ids(self) -> tuple[int, ...]:
        """Return the numbers of the devices that work is dealt to."""
        return self.devices or (self.cupy.cuda.Device().id,)

    def at(self, which: int) -> Any:
        """Return a context in which the device of that number is the current one."""
        return self.cupy.cuda.Device(which)

    def pinned(self, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
        """Return memory of the host that copies run from and to while the device works."""
        count, dtype = math.prod(shape), np.dtype(dtype)
        memory = self.cupy.cuda.alloc_pinned_memory(max(count, 1) * dtype.itemsize)
        return np.frombuffer(memory, dtype, count).reshape(shape)

    def free_bytes(self) -> int:
        """Return how much the current device has left for CuPy's memory pool."""
        pool = self.cupy.get_default_memory_pool()
        free: int = int(self.cupy.cuda.runtime.memGetInfo()[0]) + int(pool.free_bytes())
        limit = int(pool.get_limit())
        return min(free, limit - int(pool.used_bytes())) if limit else free

    def serves(self, *arrays: Any) -> bool:
        """Say whether these are arrays of float32 here, with something in them."""
        mine = self.cupy.ndarray
        return all(isinstance(X, mine) and X.dtype == np.float32 and X.size for X in arrays)

    def _kernel(self, name: str) -> Callable[..., Any]:
        if name not in self._programs:
            module = self.cupy.RawModule(code=source(_FILES[name]), options=("--std=c++17",))
            for kernel in PROGRAMS[_FILES[name]]:
                self._programs[kernel] = module.get_function(kernel)
        found: Callable[..., Any] = self._programs[name]
        return found


def _typed(argument: Any) -> Any:
    if argument is None:
        return NOTHING
    if isinstance(argument, bool | int):
        return np.int32(argument)
    if isinstance(argument, float) and not isinstance(argument, np.floating):
        return np.float32(argument)
    return argument
