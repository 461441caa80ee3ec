"""The ranking loss: a better document's cosine lies above a worse one's, in every prefix."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from array_api_compat import array_namespace

from madapt.losses._prefix import Slope, one_hot, through_prefixes

__all__ = ["ranking_loss", "ranking_slope"]


def ranking_loss(
    Q: Any,
    D: Any,
    grades: Any,
    dims: Sequence[int],
    *,
    temperature: float = 1.0,
    weights: Sequence[float] | None = None,
) -> tuple[float, tuple[Any, Any]]:
    """Pairwise logistic loss over documents of different grades, and its gradient.

    Parameters
    ----------
    Q : array of shape (B, d), float32 or float64
        Adapted queries.
    D : array of shape (n, d)
        Adapted documents.
    grades : array of shape (B, n)
        Grades r at or above 0; 0 is not relevant or unjudged.
    dims : sequence of L int
        Prefix lengths m, increasing, the last at most d.
    temperature : float, default=1.0
        Divides the cosines; 1 is the published loss.
    weights : sequence of L float or None, default=None
        One weight per dim, scaled to sum to 1; None weighs all alike.

    Returns
    -------
    value : float
        0 where no query has two documents of different grades.
    gradient : pair of arrays of shapes (B, d) and (n, d)
        With respect to Q and D.

    Notes
    -----
    L_rank = sum over i, j, k, m of 1[r_ij > r_ik] (r_ij - r_ik) log(1 + exp(s_ik - s_ij)),
    divided by the number of terms, s_ij = cos_m(q_i, d_j) / temperature. A query without
    a positive, or with nothing but equal grades, has no term. Time O(T n L + B n d) for T
    judged positives.

    References
    ----------
    Yoon, Sinha, Arik, Pfister: "Matryoshka-Adaptor", EMNLP 2024, arXiv 2407.20243,
    the ranking loss; Burges et al., "Learning to Rank using Gradient Descent", ICML 2005.
    """
    slope = ranking_slope(grades, temperature)
    return through_prefixes(Q, dims, slope, columns=D, weights=weights)


def ranking_slope(grades: Any, temperature: float) -> Slope:
    """Return C -> the ranking loss of cosines C, shape (B, n), and its gradient in C."""
    xp = array_namespace(grades)
    query, positive = xp.nonzero(grades > 0)  # T judged positives (i, j)
    at_query = one_hot(query, grades.shape[0], grades)  # (T, B)
    at_positive = one_hot(positive, grades.shape[1], grades)  # (T, n)
    r = xp.take(grades, query, axis=0)  # (T, n): r_ik
    r_better = xp.sum(r * at_positive, axis=1)[:, None]  # (T, 1): r_ij
    worse = r < r_better
    gain = xp.where(worse, r_better - r, xp.zeros_like(r))
    scale = 1.0 / max(float(xp.sum(xp.astype(worse, r.dtype))), 1.0)

    def slope(C: Any, place: int) -> tuple[Any, Any]:
        s = xp.take(C, query, axis=0) / temperature  # (T, n): s_ik
        margin = s - xp.sum(s * at_positive, axis=1)[:, None]  # s_ik - s_ij
        value = xp.sum(gain * _log1p_exp(margin, xp)) * scale
        pull = gain * _logistic(margin, xp) * (scale / temperature)
        pull = pull - at_positive * xp.sum(pull, axis=1)[:, None]
        return value, at_query.T @ pull  # the terms of one query add up

    return slope


def _log1p_exp(x: Any, xp: Any) -> Any:
    """log(1 + exp(x)) without overflow."""
    return xp.maximum(x, xp.zeros_like(x)) + xp.log1p(xp.exp(-xp.abs(x)))


def _logistic(x: Any, xp: Any) -> Any:
    """1 / (1 + exp(-x)) without overflow."""
    small = xp.exp(-xp.abs(x))
    return xp.where(x >= 0, xp.ones_like(x), small) / (1.0 + small)
