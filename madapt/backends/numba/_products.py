"""Products whose rows are shared out among threads, each with a BLAS of its own."""

from __future__ import annotations

from typing import Any

import numpy as np

from madapt.backends.numba._threads import in_parallel, one_blas_thread

__all__ = ["is_plain", "product", "shares"]

#: A product of fewer operations is done before a second thread has begun.
_SMALL = 2e7


def product(A: Any, B: Any) -> np.ndarray | None:
    """Return A B for float32 arrays of shapes (n, k) and (k, p)."""
    if not (is_plain(A) and is_plain(B)):
        return None
    out = np.empty((A.shape[0], B.shape[1]), np.float32)
    with one_blas_thread() as n_threads:
        rows = shares(A.shape[0], n_threads if 2.0 * A.size * B.shape[1] > _SMALL else 1)

        def work(part: int) -> None:
            np.matmul(A[rows[part]], B, out=out[rows[part]])

        in_parallel(work, len(rows))
    return out


def shares(n: int, n_parts: int) -> list[slice]:
    """Cut n rows into at most so many equal parts, at multiples of 16: whole vectors."""
    size = max(16, -(-n // (16 * n_parts)) * 16)
    return [slice(start, min(start + size, n)) for start in range(0, n, size)]


def is_plain(X: Any) -> bool:
    """Say whether X is a NumPy matrix of float32 with something in it."""
    return isinstance(X, np.ndarray) and X.dtype == np.float32 and X.ndim == 2 and X.size > 0
