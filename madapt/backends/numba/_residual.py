"""The residual adaptor, forward and backward: each thread takes its share of the rows.

One thread's rows go through all products and elementwise passes before the threads meet, so
that they meet once forward and twice backward, not once a product.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from madapt.backends.numba._compile import compiled
from madapt.backends.numba._gram import plain
from madapt.backends.numba._products import is_plain, shares
from madapt.backends.numba._threads import in_parallel, one_blas_thread

__all__ = ["residual"]

_0 = np.float32(0)

#: Y, U and backward, as `madapt.adaptor.Forward` has them.
Found = tuple[np.ndarray, np.ndarray, Callable[..., dict[str, np.ndarray]]]


class _Layers(NamedTuple):
    """The MLP on the way back."""

    W1: np.ndarray
    W2: np.ndarray
    #: Its hidden units, shape (n, h), and room for their gradient before ReLU.
    H: np.ndarray
    gradient: np.ndarray


def residual(X: Any, P: Any, W1: Any, b1: Any, W2: Any, b2: Any, activation: str) -> Found | None:
    """Return Y, U and the backward pass of a `madapt.adaptor.ResidualAdaptor`.

    For float32 and ReLU, or no MLP; parameters and results as there.
    """
    if W1 is not None and activation != "relu":
        return None
    if not all(is_plain(A) for A in (X, P, W1, W2) if A is not None):
        return None
    X = plain(X)
    U = X if P is None else np.empty((X.shape[0], P.shape[1]), np.float32)
    Y, H = U, None
    if W1 is not None:
        Y, H = np.empty_like(U), np.empty((X.shape[0], W1.shape[1]), np.float32)
        b1, b2 = plain(b1), plain(b2)

    def work(rows: slice) -> None:
        if P is not None:
            np.matmul(X[rows], P, out=U[rows])
        if H is not None:
            np.matmul(U[rows], W1, out=H[rows])
            _rectify(H[rows], b1)
            np.matmul(H[rows], W2, out=Y[rows])
            _add(Y[rows], U[rows], b2)

    _by_rows(work, X.shape[0])

    def backward(dY: np.ndarray, dU: np.ndarray | None = None) -> dict[str, np.ndarray]:
        mlp = None if H is None else _Layers(W1, W2, H, np.empty_like(H))
        return _backward(X, U, P, mlp, dY, dU)

    return Y, U, backward


def _backward(
    X: np.ndarray,
    U: np.ndarray,
    P: np.ndarray | None,
    mlp: _Layers | None,
    dY: np.ndarray,
    dU: np.ndarray | None,
) -> dict[str, np.ndarray]:
    """Return the gradient of each parameter."""
    dY = plain(dY)
    # What reaches U matters to the rotation alone.
    through = None if P is None else np.empty_like(U)

    def work(rows: slice) -> None:
        if mlp is not None:
            np.matmul(dY[rows], mlp.W2.T, out=mlp.gradient[rows])
            _switch_off(mlp.gradient[rows], mlp.H[rows])
        if through is not None:
            np.add(dY[rows], 0.0 if dU is None else dU[rows], out=through[rows])
            if mlp is not None:
                through[rows] += mlp.gradient[rows] @ mlp.W1.T

    _by_rows(work, U.shape[0])
    pairs: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    if mlp is not None:
        pairs |= {"W1": (U, mlp.gradient), "W2": (mlp.H, dY)}
    if through is not None:
        pairs["P"] = (X, through)
    gradients = {
        name: np.empty((A.shape[1], B.shape[1]), np.float32) for name, (A, B) in pairs.items()
    }

    def sums(part: int, n_parts: int) -> None:
        for name, (A, B) in pairs.items():
            columns = shares(B.shape[1], n_parts)
            if part < len(columns):
                np.matmul(A.T, B[:, columns[part]], out=gradients[name][:, columns[part]])

    with one_blas_thread() as n_threads:
        in_parallel(lambda part: sums(part, n_threads), n_threads)
    if mlp is not None:
        gradients |= {"b1": mlp.gradient.sum(axis=0), "b2": dY.sum(axis=0)}
    return gradients


def _by_rows(work: Callable[[slice], None], n: int) -> None:
    """Call work with each thread's share of n rows."""
    with one_blas_thread() as n_threads:
        rows = shares(n, n_threads)
        in_parallel(lambda part: work(rows[part]), len(rows))


@compiled("void(float32[:,::1], float32[::1])")
def _rectify(Z, b):
    """Z_ij = max(Z_ij + b_j, 0), NaN left as it is."""
    for i in range(Z.shape[0]):
        for j in range(Z.shape[1]):
            z = Z[i, j] + b[j]
            Z[i, j] = _0 if z <= _0 else z


@compiled("void(float32[:,::1], float32[:,::1], float32[::1])")
def _add(Y, U, b):
    """Y_ij += U_ij + b_j."""
    for i in range(Y.shape[0]):
        for j in range(Y.shape[1]):
            Y[i, j] += U[i, j] + b[j]


@compiled("void(float32[:,::1], float32[:,::1])")
def _switch_off(dZ, H):
    """dZ_ij = 0 where ReLU let nothing through."""
    for i in range(dZ.shape[0]):
        for j in range(dZ.shape[1]):
            dZ[i, j] = dZ[i, j] if H[i, j] > _0 else _0
