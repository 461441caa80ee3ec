"""The reconstruction loss: what the adaptor adds to its skip connection stays small."""

from __future__ import annotations

from typing import Any

from array_api_compat import array_namespace

__all__ = ["reconstruction_loss"]


def reconstruction_loss(Y: Any, U: Any) -> tuple[float, Any]:
    """Mean over rows of the L1 distance between Y and U, and its gradient in Y.

    Parameters
    ----------
    Y : array of shape (B, d), float32 or float64
        Adapted rows.
    U : array of shape (B, d)
        The same rows on the skip connection, rotated but without the MLP.

    Returns
    -------
    value : float
        0 for no rows, and identically 0 for an adaptor without an MLP.
    gradient : array of shape (B, d)
        With respect to Y; that of U is its negative.

    Notes
    -----
    ``L_rec = mean over i of sum over coordinates | y_i - u_i |``; subgradient 0 within 8 eps.

    References
    ----------
    Yoon, Sinha, Arik, Pfister: "Matryoshka-Adaptor", EMNLP 2024, arXiv 2407.20243,
    the reconstruction loss.

    Examples
    --------
    >>> import numpy as np
    >>> from madapt.losses import reconstruction_loss
    >>> value, gradient = reconstruction_loss(np.array([[1.0, 2.0]]), np.array([[1.0, 0.0]]))
    >>> value, gradient.tolist()
    (2.0, [[0.0, 1.0]])
    """
    xp = array_namespace(Y)
    difference = Y - U
    scale = 1.0 / max(Y.shape[0], 1)
    magnitude = xp.abs(difference)
    moved = magnitude > 8 * xp.finfo(Y.dtype).eps
    gradient = xp.where(moved, xp.sign(difference), xp.zeros_like(difference)) * scale
    return float(xp.sum(magnitude)) * scale, gradient
