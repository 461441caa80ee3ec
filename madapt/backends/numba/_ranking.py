"""The ranking loss between the products."""

from __future__ import annotations

import numpy as np

from madapt.backends.numba._compile import compiled, inlined, power_of_two, sum_from_the_back

__all__ = ["ranking_slopes"]

_0, _1, _2 = np.float32(0), np.float32(1), np.float32(2)
_LOG2_E = np.float32(np.log2(np.e))
_SERIES = tuple(np.float32(2 / k) for k in range(1, 16, 2))


@inlined
def _log1p(u):
    """log(1 + u) for u in 0..1: 2 artanh(u / (2 + u)) by its series, error below 2e-7."""
    x = u / (_2 + u)
    y = x * x
    c0, c1, c2, c3, c4, c5, c6, c7 = _SERIES
    return x * (((((((c7 * y + c6) * y + c5) * y + c4) * y + c3) * y + c2) * y + c1) * y + c0)


@inlined
def _terms(c, best, grades, grade, steepness, A):
    """Add the terms of one positive of cosine `best` to A; return their value and sum."""
    value, total = _0, _0
    for j in range(c.shape[0]):
        gain = max(grade - grades[j], _0)
        margin = (c[j] - best) * steepness
        u = power_of_two(-abs(margin) * _LOG2_E)
        value += gain * (max(margin, _0) + _log1p(u))
        logistic = (_1 if margin >= _0 else u) / (_1 + u)
        A[j] += gain * logistic
        total += gain * logistic
    return value, total


@inlined
def _row_slopes(c, s, ri, A, weight, pull):
    """Turn cosines c_j into D_j; add A_j C_j to pull_j; return the sum of A C."""
    total = _0
    for j in range(c.shape[0]):
        a = weight * A[j]
        pull[j] += a * c[j]
        total += a * c[j]
        c[j] = a * ri * s[j]
    return total


@compiled(
    "void(float32[:,:,::1], float32[:,::1], float32[:,::1], float32[:,::1], float32[::1], "
    "float32, int64, float64[::1], float64[:,::1], float32[:,::1])"
)
def ranking_slopes(K, grades, r, s, weights, steepness, i0, value, row_sums, column_sums):
    """Turn the Gram blocks of a tile, in place, into running sums of D from the back.

    Parameters
    ----------
    K : array of shape (L, T, n)
        Gram blocks of rows i0 .. i0 + T and all columns.
    grades : array of shape (B, n)
    r, s : arrays of shapes (L, B), (L, n)
    weights : array of shape (L,)
    steepness : float
        1 / temperature.
    value, row_sums, column_sums : arrays of shapes (2,), (L, B), (L, n)
        Of the loss and of its number of terms; of A C; added to.
    """
    L, T, n = K.shape
    gram, A = np.empty(n, np.float32), np.empty(n, np.float32)
    for i in range(T):
        at = i0 + i
        gram[:] = _0
        for m in range(L):
            k, ri = K[m, i], r[m, at]
            for j in range(n):
                gram[j] += k[j]
                k[j] = gram[j] * ri * s[m, j]
            A[:] = _0
            for place in range(n):
                grade = grades[at, place]
                if not grade > _0:
                    continue
                lost, total = _terms(k, k[place], grades[at], grade, steepness, A)
                A[place] -= total
                value[0] += weights[m] * lost
                if m == 0:
                    for other in grades[at]:
                        value[1] += 1.0 if other < grade else 0.0
            row_sums[m, at] += _row_slopes(k, s[m], ri, A, weights[m], column_sums[m])
        sum_from_the_back(K, i, 0, n)
