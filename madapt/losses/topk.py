"""The top-k loss: each row's nearest neighbours keep their cosine in every prefix."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from array_api_compat import array_namespace

from madapt.losses._prefix import off_diagonal, through_prefixes
from madapt.losses.pairwise import deviation_slope

__all__ = ["neighbor_pairs", "topk_loss"]


def topk_loss(
    Y: Any,
    S: Any,
    neighbors: Any,
    dims: Sequence[int],
    *,
    columns: Any = None,
    weights: Sequence[float] | None = None,
) -> tuple[float, Any]:
    """Mean absolute deviation of the prefix cosines from the target, over neighbours only.

    Parameters
    ----------
    Y : array of shape (B, d), float32 or float64
        Adapted rows.
    S : array of shape (B, B) or (B, n)
        Target cosines, those of the original vectors.
    neighbors : bool array of the shape of S
        True at (i, j) where j is among the nearest neighbours of i; `neighbor_pairs`
        makes one from S. The diagonal of the square form is left out whatever it says.
    dims : sequence of L int
        Prefix lengths m, increasing, the last at most d.
    columns : array of shape (n, d) or None, default=None
        Adapted rows that Y is compared with; None compares Y with itself.
    weights : sequence of L float or None, default=None
        One weight per dim, scaled to sum to 1; None weighs all alike.

    Returns
    -------
    value : float
        0 where there is no neighbour at all.
    gradient : array of shape (B, d), or a pair of shapes (B, d) and (n, d)
        With respect to Y, or to Y and `columns`.

    Notes
    -----
    ``L_topk = mean over i, j in NN_k(i), m of | S_ij - cos_m(y_i, y_j) |``. The relation need
    not be symmetric; the gradient is that of the sum as it stands. Subgradient and zero
    rows as in `pairwise_loss`. Time O(B n (d + L)).

    References
    ----------
    Yoon, Sinha, Arik, Pfister: "Matryoshka-Adaptor", EMNLP 2024, arXiv 2407.20243,
    the top-k similarity loss.
    """
    if columns is None:
        neighbors = neighbors & off_diagonal(Y)
    slope = deviation_slope(S, neighbors)
    return through_prefixes(Y, dims, slope, columns=columns, weights=weights)


def neighbor_pairs(S: Any, k: int, *, exclude_self: bool = True) -> Any:
    """Mark the k largest entries of each row of S.

    Parameters
    ----------
    S : array of shape (B, n)
        Similarities.
    k : int
        How many a row; all there are where k is larger.
    exclude_self : bool, default=True
        Leave the diagonal out (S compares rows with themselves).

    Returns
    -------
    bool array of shape (B, n)
        Among equal similarities the lower index wins.

    Examples
    --------
    >>> import numpy as np
    >>> from madapt.losses import neighbor_pairs
    >>> S = np.array([[1.0, 0.5, 0.5], [0.5, 1.0, 0.1], [0.5, 0.1, 1.0]])
    >>> neighbor_pairs(S, k=1).astype(int)
    array([[0, 1, 0],
           [1, 0, 0],
           [1, 0, 0]])
    """
    xp = array_namespace(S)
    if exclude_self:
        keep = off_diagonal(S)
        S = xp.where(keep, S, xp.full_like(S, -float("inf")))
    order = xp.argsort(S, axis=1, descending=True, stable=True)
    rank = xp.argsort(order, axis=1, stable=True)  # the inverse permutation
    marked = rank < k
    return marked & keep if exclude_self else marked
