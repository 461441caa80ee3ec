"""Checks at the door: each names the argument, what was wanted and what came."""

from __future__ import annotations

import numbers
import operator
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from sklearn.utils import check_array

from madapt.exceptions import InvalidTypeError, InvalidValueError

__all__ = [
    "as_working_dtype",
    "check_bool",
    "check_dim",
    "check_dims",
    "check_embeddings",
    "check_fraction",
    "check_integer",
    "check_number",
    "check_one_of",
    "check_pair",
    "check_rows",
    "check_same_width",
    "default_dims",
]


def as_working_dtype(X: Any) -> np.ndarray:
    """Return floats madapt computes in: float16 and integers become float32."""
    rows: np.ndarray = np.asarray(X)
    return rows if rows.dtype in (np.float32, np.float64) else rows.astype(np.float32)


def check_embeddings(X: Any, name: str, *, n_features: int | None = None) -> np.ndarray:
    """Return X as a finite 2-D float32 or float64 array.

    Parameters
    ----------
    X : array-like of shape (n, d)
        Embeddings, one a row.
    name : str
        The argument's name, for the error.
    n_features : int or None, default=None
        The d that is wanted; None takes any.

    Returns
    -------
    ndarray of shape (n, d), float32 or float64
        X itself where it already is one.

    Raises
    ------
    ValueError
        If X is not 2-D, is empty, is not finite, is complex or text, or has another d.
    """
    kind = getattr(getattr(X, "dtype", None), "kind", None)
    if kind is None and hasattr(X, "__len__"):
        X = np.asarray(X)
        kind = X.dtype.kind
    if kind == "c":
        raise InvalidValueError(f"{name} must be real numbers, got complex data ({X.dtype})")
    if kind in ("U", "S"):
        raise InvalidValueError(f"{name} must be numbers, got text ({X.dtype})")
    floats = [np.float32, np.float64]
    is_other = kind in ("f", "i", "u", "b") and X.dtype not in floats
    wanted = np.float32 if is_other else floats
    checked: np.ndarray = check_array(X, dtype=wanted, input_name=name, estimator=name)
    if n_features is not None and checked.shape[1] != n_features:
        raise InvalidValueError(
            f"{name} must have {n_features} columns, got shape {tuple(checked.shape)}"
        )
    return checked


def check_rows(X: Any, name: str) -> np.ndarray:
    """Return X, 2-D and of real numbers, in the dtype it is stored in; wider floats as float64."""
    rows: np.ndarray = np.asarray(X)
    if rows.dtype.kind not in "fiub":
        raise InvalidValueError(f"{name} must be real numbers, got dtype {rows.dtype}")
    if rows.ndim != 2 or 0 in rows.shape:
        raise InvalidValueError(f"{name} must be 2-D and not empty, got shape {rows.shape}")
    # Wider floats have bytes without meaning, and no product that is any faster.
    return rows.astype(np.float64) if rows.dtype.itemsize > 8 else rows


def check_same_width(queries: np.ndarray, corpus: np.ndarray) -> None:
    """Check that queries can be compared with a corpus."""
    if queries.shape[1] != corpus.shape[1]:
        raise InvalidValueError(
            f"queries and corpus must have the same number of columns, "
            f"got {queries.shape[1]} and {corpus.shape[1]}"
        )


def check_pair(queries: Any, corpus: Any, exclude_self: Any) -> None:
    """Check that queries can be searched for in a corpus, without themselves if asked."""
    if not isinstance(exclude_self, bool | np.bool_):
        raise InvalidTypeError(f"exclude_self must be True or False, got {exclude_self!r}")
    check_same_width(queries, corpus)
    if exclude_self and tuple(queries.shape) != tuple(corpus.shape):
        raise InvalidValueError(
            f"queries must be the corpus when exclude_self is True, "
            f"got shapes {tuple(queries.shape)} and {tuple(corpus.shape)}"
        )


def check_integer(value: Any, name: str, *, low: int | None = None, high: int | None = None) -> int:
    """Return value as an int in low..high, both ends included."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, numbers.Integral):
        raise InvalidTypeError(f"{name} must be an integer, got {value!r}")
    number = int(value)
    if (low is not None and number < low) or (high is not None and number > high):
        raise InvalidValueError(f"{name} must {_range(low, high)}, got {value}")
    return number


def check_number(
    value: Any,
    name: str,
    *,
    low: float | None = None,
    high: float | None = None,
    open_low: bool = False,
) -> float:
    """Return value as a finite float in low..high; open_low leaves low itself out."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, numbers.Real):
        raise InvalidTypeError(f"{name} must be a number, got {value!r}")
    number = float(value)
    if not np.isfinite(number):
        raise InvalidValueError(f"{name} must be finite, got {number}")
    below = low is not None and (number <= low if open_low else number < low)
    if below or (high is not None and number > high):
        wanted = f"be above {low}" if open_low and high is None else _range(low, high)
        raise InvalidValueError(f"{name} must {wanted}, got {number}")
    return number


def check_fraction(value: Any, name: str) -> float:
    """Return value as a float strictly between 0 and 1."""
    number = check_number(value, name)
    if not 0 < number < 1:
        raise InvalidValueError(f"{name} must lie strictly between 0 and 1, got {number}")
    return number


def check_bool(value: Any, name: str) -> bool:
    """Return value as a bool."""
    if not isinstance(value, bool | np.bool_):
        raise InvalidTypeError(f"{name} must be True or False, got {value!r}")
    return bool(value)


def check_one_of(value: Any, name: str, choices: Sequence[Any]) -> Any:
    """Return value if it is one of the choices."""
    if not isinstance(value, str | bool | None.__class__) or value not in choices:
        listed = ", ".join(repr(choice) for choice in choices)
        raise InvalidValueError(f"{name} must be one of {listed}, got {value!r}")
    return value


def check_dim(dim: Any, n_features: int, name: str = "dim") -> int:
    """Return a prefix length in 1..n_features."""
    try:
        if isinstance(dim, bool | np.bool_):
            raise TypeError
        m = operator.index(dim)
    except TypeError:
        message = f"{name} must be an integer in 1..{n_features}, got {dim!r}"
        raise InvalidTypeError(message) from None
    if not 1 <= m <= n_features:
        raise InvalidValueError(f"{name} must lie in 1..{n_features}, got {m}")
    return m


def check_dims(dims: Any, n_features: int, name: str = "dims") -> tuple[int, ...]:
    """Return increasing prefix lengths in 1..n_features; None gives the default ones."""
    if dims is None:
        return default_dims(n_features)
    if isinstance(dims, str | bytes) or not np.iterable(dims):
        raise InvalidTypeError(f"{name} must be a sequence of integers, got {dims!r}")
    checked = tuple(check_dim(dim, n_features, name) for dim in dims)
    if not checked:
        raise InvalidValueError(f"{name} must name at least one dim, got {dims!r}")
    if any(a >= b for a, b in pairwise(checked)):
        raise InvalidValueError(f"{name} must be strictly increasing, got {list(checked)}")
    return checked


def default_dims(n_features: int) -> tuple[int, ...]:
    """Return 8, 16, 32, ... below n_features, then n_features; from 1 below 16 features."""
    dims, m = [], 8 if n_features >= 16 else 1
    while m < n_features:
        dims.append(m)
        m *= 2
    return (*dims, n_features)


def _range(low: float | None, high: float | None) -> str:
    if low is not None and high is not None:
        return f"lie in {low}..{high}"
    return f"be at least {low}" if low is not None else f"be at most {high}"
