"""Rotations within a prefix after which signs say most: iterative quantisation."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

__all__ = ["balancing_rotations", "calibrated_dims", "rotate"]

#: Longest prefix that is turned as a whole: one decomposition takes less than a tenth of a second.
WHOLE = 384
#: Longest block of a longer prefix.
BLOCK = 256
#: Turns; more say more about the sample than about other rows.
N_ITER = 10


def calibrated_dims(dims: Iterable[int], d: int) -> tuple[int, ...]:
    """Return the prefix lengths that get a rotation: `dims`, and half as much again of each."""
    between = [m + m // 2 for m in dims]
    return tuple(sorted({m for m in [*dims, *between] if 2 <= m <= d}))


def balancing_rotations(W: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return orthogonal matrices that bring rows near the corners of a cube.

    Parameters
    ----------
    W : ndarray of shape (n, m), float32
        Rows with coordinates of about the same size.

    Returns
    -------
    tuple of ndarray of shape (b, b), float32
        One up to 384 coordinates. Above, s of them: block k turns coordinates k, k + s, ...,
        so that each has its share of the leading ones.

    Notes
    -----
    In turns, B = sign(W R), and R = U V^T of the singular value decomposition U D V^T of W^T B
    minimises ||B - W R||. The first R is random, of a fixed seed.
    """
    m = W.shape[1]
    s = 1 if m <= WHOLE else -(-m // BLOCK)
    return tuple(_balance(np.ascontiguousarray(W[:, k::s])) for k in range(s))


def rotate(W: np.ndarray, rotations: tuple[np.ndarray, ...], *, back: bool = False) -> np.ndarray:
    """Turn the leading coordinates that the rotations are for; others stay.

    Parameters
    ----------
    W : ndarray of shape (n, m), float32
        Rows.
    rotations : tuple of ndarray
        From `balancing_rotations` for at most m coordinates; none turn nothing.
    back : bool, default=False
        Turn back.

    Returns
    -------
    ndarray of shape (n, m), float32
        A new array.
    """
    turned = W.copy()
    s, width = len(rotations), sum(len(R) for R in rotations)
    for k, R in enumerate(rotations):
        turned[:, k:width:s] = W[:, k:width:s] @ (R.T if back else R)
    return turned


def _balance(W: np.ndarray) -> np.ndarray:
    m = W.shape[1]
    R, _ = np.linalg.qr(np.random.default_rng(0).standard_normal((m, m)))
    R = R.astype(np.float32)
    for _ in range(N_ITER):
        B = np.where(W @ R > 0, np.float32(1), np.float32(-1))
        U, _, Vt = np.linalg.svd(W.T @ B)
        R = U @ Vt
    return R
