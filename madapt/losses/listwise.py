"""The listwise losses: each row keeps its distribution over the documents.

`listwise_loss` keeps the neighbour distribution of the original vectors (no labels);
`graded_listwise_loss` puts a query's mass where its grades are (labels). Both are the
same Kullback-Leibler divergence under different targets.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from array_api_compat import array_namespace

from madapt.losses._prefix import Slope, off_diagonal, through_prefixes

__all__ = [
    "Temperature",
    "grade_slope",
    "graded_listwise_loss",
    "listwise_loss",
    "neighbor_slope",
    "prefix_temperatures",
]

#: One for all prefixes, or one each.
Temperature = float | Sequence[float]


def listwise_loss(
    Y: Any,
    S: Any,
    dims: Sequence[int],
    *,
    temperature: float | Sequence[float] = 0.1,
    target_temperature: float | None = None,
    columns: Any = None,
    pairs: Any = None,
    weights: Sequence[float] | None = None,
) -> tuple[float, Any]:
    """Divergence of each prefix's neighbour distribution from the original one.

    Parameters
    ----------
    Y : array of shape (B, d), float32 or float64
        Adapted rows.
    S : array of shape (B, B) or (B, n)
        Target cosines, those of the original vectors.
    dims : sequence of L int
        Prefix lengths m, increasing, the last at most d.
    temperature : float or sequence of L float, default=0.1
        t_m > 0, one for all prefixes or one each; small values look at the nearest
        neighbours only.
    target_temperature : float or None, default=None
        t > 0 of the original distribution; None is `temperature`, which is then one number.
    columns : array of shape (n, d) or None, default=None
        Adapted rows that Y is compared with; None compares Y with itself and leaves the
        diagonal out.
    pairs : bool array of the shape of S or None, default=None
        True where column j belongs to row i's list; use it in the rectangular form to
        take a row out of its own list. None takes all (in the square form all but the
        diagonal, which never counts).
    weights : sequence of L float or None, default=None
        One weight per dim, scaled to sum to 1; None weighs all alike.

    Returns
    -------
    value : float
        In nats; 0 where no row has anything in its list.
    gradient : array of shape (B, d), or a pair of shapes (B, d) and (n, d)
        With respect to Y, or to Y and `columns`.

    Notes
    -----
    L_list = mean over i, m of KL(p_i || q_i^m) with p_i = softmax over j of S_ij / t and
    q_i^m = softmax over j of cos_m(y_i, y_j) / t_m, j over row i's list. Only the order of the
    cosines matters to a search, and those of short prefixes scatter more: with a t_m that falls
    with m, they are asked for the order, not for the scale. A row with an empty
    list is left out of the mean. A zero row's q is uniform and its gradient 0. The value
    depends on how many documents a row is compared with. Time O(B n (d + L)).

    References
    ----------
    Hinton, Roweis: "Stochastic Neighbor Embedding", NIPS 2002 (the distributions; here on
    cosines and for every prefix).

    Examples
    --------
    >>> import numpy as np
    >>> from madapt.losses import listwise_loss
    >>> Y = np.eye(3)
    >>> value, gradient = listwise_loss(Y, Y @ Y.T, dims=[3])
    >>> value, float(abs(gradient).max())
    (0.0, 0.0)
    """
    if columns is None:
        pairs = off_diagonal(Y) if pairs is None else pairs & off_diagonal(Y)
    slope = neighbor_slope(S, temperature, pairs, target_temperature)
    return through_prefixes(Y, dims, slope, columns=columns, weights=weights)


def graded_listwise_loss(
    Q: Any,
    D: Any,
    grades: Any,
    dims: Sequence[int],
    *,
    temperature: float | Sequence[float] = 0.1,
    pairs: Any = None,
    weights: Sequence[float] | None = None,
) -> tuple[float, tuple[Any, Any]]:
    """Divergence of each prefix's softmax over documents from the normalised grades.

    Parameters
    ----------
    Q : array of shape (B, d), float32 or float64
        Adapted queries.
    D : array of shape (n, d)
        Adapted documents.
    grades : array of shape (B, n)
        Grades at or above 0; 0 is not relevant or unjudged.
    dims : sequence of L int
        Prefix lengths m, increasing, the last at most d.
    temperature : float or sequence of L float, default=0.1
        t_m > 0, one for all prefixes or one each.
    pairs : bool array of shape (B, n) or None, default=None
        True where document j takes part in query i's list; None takes all.
    weights : sequence of L float or None, default=None
        One weight per dim, scaled to sum to 1; None weighs all alike.

    Returns
    -------
    value : float
        In nats; 0 where no query has a positive.
    gradient : pair of arrays of shapes (B, d) and (n, d)
        With respect to Q and D.

    Notes
    -----
    mean over i, m of KL(p_i || q_i^m), p_i = grades_i / sum(grades_i) and q_i^m = softmax
    over j of cos_m(q_i, d_j) / t_m. A query without a positive is left out of the mean and
    has gradient 0; one whose documents are all equally relevant pulls them alike.
    Time O(B n (d + L)).

    References
    ----------
    Cao, Qin, Liu, Tsai, Li: "Learning to Rank: From Pairwise Approach to Listwise
    Approach", ICML 2007 (ListNet; here with a temperature and for every prefix).
    """
    slope = grade_slope(grades, temperature, pairs)
    return through_prefixes(Q, dims, slope, columns=D, weights=weights)


def prefix_temperatures(
    temperature: float, prefix_temperature: float, dims: Sequence[int]
) -> Temperature:
    """Return t_m = temperature + prefix_temperature / m of each prefix; one number if alike."""
    if not prefix_temperature:
        return temperature
    return tuple(temperature + prefix_temperature / m for m in dims)


def neighbor_slope(
    S: Any, temperature: Temperature, pairs: Any, target_temperature: float | None = None
) -> Slope:
    """Return the slope of the divergence from p_i = softmax over j of S_ij / t."""
    P, _ = _softmax(S / (temperature if target_temperature is None else target_temperature), pairs)
    return _divergence_slope(P, temperature, pairs)


def grade_slope(grades: Any, temperature: Temperature, pairs: Any) -> Slope:
    """Return the slope of the divergence from p_i = grades_i / sum(grades_i)."""
    xp = array_namespace(grades)
    if pairs is not None:
        grades = xp.where(pairs, grades, xp.zeros_like(grades))
    total = xp.sum(grades, axis=1, keepdims=True)
    P = grades / xp.where(total > 0, total, xp.ones_like(total))
    return _divergence_slope(P, temperature, pairs)


def _divergence_slope(P: Any, temperature: Temperature, pairs: Any) -> Slope:
    """Return C_l -> mean over rows of KL(P_i || softmax_j C_ij / t_l), and (q - p) / (t_l B).

    Rows of P, of shape (B, n), sum to 1; a row of zeros is left out of the mean.
    """
    xp = array_namespace(P)
    mass = xp.astype(xp.sum(P, axis=1, keepdims=True) > 0, P.dtype)  # (B, 1)
    scale = 1.0 / max(float(xp.sum(mass)), 1.0)
    positive = P > 0
    log_P = xp.log(xp.where(positive, P, xp.ones_like(P)))

    def slope(C: Any, place: int) -> tuple[Any, Any]:
        t = temperature if isinstance(temperature, int | float) else temperature[place]
        Q, log_Q = _softmax(C / t, pairs)
        divergence = P * xp.where(positive, log_P - log_Q, xp.zeros_like(P))
        return xp.sum(divergence) * scale, (mass * Q - P) * (scale / t)

    return slope


def _softmax(logits: Any, pairs: Any) -> tuple[Any, Any]:
    """Return softmax and log-softmax of each row over the pairs that count, 0 elsewhere."""
    xp = array_namespace(logits)
    if logits.shape[1] == 0:
        return logits, logits
    if pairs is not None:
        logits = xp.where(pairs, logits, xp.full_like(logits, -float("inf")))
    largest = xp.max(logits, axis=1, keepdims=True)
    largest = xp.where(xp.isfinite(largest), largest, xp.zeros_like(largest))
    shifted = logits - largest
    exponentials = xp.exp(shifted)
    total = xp.sum(exponentials, axis=1, keepdims=True)
    total = xp.where(total > 0, total, xp.ones_like(total))
    return exponentials / total, shifted - xp.log(total)
