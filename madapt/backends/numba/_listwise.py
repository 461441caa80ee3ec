"""The listwise losses between the products.

exp((c - 1) / t) = 2^(k c - k) with k = log2(e) / t: cosines reach at most 1, so no row needs
its largest entry first. The divergence is written with s - c, not with log p - log q: where
both distributions are alike, the latter is the difference of two large numbers.
"""

from __future__ import annotations

import numpy as np

from madapt.backends.numba._compile import (
    CHUNK,
    compiled,
    inlined,
    power_of_two,
    sum_from_the_back,
)

__all__ = ["list_slopes", "neighbor_slopes", "normalisers"]

_0, _1 = np.float32(0), np.float32(1)
_NEVER = np.float32(-1000)  # 2^-1000 is as good as 0
#: The power of two is never below 2^-126; -2 k is, at temperatures below .023. A mean of powers
#: above this has lost nothing that its digits would show.
_LOWEST, _LEAST_MEAN = np.float32(-126), np.float32(2.0**-100)


@inlined
def _mass(k, gram, s, ri, slope, column):
    """Add 2^(slope (c_j - 1)) to column_j; return their sum."""
    total = _0
    for j in range(k.shape[0]):
        gram[j] += k[j]
        e = power_of_two(gram[j] * ri * s[j] * slope - slope)
        column[j] += e
        total += e
    return total


@compiled(
    "void(float32[:,:,::1], float32[:,::1], float32[:,::1], float32, int64, "
    "float64[:,::1], float64[:,::1])"
)
def normalisers(K, S, r, slope, i0, row_mass, column_mass):
    """Add what the pairs above the diagonal put into Z, by row and by column.

    Parameters
    ----------
    K : array of shape (L, T, J)
        Gram blocks of rows i0 .. i0 + T and columns from i0; left as they are.
    S : array of shape (B, B)
    r : array of shape (L, B)
    slope : float
        log2(e) / temperature.
    row_mass, column_mass : arrays of shape (L + 1, B)
        The last is that of S itself.
    """
    L, T, J = K.shape
    gram, ones = np.empty(CHUNK, np.float32), np.ones(CHUNK, np.float32)
    columns = np.zeros((L + 1, J), np.float32)
    for i in range(T):
        at = i0 + i
        for start in range(i + 1, J, CHUNK):
            stop = min(start + CHUNK, J)
            a, b = i0 + start, i0 + stop
            gram[:] = _0
            mass = _mass(S[at, a:b], gram, ones, _1, slope, columns[L, start:stop])
            row_mass[L, at] += mass
            gram[:] = _0
            for m in range(L):
                row_mass[m, at] += _mass(
                    K[m, i, start:stop], gram, r[m, a:b], r[m, at], slope, columns[m, start:stop]
                )
    for m in range(L + 1):
        for j in range(J):
            column_mass[m, i0 + j] += columns[m, j]


@inlined
def _both_targets(p, S, inverse_i, inverse, slope):
    """p_j = p_ij + p_ji."""
    for j in range(S.shape[0]):
        p[j] = power_of_two(S[j] * slope - slope) * (inverse_i + inverse[j])


@inlined
def _both_slopes(k, gram, S, p, r, ri, inverse_i, inverse, slope, weight, pull):
    """Turn Gram blocks k_j into D_j; add A_j C_j to pull_j; return sums of value and A C."""
    value, total = _0, _0
    for j in range(k.shape[0]):
        gram[j] += k[j]
        c = gram[j] * ri * r[j]
        value += p[j] * (S[j] - c)
        q = power_of_two(c * slope - slope) * (inverse_i + inverse[j])
        a = weight * (q - p[j])
        pull[j] += a * c
        total += a * c
        k[j] = a * ri * r[j]
    return value, total


@compiled(
    "void(float32[:,:,::1], float32[:,::1], float32[:,::1], float32[:,::1], float32[::1], "
    "float32, int64, float64[::1], float64[:,::1], float32[:,::1])"
)
def neighbor_slopes(K, S, inverse, r, weights, slope, i0, value, row_sums, column_sums):
    """Turn the Gram blocks of a tile, in place, into running sums of D from the back.

    A_ij = q_ij - p_ij + q_ji - p_ji above the diagonal, 0 elsewhere.

    Parameters
    ----------
    K : array of shape (L, T, J)
        As for `normalisers`, and so are S, r, slope and i0.
    S : array of shape (B, B)
    inverse : array of shape (L + 1, B)
        1 / Z.
    r : array of shape (L, B)
    weights : array of shape (L,)
    slope : float
    i0 : int
    value, row_sums, column_sums : arrays of shapes (1,), (L, B), (L, B)
        Of p (S - C) and of A C; added to.
    """
    L, T, J = K.shape
    gram, p = np.empty(CHUNK, np.float32), np.empty(CHUNK, np.float32)
    for i in range(T):
        at = i0 + i
        K[:, i, : i + 1] = _0
        for start in range(i + 1, J, CHUNK):
            stop = min(start + CHUNK, J)
            a, b = i0 + start, i0 + stop
            _both_targets(p, S[at, a:b], inverse[L, at], inverse[L, a:b], slope)
            gram[:] = _0
            for m in range(L):
                lost, total = _both_slopes(
                    K[m, i, start:stop],
                    gram,
                    S[at, a:b],
                    p,
                    r[m, a:b],
                    r[m, at],
                    inverse[m, at],
                    inverse[m, a:b],
                    slope,
                    weights[m],
                    column_sums[m, a:b],
                )
                value[0] += weights[m] * lost
                row_sums[m, at] += total
            sum_from_the_back(K, i, start, stop)


