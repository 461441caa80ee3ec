"""The best k of each row so far, and a tile of similarities merged into them.

An entry is one 64-bit integer, a similarity above and an index below, made such that integers
compare as entries do: by similarity, and of equal ones the lower index is the larger entry.
Each row has a reservoir of 2 k entries. Whatever is above the bound is appended; when the
reservoir is full its best k stay, in no order, and the least of them is the new bound. So an
entry costs some comparisons whatever k is, and in whatever order the corpus comes.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from madapt.backends.numba._compile import bits_of, compiled, float_of, inlined

__all__ = ["Rankings", "merge_both", "merge_diagonal", "merge_rankings", "merge_rows"]

#: Similarities that are compared with the bound together.
_GROUP = 64
#: A place that is not taken, below every entry.
_NOTHING = np.iinfo(np.int64).min
_0, _1, _INFINITY = np.float32(0), np.float32(1), np.float32(np.inf)
_SIGN, _ALL = np.int32(31), np.int32(2**31 - 1)
_MINUS_ZERO = np.int32(-(2**31))
_HALF, _LOW = np.int64(32), np.int64(2**32 - 1)


@inlined
def _entry(x, index):
    """Pack similarity x of the row of that index."""
    bits = bits_of(x)
    bits = np.int32(0) if bits == _MINUS_ZERO else bits
    # A negative float grows with its bits, as integers do not: all but the sign are turned.
    rising = bits ^ ((bits >> _SIGN) & _ALL)
    return (np.int64(rising) << _HALF) | (_LOW - np.int64(index))


@inlined
def _similarity(entry):
    """Return the similarity of an entry, minus infinity if there is none."""
    rising = np.int32(entry >> _HALF)
    return float_of(rising ^ ((rising >> _SIGN) & _ALL)) if entry != _NOTHING else -_INFINITY


class Rankings(NamedTuple):
    """The best of b rows.

    `reservoirs` are entries, shape (b, capacity), of which `counts`, shape (b,), are taken;
    nothing at or below `bounds`, shape (b,), can be among the best k any more.
    """

    reservoirs: np.ndarray
    counts: np.ndarray
    bounds: np.ndarray

    @classmethod
    def empty(cls, b: int, k: int) -> Rankings:
        """Return rankings without entries."""
        reservoirs = np.empty((b, cls.capacity(k)), np.int64)
        return cls(reservoirs, np.zeros(b, np.int64), np.full(b, -np.inf, np.float32))

    @staticmethod
    def capacity(k: int) -> int:
        """Return how many entries a reservoir for the best k holds."""
        return max(2 * k, 32)

    def rows(self, which: slice) -> Rankings:
        """Return some of the rows, as views."""
        return Rankings(*(array[which] for array in self))

    def unpacked(self, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Return indices and similarities of the best k, best first; -1 and -inf for none."""
        keep_best(k, *self)
        best = np.sort(self.reservoirs[:, :k], axis=1)[:, ::-1].copy()
        indices, values = np.empty_like(best), np.empty(best.shape, np.float32)
        _unpack(best, indices, values)
        return indices, values


@inlined
def _keep_best(entries, k):
    """Bring the k largest entries to the front, the least of them last (Hoare's select)."""
    low, high = 0, entries.shape[0] - 1
    while low < high:
        middle = entries[(low + high) >> 1]
        first, last = min(entries[low], entries[high]), max(entries[low], entries[high])
        pivot = min(max(middle, first), last)  # the median of three
        i, j = low, high
        while i <= j:
            while entries[i] > pivot:
                i += 1
            while entries[j] < pivot:
                j -= 1
            if i <= j:
                entries[i], entries[j] = entries[j], entries[i]
                i += 1
                j -= 1
        if k - 1 <= j:
            high = j
        elif k - 1 >= i:
            low = i
        else:
            break


@inlined
def _append(entry, i, k, reservoirs, counts, bounds):
    """Append an entry to row i; make room when there is none left."""
    reservoirs[i, counts[i]] = entry
    counts[i] += 1
    if counts[i] == reservoirs.shape[1]:
        _keep_best(reservoirs[i], k)
        counts[i] = k
        bounds[i] = _similarity(reservoirs[i, k - 1])


# A count of constant length in float32 runs in whole vectors; integers would be widened.
@inlined
def _any_above(s, bound, size):
    """Say whether one of so many similarities is above the bound."""
    above = _0
    for j in range(size):
        above += _1 if s[j] > bound else _0
    return above > _0


@inlined
def _any_above_each(s, bounds, size):
    """Say the same where each has a bound of its own."""
    above = _0
    for j in range(size):
        above += _1 if s[j] > bounds[j] else _0
    return above > _0


@inlined
def _merge_some(s, first, aside, i, k, reservoirs, counts, bounds):
    """Merge similarities s_j of index first + j into row i, one by one."""
    for j in range(s.shape[0]):
        if s[j] > bounds[i] and (aside.shape[0] == 0 or aside[j] == 0):
            _append(_entry(s[j], first + j), i, k, reservoirs, counts, bounds)


