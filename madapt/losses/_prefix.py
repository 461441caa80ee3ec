"""All prefix cosines from one Gram product, and the way back.

Column blocks b_l = columns m_{l-1} .. m_l of Y give Gram blocks that add up:
G_l = sum over t <= l of Y[:, b_t] Y[:, b_t]^T is the Gram matrix of prefix m_l.
All L prefixes so cost one product of B x B x d, and on the way back, where the
sums run from the last prefix to the first, one more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from array_api_compat import array_namespace, device

__all__ = ["Slope", "dim_weights", "off_diagonal", "one_hot", "through_prefixes"]

#: What a loss says of one prefix: cosines C_l, l -> (value, dvalue/dC_l), same shape.
Slope = Callable[[Any, int], tuple[Any, Any]]


def dim_weights(weights: Sequence[float] | None, dims: Sequence[int]) -> list[float]:
    """Return one weight per dim, scaled to sum to 1; None weighs all alike."""
    if weights is None:
        return [1.0 / len(dims)] * len(dims)
    total = float(sum(weights))
    return [float(weight) / total for weight in weights]


def off_diagonal(Y: Any) -> Any:
    """Return the (B, B) boolean array, B the rows of Y, that is False on the diagonal only."""
    xp = array_namespace(Y)
    index = xp.arange(Y.shape[0], device=device(Y))
    return index[:, None] != index[None, :]


def one_hot(index: Any, n: int, like: Any) -> Any:
    """Return the (T, n) array that is 1 at (t, index_t), in the dtype of `like`."""
    xp = array_namespace(like)
    columns = xp.arange(n, dtype=index.dtype, device=device(like))
    return xp.astype(columns[None, :] == index[:, None], like.dtype)


def through_prefixes(
    Y: Any,
    dims: Sequence[int],
    slope: Slope,
    *,
    columns: Any = None,
    weights: Sequence[float] | None = None,
) -> tuple[float, Any]:
    """Return sum_l w_l slope(C_l, l) and its gradient, for prefixes of lengths `dims`.

    Parameters
    ----------
    Y : array of shape (B, d)
        Rows.
    dims : sequence of int, increasing, the last at most d
        Prefix lengths m_1 < ... < m_L.
    slope : callable
        Maps C_l, the cosines of prefix m_l, and l to (value, A_l = dvalue / dC_l).
    columns : array of shape (n, d) or None, default=None
        The rows that Y is compared with; None is the square form, Y with itself.
    weights : sequence of L floats or None, default=None
        One weight per dim, scaled to sum to 1; None weighs all alike.

    Returns
    -------
    value : float
        The weighted sum.
    gradient : array of shape (B, d), or a pair of shapes (B, d) and (n, d)
        Of Y alone in the square form, of Y and of `columns` otherwise.

    Notes
    -----
    With r_l = diag(G_l)^(-1/2), C_l = r_l s_l^T * G_l and D_l = A_l * r_l s_l^T,

        dvalue/dY[:, b_t] = (sum_{l>=t} D_l) columns[:, b_t]
                            - (sum_{l>=t} r_l^2 rowsum(A_l * C_l)) * Y[:, b_t]

    and its transpose for `columns`. In the square form A_l is made symmetric first and
    both halves are equal: a factor of 2. Time O(B n (d + L)), memory O(L B n).
    A prefix whose length is below eps times its row's has cosine 0 with all and gradient 0.
    """
    xp = array_namespace(Y)
    square = columns is None
    Z = Y if square else columns
    value, Ds, row_pulls, column_pulls = 0.0, [], [], []
    cosines = _prefix_cosines(Y, Z, dims, dim_weights(weights, dims), xp)
    for place, (C, r, s, weight) in enumerate(cosines):
        value_l, A = slope(C, place)
        value += weight * float(value_l)
        A = weight * (0.5 * (A + A.T) if square else A)
        AC = A * C
        Ds.append(A * r[:, None] * s[None, :])
        row_pulls.append(r * r * xp.sum(AC, axis=1))
        column_pulls.append(row_pulls[-1] if square else s * s * xp.sum(AC, axis=0))
    if square:
        return value, 2.0 * _backward(Y, Z, dims, Ds, row_pulls, xp)
    transposed = [D.T for D in Ds]
    dY = _backward(Y, Z, dims, Ds, row_pulls, xp)
    return value, (dY, _backward(Z, Y, dims, transposed, column_pulls, xp))


def _prefix_cosines(Y: Any, Z: Any, dims: Sequence[int], weights: list[float], xp: Any) -> Any:
    """Yield (C_l, r_l, s_l, w_l) for each prefix, from the shortest to the longest."""
    inverse_lengths = _InverseLengths(Y, dims[-1], xp)
    other_lengths = inverse_lengths if Z is Y else _InverseLengths(Z, dims[-1], xp)
    G, start = 0.0, 0
    for stop, weight in zip(dims, weights, strict=True):
        Yb, Zb = Y[:, start:stop], Z[:, start:stop]
        G = G + Yb @ Zb.T
        r = inverse_lengths.add(Yb)
        s = r if Z is Y else other_lengths.add(Zb)
        yield G * r[:, None] * s[None, :], r, s, weight
        start = stop


class _InverseLengths:
    """1 / length of each growing prefix of Y's rows; 0 where the prefix counts as zero."""

    def __init__(self, Y: Any, stop: int, xp: Any) -> None:
        limits = xp.finfo(Y.dtype)
        whole = xp.sum(Y[:, :stop] * Y[:, :stop], axis=1)
        self.floor = xp.maximum(
            whole * limits.eps**2, xp.full_like(whole, float(limits.smallest_normal))
        )
        self.squared = xp.zeros_like(whole)
        self.xp = xp

    def add(self, Yb: Any) -> Any:
        """Lengthen the prefix by the columns Yb and return 1 / length, shape (B,)."""
        xp = self.xp
        self.squared = self.squared + xp.sum(Yb * Yb, axis=1)
        counts = self.squared > self.floor
        safe = xp.where(counts, self.squared, xp.ones_like(self.squared))
        return xp.where(counts, 1.0 / xp.sqrt(safe), xp.zeros_like(safe))


def _backward(Y: Any, Z: Any, dims: Sequence[int], Ds: list[Any], pulls: list[Any], xp: Any) -> Any:
    """Return the gradient of Y: running sums of D_l and of the pulls, from the back."""
    parts = [xp.zeros_like(Y[:, dims[-1] :])]
    D, pull = 0.0, 0.0
    starts = (0, *dims[:-1])
    for start, stop, D_l, pull_l in reversed(list(zip(starts, dims, Ds, pulls, strict=True))):
        D, pull = D + D_l, pull + pull_l
        parts.append(D @ Z[:, start:stop] - pull[:, None] * Y[:, start:stop])
    return xp.concat(parts[::-1], axis=1)
