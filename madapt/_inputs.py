"""Whatever holds vectors, as an array: the one place where arguments are converted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from madapt._columns import ChunkedRows, column_rows, is_columnar, is_null, stacked
from madapt._on_device import RowsOnDevice, is_on_device
from madapt._tensors import is_tensor, tensor_rows
from madapt.exceptions import InvalidValueError, MadaptError

__all__ = ["as_rows", "named_errors", "names_of", "native_numbers"]


def as_rows(X: Any, name: str) -> Any:
    """Return the vectors of an argument as they are stored, without a copy where there is a way.

    Parameters
    ----------
    X : array-like, tensor, data frame, column of vectors or row-sliceable
        What a user handed in; docs/inputs.md has the table.
    name : str
        The argument's name, for errors.

    Returns
    -------
    ndarray or row-sliceable
        In the dtype and order they came in. What is not known here, sparse matrices among it,
        comes back as it is, for scikit-learn to refuse.

    Raises
    ------
    InvalidValueError
        If there is a null or a masked entry, rows differ in length, it is text or dates, or a
        tensor cannot be read. Numbers that are not finite are not looked for.

    Examples
    --------
    >>> import numpy as np
    >>> column = np.empty(2, object)
    >>> column[:] = [[1.0, 2.0], [3.0, 4.0]]
    >>> as_rows(column, "X")
    array([[1., 2.],
           [3., 4.]])
    """
    if is_columnar(X):
        X = column_rows(X, name)
    elif is_on_device(X):
        X = RowsOnDevice(X, name)
    elif is_tensor(X):
        X = tensor_rows(X, name)
    elif isinstance(X, list | tuple):
        X = _listed(X, name)
    elif isinstance(X, np.ma.MaskedArray):
        X = _unmasked(X, name)
    if isinstance(X, np.ndarray) and X.dtype == object:
        X = _of_objects(X, name)
    if getattr(getattr(X, "dtype", None), "kind", None) in tuple("USMm"):
        raise InvalidValueError(f"{name} must be numbers, got dtype {X.dtype}")
    return X


def native_numbers(X: Any, name: str) -> Any:
    """Return the same as `as_rows` as one array, with bytes in this machine's order.

    scikit-learn would make float32 of lists and of bytes in another order.
    """
    X = as_rows(X, name)
    if isinstance(X, ChunkedRows | RowsOnDevice):
        X = np.asarray(X)
    if isinstance(X, np.ndarray) and not X.dtype.isnative:
        return X.astype(X.dtype.newbyteorder("="))
    return X


def names_of(X: Any, rows: Any) -> Any:
    """Return what scikit-learn is to take names of columns from: X, if its columns have some.

    Parameters
    ----------
    X : object
        An argument as it came.
    rows : array of shape (n, d)
        What was made of it.

    Returns
    -------
    object
        X where it is a frame of d columns, else `rows`.
    """
    is_frame = is_columnar(X) and hasattr(X, "columns")
    return X if is_frame and tuple(X.shape) == tuple(rows.shape) else rows


@contextmanager
def named_errors(X: Any, name: str) -> Iterator[None]:
    """Add to what scikit-learn finds wrong with X the argument's name and what came."""
    try:
        # It adds up all entries first; where huge ones cancel, it looks at each of them.
        with np.errstate(invalid="ignore"):
            yield
    except MadaptError:
        raise
    except ValueError as error:
        came = _what_came(X)
        if came is None:
            raise
        raise InvalidValueError(
            f"{name} must be a 2-D array of finite real numbers, got {came}: {error}"
        ) from error


def _listed(X: list[Any] | tuple[Any, ...], name: str) -> Any:
    if len(X) and (is_tensor(X[0]) or is_columnar(X[0])):
        return stacked(X, name)
    try:
        return np.asarray(X)
    except ValueError as error:
        stacked(X, name)  # says which row it is, where that can be said
        raise InvalidValueError(
            f"{name} must be a 2-D array of finite real numbers, got rows of unequal length: "
            f"{error}"
        ) from error


def _of_objects(X: np.ndarray, name: str) -> Any:
    """Return vectors in an array of objects as rows; refuse nulls among other objects."""
    if X.ndim == 1 and len(X):
        return stacked(X, name)
    for at, entry in np.ndenumerate(X):
        if is_null(entry):
            place = ", ".join(f"{axis} {i}" for axis, i in zip(("row", "column"), at, strict=False))
            raise InvalidValueError(
                f"{name} must be a 2-D array of finite real numbers, got a null in {place}"
            )
    return X


def _unmasked(X: np.ma.MaskedArray, name: str) -> np.ndarray:
    masked = np.argwhere(np.ma.getmaskarray(X))
    if len(masked):
        raise InvalidValueError(
            f"{name} must be a 2-D array of finite real numbers, got a masked entry at "
            f"{tuple(masked[0].tolist())}"
        )
    return np.asarray(X.data)


def _what_came(X: Any) -> str | None:
    """Say in a few words what is wrong with X; None where it is none of the usual things."""
    try:
        array = np.asarray(X)
    except ValueError:
        return "rows of unequal length"
    if array.ndim != 2 or 0 in array.shape:
        return f"shape {array.shape}"
    if array.dtype.kind == "c":
        return f"complex data ({array.dtype})"
    if array.dtype.kind not in "biuf":
        return f"dtype {array.dtype}"
    wrong = np.argwhere(~np.isfinite(array))
    if not len(wrong):
        return None
    row, column = wrong[0].tolist()
    return f"{array[row, column]} in row {row}, column {column}"
