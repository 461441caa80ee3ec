"""Rows of unit length, safe for any finite input."""

from __future__ import annotations

from typing import Any

from array_api_compat import array_namespace

__all__ = ["unit_rows"]


def unit_rows(X: Any) -> Any:
    """Scale each row to unit Euclidean length; a zero row stays zero.

    A row is divided by its largest magnitude first, so that squares neither
    overflow nor vanish: rows of 1e-30 and 1e30 come out right in float32.

    Parameters
    ----------
    X : array of shape (n, d), float32 or float64
        Finite rows, of any array-API namespace.

    Returns
    -------
    array of shape (n, d)
        A new array of the same namespace and dtype.
    """
    xp = array_namespace(X)
    if X.shape[1] == 0:
        return X
    largest = xp.max(xp.abs(X), axis=1, keepdims=True)  # (n, 1)
    one = xp.ones_like(largest)
    scaled = X / xp.where(largest > 0, largest, one)
    # Between 1 and sqrt(d) for a row that is not zero, 0 for one that is.
    length = xp.sqrt(xp.sum(scaled * scaled, axis=1, keepdims=True))
    return scaled / xp.where(length > 0, length, one)
