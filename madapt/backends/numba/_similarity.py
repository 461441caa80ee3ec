"""The pairwise and top-k losses between the products."""

from __future__ import annotations

import numpy as np

from madapt.backends.numba._compile import CHUNK, compiled, inlined, sum_from_the_back

__all__ = ["fold_upper", "mark_largest", "similarity_slopes"]

# A difference of cosines within 8 eps is rounding.
_LIMIT = np.float32(8 * np.finfo(np.float32).eps)
_0 = np.float32(0)


@inlined
def _weigh(w, pairs, near, shares):
    """w_j = what pair j weighs in both losses; shares of a pair and of a neighbour."""
    for j in range(w.shape[0]):
        w[j] = (shares[0] + near[j] * shares[1]) * pairs[j]


@inlined
def _slopes(k, gram, S, w, s, ri, weight, pull):
    """Turn Gram blocks k_j into D_j; add A_j C_j to pull_j; return sums of value and A C."""
    value, total = _0, _0
    for j in range(k.shape[0]):
        gram[j] += k[j]
        c = gram[j] * ri * s[j]
        difference = c - S[j]
        size = abs(difference)
        value += w[j] * size
        a = w[j] * weight if size > _LIMIT else _0
        a = a if difference > _0 else -a
        pull[j] += a * c
        total += a * c
        k[j] = a * ri * s[j]
    return value, total


@compiled(
    "void(float32[:,:,::1], float32[:,::1], uint8[:,::1], uint8[:,::1], float32[:,::1], "
    "float32[:,::1], float32[::1], float32[::1], int64, int64, boolean, float64[::1], "
    "float64[:,::1], float32[:,::1])"
)
def similarity_slopes(
    K, S, pairs, near, r, s, weights, shares, i0, j0, above, value, row_sums, column_sums
):
    """Turn the Gram blocks of a tile, in place, into running sums of D from the back.

    Parameters
    ----------
    K : array of shape (L, T, J)
        Gram blocks of rows i0 .. i0 + T and columns j0 .. j0 + J.
    S, pairs, near : arrays of shape (B, n)
        Targets; 1 where a pair counts; how often one is the other's neighbour. Masks of
        shape (1, n) hold for all rows.
    r, s : arrays of shapes (L, B), (L, n)
        Inverse lengths.
    weights : array of shape (L,)
    shares : array of shape (2,)
        What a pair and what a neighbour weigh.
    above : bool
        Take the pairs above the diagonal only.
    value, row_sums, column_sums : arrays of shapes (1,), (L, B), (L, n)
        Of the loss and of A C; added to.
    """
    L, T, J = K.shape
    gram, w = np.empty(CHUNK, np.float32), np.empty(CHUNK, np.float32)
    for i in range(T):
        at = i0 + i
        at_pairs, at_near = min(at, pairs.shape[0] - 1), min(at, near.shape[0] - 1)
        first = at + 1 - j0 if above else 0
        K[:, i, :first] = _0
        for start in range(first, J, CHUNK):
            stop = min(start + CHUNK, J)
            a, b = j0 + start, j0 + stop
            _weigh(w[: stop - start], pairs[at_pairs, a:b], near[at_near, a:b], shares)
            gram[:] = _0
            for m in range(L):
                loss, total = _slopes(
                    K[m, i, start:stop],
                    gram,
                    S[at, a:b],
                    w,
                    s[m, a:b],
                    r[m, at],
                    weights[m],
                    column_sums[m, a:b],
                )
                value[0] += weights[m] * loss
                row_sums[m, at] += total
            sum_from_the_back(K, i, start, stop)


@compiled("int64(uint8[:,::1], uint8[:,::1])")
def fold_upper(near, out):
    """out_ij = near_ij + near_ji above the diagonal; return their sum.

    In blocks: a column of a large array is a cache line for each entry.
    """
    n, block = near.shape[0], 64
    total = 0
    for top in range(0, n, block):
        for left in range(top, n, block):
            for i in range(top, min(top + block, n)):
                for j in range(max(left, i + 1), min(left + block, n)):
                    out[i, j] = near[i, j] + near[j, i]
                    total += out[i, j]
    return total


@compiled("void(float32[:,::1], uint8[:,::1], boolean, int64, uint8[:,::1])")
def mark_largest(S, pairs, off_diagonal, k, marked):
    """Mark the k largest S_ij that count in each row; of equal ones the lower index wins."""
    values, places = np.empty(k, np.float32), np.empty(k, np.int64)
    for i in range(S.shape[0]):
        marked[i] = 0
        found = 0
        row = min(i, pairs.shape[0] - 1)
        for j in range(S.shape[1]):
            if pairs[row, j] == 0 or (off_diagonal and i == j):
                continue
            x = S[i, j]
            if found == k and not x > values[k - 1]:
                continue
            at = found if found < k else k - 1
            found = min(found + 1, k)
            while at > 0 and x > values[at - 1]:
                values[at], places[at] = values[at - 1], places[at - 1]
                at -= 1
            values[at], places[at] = x, j
        for at in range(found):
            marked[i, places[at]] = 1
