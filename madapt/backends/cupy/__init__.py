"""The GPU backend: CuPy's arrays, cuBLAS for the products and CUDA kernels between them."""

from madapt.backends.cupy.backend import CupyBackend

__all__ = ["CupyBackend"]
