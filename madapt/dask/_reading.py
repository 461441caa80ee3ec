"""One pass over a Dask array: second moments of all rows, and some of the rows themselves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from madapt._linalg import components_of, second_moments
from madapt._row_source import raise_not_finite, row_blocks
from madapt._rows import unit_rows
from madapt.exceptions import InvalidValueError

__all__ = ["Moments", "add_moments", "drawn_rows", "moments_of", "rows_at", "within_blocks"]

#: Entries of a block that are looked at at once.
_ENTRIES = 2**21


class Moments(NamedTuple):
    """The sum of x x^T, shape (d, d), and of x, shape (d,), over n rows; float64."""

    products: np.ndarray
    total: np.ndarray
    n: int

    def rotation(self, mean: np.ndarray | None, dtype: Any) -> np.ndarray:
        """Return the P of the SVD rotation of the rows less a mean, shape (d, d).

        With X^T X the products, s the total and c the mean, it is that of
        X^T X - s c^T - c s^T + n c c^T.
        """
        products = self.products
        if mean is not None:
            c = mean.astype(np.float64)
            cross = np.outer(self.total, c)
            products = products - cross - cross.T + self.n * np.outer(c, c)
        return np.ascontiguousarray(components_of(products).T, dtype=dtype)


def moments_of(block: Any, number: int, normalize: bool) -> Moments:
    """Return the moments of a block's rows, of unit length with `normalize`.

    Raises
    ------
    InvalidValueError
        If one is not finite; the message has the block's number and the row in it.
    """
    d = block.shape[1]
    found = Moments(np.zeros((d, d)), np.zeros(d), 0)
    for part in _parts(block, number):
        X = unit_rows(part) if normalize else part
        with np.errstate(over="ignore", invalid="ignore"):  # whoever adds them up looks
            more = Moments(second_moments(X), X.sum(axis=0, dtype=np.float64), len(X))
            found = add_moments([found, more])
    return found


def add_moments(parts: Sequence[Moments]) -> Moments:
    """Return the moments of the rows of all parts."""
    products, total, n = parts[0]
    for part in parts[1:]:
        products, total, n = products + part.products, total + part.total, n + part.n
    return Moments(products, total, n)


def check_moments(moments: Moments) -> Moments:
    """Refuse moments that have overflowed."""
    if not np.isfinite(moments.products).all():
        raise InvalidValueError(
            "normalize must be True where squares of the entries of X overflow, got False"
        )
    return moments


def rows_at(block: Any, number: int, at: np.ndarray) -> np.ndarray:
    """Return rows of a block, in C order and the working dtype."""
    rows = np.asarray(block)[at]
    if not len(rows):
        return np.zeros(rows.shape, np.float64 if rows.dtype == np.float64 else np.float32)
    return np.concatenate([part.copy() for part in _parts(rows, number)])


def drawn_rows(n: int, most: int, wanted: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Return the indices of at most so many of n rows, rising: wanted ones first, others drawn.

    Parameters
    ----------
    n : int
        Number of rows.
    most : int
        All are taken where there are no more, and nothing is drawn.
    wanted : ndarray of int
        Rising, without repetition.
    generator : numpy.random.Generator
        Draws in O(most) time and memory, whatever n.

    Returns
    -------
    ndarray of int
        Each set of others is as likely as any.
    """
    if n <= most:
        return np.arange(n)
    if len(wanted) >= most:
        return np.sort(generator.choice(wanted, most, replace=False))
    size = most - len(wanted)
    others = np.sort(generator.choice(n - len(wanted), size, replace=False, shuffle=False))
    # The j-th row that is not wanted comes behind as many wanted ones as have j or fewer others
    # before them.
    others += np.searchsorted(wanted - np.arange(len(wanted)), others, side="right")
    return np.sort(np.concatenate([wanted, others]))


def within_blocks(at: np.ndarray, lengths: np.ndarray) -> list[np.ndarray]:
    """Return rising indices of rows as indices within each of the blocks of such lengths."""
    edges = np.concatenate([[0], np.cumsum(lengths)])
    places = np.searchsorted(at, edges)
    return [at[places[i] : places[i + 1]] - edges[i] for i in range(len(lengths))]


def _parts(block: Any, number: int) -> Any:
    """Yield a block's rows, checked, in the working dtype; each may overwrite the one before."""
    if not len(block):
        return
    name = f"block {number} of X"
    for start, part in row_blocks(np.asarray(block), max(1, _ENTRIES // block.shape[1]), name):
        raise_not_finite(part, start, name)
        yield part
