"""The k largest entries of each row of a matrix that comes in blocks of columns."""

from __future__ import annotations

import numpy as np

__all__ = ["merge_largest"]


def merge_largest(
    S: np.ndarray, start: int, indices: np.ndarray, values: np.ndarray, passed: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Merge the best k so far, all of lower index, with a block of similarities.

    Parameters
    ----------
    S : ndarray of shape (b, c), float32 or float64
        Similarities with corpus rows start..start + c; -inf for those that do not count.
    start : int
        Where the block starts.
    indices, values : ndarray of shape (b, k)
        The best k so far, best first, ties by index; -1 and -inf in places not yet taken.
    passed : ndarray of shape (b, c), bool
        Room to work in.

    Returns
    -------
    indices : ndarray of shape (b, k)
        Those of the best k now, best first.
    values : ndarray of shape (b, k)
        Their similarities.
    """
    b, k = values.shape
    # An equal entry of this block has the higher index and loses: it must be above. Of -inf
    # the next number is the lowest finite one, so that an entry of -inf never passes.
    bound = np.nextafter(values[:, -1:], np.inf, dtype=S.dtype)  # (b, 1)
    if start == 0:
        bound = np.maximum(bound, _bound(S, k))
    np.greater_equal(S, bound, out=passed)
    rows, columns = _passed(S, passed, k)
    counts = np.bincount(rows, minlength=b)
    places = k + np.arange(rows.size) - np.repeat(np.cumsum(counts) - counts, counts)
    width = k + counts.max()
    every = np.full((b, width), -np.inf, S.dtype)
    every[:, :k] = values
    every[rows, places] = S[rows, columns]
    which = np.full((b, width), -1)
    which[:, :k] = indices
    which[rows, places] = start + columns
    order = _falling(every, k)  # (b, k)
    return np.take_along_axis(which, order, axis=1), np.take_along_axis(every, order, axis=1)


def _bound(S: np.ndarray, k: int) -> np.ndarray:
    """Return a number at most the k-th largest of each row of S, and near it; (b, 1).

    The k-th largest of the maxima of disjoint groups of columns is one: k groups reach it.
    """
    b, c = S.shape
    groups = max(4 * k, 128)
    if c < k:
        return np.full((b, 1), np.finfo(S.dtype).min)
    if c < 2 * groups:
        maxima, groups = S, c
    else:
        # A few columns at the end may be left out: the bound is only lower for it.
        maxima = S[:, : c // groups * groups].reshape(b, -1, groups).max(axis=1)
    return np.partition(maxima, groups - k, axis=1)[:, groups - k, None]


def _passed(S: np.ndarray, passed: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Return rows and columns of what has passed, row by row, without a crowd in any row."""
    b, c = S.shape
    most = 2 * k + 16
    if np.count_nonzero(passed) > b * most:
        _thin_out(S, passed, k, np.arange(b))
    rows, columns = np.divmod(np.flatnonzero(passed), c)
    crowded = np.flatnonzero(np.bincount(rows, minlength=b) > most)
    if crowded.size:
        _thin_out(S, passed, k, crowded)
        rows, columns = np.divmod(np.flatnonzero(passed), c)
    return rows, columns


def _thin_out(S: np.ndarray, passed: np.ndarray, k: int, rows: np.ndarray) -> None:
    """Keep of what has passed in these rows only the k best of the block, ties by index."""
    b, c = S.shape
    if c <= k:
        return
    step = max(1, b // 8)
    for start in range(0, rows.size, step):
        some = rows[start : start + step]
        entries = S[some]
        last = np.partition(entries, c - k, axis=1)[:, c - k, None]
        above, level = entries > last, entries == last
        room = k - above.sum(axis=1, keepdims=True)
        passed[some] &= above | (level & (np.cumsum(level, axis=1, dtype=np.int32) <= room))


def _falling(values: np.ndarray, k: int) -> np.ndarray:
    """Return the places of the k largest of each row, falling, equal ones from the left."""
    rising = -values
    order = np.argsort(rising, axis=1)[:, : k + 1]
    ordered = np.take_along_axis(rising, order, axis=1)
    # A stable sort is several times slower, so only rows with equal values get one.
    tied = (ordered[:, 1:] == ordered[:, :-1]).any(axis=1)
    order[tied] = np.argsort(rising[tied], axis=1, kind="stable")[:, : k + 1]
    return order[:, :k]