@inlined
def _merge_row(s, first, aside, i, k, reservoirs, counts, bounds):
    """Merge similarities s_j of index first + j into row i, passing over whole groups."""
    found = np.empty(_GROUP, np.int64)
    whole = s.shape[0] // _GROUP * _GROUP
    for start in range(0, whole, _GROUP):
        group, bound = s[start : start + _GROUP], bounds[i]
        if not _any_above(group, bound, _GROUP):
            continue
        # Where they are is written down without a branch that would be guessed wrong.
        n_found = 0
        for j in range(_GROUP):
            found[n_found] = j
            n_found += group[j] > bound
        for place in range(n_found):
            j = start + found[place]
            if s[j] > bounds[i] and (aside.shape[0] == 0 or aside[j] == 0):
                _append(_entry(s[j], first + j), i, k, reservoirs, counts, bounds)
    beside = aside[whole:]
    _merge_some(s[whole:], first + whole, beside, i, k, reservoirs, counts, bounds)


_RANKINGS = "int64[:,::1], int64[::1], float32[::1]"


@compiled(f"void(float32[:,::1], int64, uint8[::1], int64, {_RANKINGS})")
def merge_rows(S, first, aside, k, reservoirs, counts, bounds):
    """Merge each row of S, whose columns have indices first.., into its ranking.

    Parameters
    ----------
    S : array of shape (b, c)
    first : int
        Above all indices in the rankings.
    aside : array of shape (c,) or (0,)
        1 for columns to pass over.
    k : int
    reservoirs, counts, bounds : arrays
        `Rankings` of b rows.
    """
    for i in range(S.shape[0]):
        _merge_row(S[i], first, aside, i, k, reservoirs, counts, bounds)


@compiled(f"void(float32[:,::1], int64, int64, {_RANKINGS})")
def merge_diagonal(S, first, k, reservoirs, counts, bounds):
    """Merge rows against themselves into their rankings; nobody is their own neighbour."""
    nobody = np.zeros(0, np.uint8)
    for i in range(S.shape[0]):
        _merge_row(S[i, :i], first, nobody, i, k, reservoirs, counts, bounds)
        behind = S[i, i + 1 :]
        _merge_row(behind, first + i + 1, nobody, i, k, reservoirs, counts, bounds)


@compiled(f"void(float32[:,::1], int64, int64, int64, {_RANKINGS}, {_RANKINGS})")
def merge_both(
    S,
    top,
    left,
    k,
    row_reservoirs,
    row_counts,
    row_bounds,
    column_reservoirs,
    column_counts,
    column_bounds,
):
    """Merge a tile above the diagonal into the rankings of its rows and of its columns.

    Rows have indices top.., columns left..; both above what is in the other's rankings.
    """
    c = S.shape[1]
    for i in range(S.shape[0]):
        s = S[i]
        for a in range(0, c, _GROUP):
            b = min(a + _GROUP, c)
            if b - a == _GROUP and not (
                _any_above(s[a:b], row_bounds[i], _GROUP)
                or _any_above_each(s[a:b], column_bounds[a:b], _GROUP)
            ):
                continue
            for j in range(a, b):
                if s[j] > row_bounds[i]:
                    entry = _entry(s[j], left + j)
                    _append(entry, i, k, row_reservoirs, row_counts, row_bounds)
                if s[j] > column_bounds[j]:
                    entry = _entry(s[j], top + i)
                    _append(entry, j, k, column_reservoirs, column_counts, column_bounds)


@compiled(f"void(int64, {_RANKINGS}, {_RANKINGS})")
def merge_rankings(k, other_reservoirs, other_counts, other_bounds, reservoirs, counts, bounds):
    """Merge rankings with others, whose indices may be lower."""
    for i in range(counts.shape[0]):
        for place in range(other_counts[i]):
            entry = other_reservoirs[i, place]
            # An equal similarity may be that of a lower index.
            if _similarity(entry) >= bounds[i]:
                _append(entry, i, k, reservoirs, counts, bounds)


@compiled(f"void(int64, {_RANKINGS})")
def keep_best(k, reservoirs, counts, bounds):
    """Leave the best k in the first places, and `_NOTHING` where there are fewer."""
    for i in range(counts.shape[0]):
        if counts[i] > k:
            _keep_best(reservoirs[i, : counts[i]], k)
        reservoirs[i, counts[i] : k] = _NOTHING


@compiled("void(int64[:,::1], int64[:,::1], float32[:,::1])")
def _unpack(best, indices, values):
    """Write what is in the entries."""
    for i in range(best.shape[0]):
        for place in range(best.shape[1]):
            entry = best[i, place]
            indices[i, place] = -1 if entry == _NOTHING else _LOW - (entry & _LOW)
            values[i, place] = _similarity(entry)
