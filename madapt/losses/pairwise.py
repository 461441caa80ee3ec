"""The pairwise loss: every pair keeps its cosine in every prefix."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from array_api_compat import array_namespace

from madapt.losses._prefix import Slope, off_diagonal, through_prefixes

__all__ = ["deviation_slope", "pairwise_loss"]


def pairwise_loss(
    Y: Any,
    S: Any,
    dims: Sequence[int],
    *,
    columns: Any = None,
    weights: Sequence[float] | None = None,
) -> tuple[float, Any]:
    """Mean absolute deviation of the prefix cosines from the target, and its gradient.

    Parameters
    ----------
    Y : array of shape (B, d), float32 or float64
        Adapted rows.
    S : array of shape (B, B) or (B, n)
        Target cosines, those of the original vectors.
    dims : sequence of L int
        Prefix lengths m, increasing, the last at most d.
    columns : array of shape (n, d) or None, default=None
        Adapted rows that Y is compared with; all B x n pairs count. None compares Y
        with itself and leaves the diagonal out.
    weights : sequence of L float or None, default=None
        One weight per dim, scaled to sum to 1; None weighs all alike.

    Returns
    -------
    value : float
        0 where there is no pair (one row compared with itself).
    gradient : array of shape (B, d), or a pair of shapes (B, d) and (n, d)
        With respect to Y, or to Y and `columns`.

    Notes
    -----
    ``L_pair = mean over i != j and m of | S_ij - cos_m(y_i, y_j) |``. The subgradient of ``|.|``
    is 0 where its argument is within 8 eps of the dtype, else rounding would drive the
    training at m = d. A zero row has cosine 0 with every other and gradient 0. Duplicate
    rows need no care: their cosine is 1 like their target. Time O(B n (d + L)).

    References
    ----------
    Yoon, Sinha, Arik, Pfister: "Matryoshka-Adaptor", EMNLP 2024, arXiv 2407.20243,
    the pairwise similarity loss.

    Examples
    --------
    >>> import numpy as np
    >>> from madapt.losses import pairwise_loss
    >>> Y = np.array([[1.0, 0.0], [0.0, 1.0]])
    >>> value, gradient = pairwise_loss(Y, np.eye(2), dims=[2])
    >>> value, gradient.shape
    (0.0, (2, 2))
    """
    pairs = off_diagonal(Y) if columns is None else None
    return through_prefixes(Y, dims, deviation_slope(S, pairs), columns=columns, weights=weights)


def deviation_slope(S: Any, pairs: Any) -> Slope:
    """Return C -> mean of |S - C| over the pairs that count, and its subgradient in C.

    Parameters
    ----------
    S : array of shape (B, n)
        Target cosines.
    pairs : bool array of shape (B, n) or None
        True where a pair counts; None counts all.
    """
    xp = array_namespace(S)
    weight = xp.ones_like(S) if pairs is None else xp.astype(pairs, S.dtype)
    weight = weight / max(float(xp.sum(weight)), 1.0)
    limit = 8 * xp.finfo(S.dtype).eps

    def slope(C: Any, place: int) -> tuple[Any, Any]:
        difference = C - S
        magnitude = xp.abs(difference)
        moved = xp.astype(magnitude > limit, S.dtype)
        return xp.sum(weight * magnitude), weight * moved * xp.sign(difference)

    return slope