@inlined
def _underflows(mass, n, slope):
    """Say whether a sum of n powers may have lost its largest ones."""
    return -2 * slope < _LOWEST and not mass > n * _LEAST_MEAN


@inlined
def _targets(p, base, shift, T, counts, slope, graded):
    """Fill p, base and shift; return a constant, NaN for an underflow, and whether p has any mass.

    q = 2^(k (c - 1) + shift) / Z with k = log2(e) / t_m, where shift leaves out the columns that
    do not count, and KL(p || q) = sum p (scale base - c) / t_m + log Z + the constant, where
    scale is 1 for grades and t_m / t for cosines.
    """
    total, n_counted = 0.0, 0
    for j in range(T.shape[0]):
        e = T[j] if graded else power_of_two(T[j] * slope - slope)
        p[j] = e * counts[j]
        base[j] = _1 if graded else T[j]
        shift[j] = _0 if counts[j] else _NEVER
        total += p[j]
        n_counted += counts[j]
    if not graded and n_counted and _underflows(total, T.shape[0], slope):
        return np.nan, False
    if not total > 0.0:
        return 0.0, False
    inverse = np.float32(1.0 / total)
    constant = 0.0
    for j in range(T.shape[0]):
        p[j] *= inverse
        if graded and p[j] > _0:
            constant += p[j] * np.log(p[j])
    return (constant if graded else -np.log(total)), True


@inlined
def _cosines(k, gram, s, ri, shift, p, base, scale, slope):
    """Turn Gram blocks k_j into cosines; return Z and sum p (scale base - c)."""
    mass, lost = _0, _0
    for j in range(k.shape[0]):
        gram[j] += k[j]
        c = gram[j] * ri * s[j]
        k[j] = c
        mass += power_of_two((c * slope - slope) + shift[j])
        lost += p[j] * (scale * base[j] - c)
    return mass, lost


@inlined
def _slopes(k, D, s, ri, shift, p, log_mass, slope, weight, pull):
    """Add what cosines k_j say to D_j, and A_j C_j to pull_j; return the sum of A C."""
    total = _0
    for j in range(k.shape[0]):
        c = k[j]
        a = weight * (power_of_two((c * slope - slope) + (shift[j] - log_mass)) - p[j])
        pull[j] += a * c
        total += a * c
        D[j] += a * ri * s[j]
        k[j] = D[j]
    return total


@compiled(
    "void(float32[:,:,::1], float32[:,::1], uint8[:,::1], boolean, float32[:,::1], "
    "float32[:,::1], float32[::1], float32[::1], float32, int64, float64[::1], float64[:,::1], "
    "float32[:,::1])"
)
def list_slopes(
    K, targets, pairs, graded, r, s, weights, slopes, target, i0, value, row_sums, column_sums
):
    """Turn the Gram blocks of a tile, in place, into running sums of D from the back.

    A_ij = slope_m (q_ij - p_ij) for rows whose p has mass, 0 for the others.

    Parameters
    ----------
    K : array of shape (L, T, n)
        Gram blocks of rows i0 .. i0 + T and all columns.
    targets : array of shape (B, n)
        Grades, or cosines whose softmax is p.
    pairs : array of shape (B, n) or (1, n)
        1 where a column is in the list.
    graded : bool
        Which of the two the targets are.
    r, s : arrays of shapes (L, B), (L, n)
    weights : array of shape (L,)
    slopes : array of shape (L,)
        log2(e) / t_m of each prefix.
    target : float
        log2(e) / t of the targets where they are cosines.
    value, row_sums, column_sums : arrays of shapes (2,), (L, B), (L, n)
        Of the divergence, NaN where powers underflow, and of rows with mass; of A C; added to.
    """
    L, T, n = K.shape
    gram, log_mass = np.empty(CHUNK, np.float32), np.empty(L, np.float32)
    p, base, shift = np.empty(n, np.float32), np.empty(n, np.float32), np.empty(n, np.float32)
    mass, lost = np.empty(L, np.float64), np.empty(L, np.float64)
    for i in range(T):
        at = i0 + i
        counts = pairs[min(at, pairs.shape[0] - 1)]
        constant, has_mass = _targets(p, base, shift, targets[at], counts, target, graded)
        if not has_mass:
            value[0] += constant
            K[:, i, :] = _0
            continue
        mass[:], lost[:] = 0.0, 0.0
        for a in range(0, n, CHUNK):
            b = min(a + CHUNK, n)
            gram[:] = _0
            for m in range(L):
                k = K[m, i, a:b]
                slope = slopes[m]
                scale = _1 if graded else target / slope
                z, part = _cosines(
                    k, gram, s[m, a:b], r[m, at], shift[a:b], p[a:b], base[a:b], scale, slope
                )
                mass[m] += z
                lost[m] += part
        value[1] += 1.0
        for m in range(L):
            if _underflows(mass[m], n, slopes[m]):
                value[0] += np.nan
            log_mass[m] = np.log2(mass[m])
            t = np.log2(np.e) / slopes[m]
            # Both softmaxes are of cosines less 1, which another temperature does not cancel.
            shifted = 0.0 if graded else (slopes[m] - target) * np.log(2.0)
            value[0] += weights[m] * (lost[m] / t + np.log(mass[m]) + constant + shifted)
        for a in range(0, n, CHUNK):
            b = min(a + CHUNK, n)
            gram[:] = _0  # from here on the running sum of D
            for m in range(L - 1, -1, -1):
                k, pull = K[m, i, a:b], column_sums[m, a:b]
                sj, ri, slope, log_z = s[m, a:b], r[m, at], slopes[m], log_mass[m]
                row_sums[m, at] += _slopes(
                    k, gram, sj, ri, shift[a:b], p[a:b], log_z, slope, weights[m] * slope, pull
                )
