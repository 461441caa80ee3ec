"""The CPU backend: NumPy arrays, and fused float32 kernels compiled by Numba."""

from madapt.backends.numba.backend import NumbaBackend

__all__ = ["NumbaBackend"]
