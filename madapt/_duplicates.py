"""Rows that are equal bit for bit, found without holding the array twice."""

from __future__ import annotations

import numpy as np

__all__ = ["EqualRows", "equal_rows"]

_BLOCK_BYTES = 2**21


class EqualRows:
    """Which rows of an array come first of their kind, and which rows repeat them.

    Parameters
    ----------
    first : ndarray of shape (n,), int64
        The lowest index of a row equal to row j: j itself unless j repeats an earlier one.

    Attributes
    ----------
    repeats : ndarray of shape (n,), bool
        True where a row repeats an earlier one.
    """

    def __init__(self, first: np.ndarray) -> None:
        self.repeats = first != np.arange(first.size)
        self._members = np.argsort(first, kind="stable")  # (n,), kind by kind, rising in each
        self._counts = np.bincount(first, minlength=first.size)  # (n,), 0 for a repeat
        self._starts = np.cumsum(self._counts) - self._counts  # (n,)

    def expand(self, indices: np.ndarray, values: np.ndarray) -> None:
        """Give every repeat its place in rankings that hold first rows alone, in place.

        Parameters
        ----------
        indices : ndarray of shape (b, k), int64
            First rows, highest value first, lower index first where values are equal; -1 at
            the end where there are fewer than k of them.
        values : ndarray of shape (b, k), float32 or float64
            Their similarities.
        """
        k = indices.shape[1]
        repeated = (self._counts[indices] > 1) & (indices >= 0)  # (b, k)
        for row in np.flatnonzero(repeated.any(axis=1)):
            ranked = indices[row][indices[row] >= 0]
            # Of one kind at most k rows, its lowest indices, can be among the best k.
            sizes = np.minimum(self._counts[ranked], k)
            within = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
            every = self._members[np.repeat(self._starts[ranked], sizes) + within]
            value = np.repeat(values[row, : ranked.size], sizes)
            order = np.lexsort((every, -value))[:k]
            indices[row, : order.size] = every[order]
            values[row, : order.size] = value[order]


def equal_rows(X: np.ndarray) -> EqualRows | None:
    """Find the rows of X that repeat an earlier row bit for bit.

    Parameters
    ----------
    X : ndarray of shape (n, d)
        Rows of numbers.

    Returns
    -------
    EqualRows or None
        None if no two rows are equal.

    Notes
    -----
    The first 8 bytes of each row tell most rows apart, at the price of sorting n integers.
    Rows that share them are hashed whole, O(d) each; rows that share the hash are compared.
    """
    suspects = _shared(_head(X))
    hashes = _hashes(X, suspects)
    shared = _shared(hashes)
    suspects, hashes = suspects[shared], hashes[shared]
    if not suspects.size:
        return None
    first = np.arange(X.shape[0])
    while suspects.size:
        _, lowest, kind = np.unique(hashes, return_index=True, return_inverse=True)
        leaders = suspects[lowest][kind.reshape(-1)]
        same = _same(X, suspects, leaders)
        first[suspects[same]] = leaders[same]
        # Rows whose hash met that of another row by chance choose a leader of their own.
        suspects, hashes = suspects[~same], hashes[~same]
    return EqualRows(first) if (first != np.arange(first.size)).any() else None


def _shared(keys: np.ndarray) -> np.ndarray:
    """Return the places of the keys that occur more than once, in rising order."""
    ordered = np.sort(keys)
    twice = ordered[1:][ordered[1:] == ordered[:-1]]
    return np.flatnonzero(np.isin(keys, twice)) if twice.size else np.empty(0, np.int64)


def _head(X: np.ndarray) -> np.ndarray:
    """Return the first 8 bytes of each row as one integer; shape (n,)."""
    columns = max(1, 8 // X.dtype.itemsize)
    head = np.ascontiguousarray(X[:, :columns]).view(np.uint8)[:, :8]
    padded = np.zeros((X.shape[0], 8), np.uint8)
    padded[:, : head.shape[1]] = head
    return padded.view(np.uint64)[:, 0]


def _hashes(X: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Hash whole rows: a sum of their 16- or 32-bit words, each times a random odd integer."""
    word = np.dtype(f"u{min(X.dtype.itemsize, 4)}")
    words = X.shape[1] * X.dtype.itemsize // word.itemsize
    odd = np.random.default_rng(0).integers(2**63, size=words, dtype=np.uint64) * 2 + 1
    hashes = np.empty(rows.size, np.uint64)
    for block in _blocks(X, rows.size):
        bits = np.ascontiguousarray(X[rows[block]]).view(word).astype(np.uint64)
        hashes[block] = np.einsum("ij,j->i", bits, odd)
    return hashes


def _same(X: np.ndarray, rows: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Compare rows with others pair by pair; bool of shape (rows.size,)."""
    same = np.empty(rows.size, bool)
    for block in _blocks(X, rows.size):
        same[block] = (X[rows[block]] == X[others[block]]).all(axis=1)
    return same


def _blocks(X: np.ndarray, n: int) -> list[slice]:
    step = max(1, _BLOCK_BYTES // (X.shape[1] * max(X.dtype.itemsize, 8)))
    return [slice(start, start + step) for start in range(0, n, step)]
