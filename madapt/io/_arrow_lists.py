"""Arrow columns of lists of numbers, one list a row, as arrays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from madapt.exceptions import InvalidTypeError, InvalidValueError

__all__ = ["check_has_rows", "list_column", "list_rows", "list_width", "pyarrow_for"]


def pyarrow_for(what: str) -> Any:
    """Return pyarrow, or say that such files need it."""
    try:
        import pyarrow
    except ImportError as error:
        raise ImportError(
            f"{what} files need pyarrow, which is not installed: pip install 'madapt[parquet]'"
        ) from error
    return pyarrow


def list_column(schema: Any, column: Any, filename: Path) -> str:
    """Return the column's name, once it is known to hold lists of numbers."""
    if column is not None and not isinstance(column, str):
        raise InvalidTypeError(f"column must be a str or None, got {column!r}")
    found: list[str] = [field.name for field in schema if _is_list_of_numbers(field.type)]
    listed = ", ".join(map(repr, found)) or "none"
    if column is None and len(found) == 1:
        return found[0]
    if column is None or column not in found:
        raise InvalidValueError(
            f"column must name a column of lists of numbers in {filename}, where there is "
            f"{listed}, got {column!r}"
        )
    return column


def check_has_rows(n: int, filename: Path) -> None:
    """Raise where a file has no rows."""
    if n == 0:
        raise InvalidValueError(f"path must hold at least one row, got none in {filename}")


def list_width(lists: Any, column: str, filename: Path) -> int:
    """Return d: what the type says, or the length of the first list."""
    d = getattr(lists.type, "list_size", None)
    if d is None:
        d = 0 if lists[0].as_py() is None else len(lists[0])
    if d == 0:
        raise InvalidValueError(
            f"{filename} must hold a list of numbers in each row of column "
            f"{column!r}, got a missing or empty one in row 0"
        )
    return int(d)


def list_rows(lists: Any, d: int, first: int, column: str, filename: Path) -> np.ndarray:
    """Return lists as one array without a copy.

    Parameters
    ----------
    lists : pyarrow.Array of n lists
        In one piece.
    d : int
        Their length.
    first : int
        Index of the first of them in the file, for errors.
    column : str
    filename : Path

    Returns
    -------
    ndarray of shape (n, d)
        The memory of the lists.

    Raises
    ------
    InvalidValueError
        If a list or a number is missing, or a list has another length.
    """

    def refuse(row: int, found: str) -> None:
        raise InvalidValueError(
            f"{filename} must hold {d} numbers in each row of column {column!r}, "
            f"got {found} in row {first + row}"
        )

    if lists.null_count:
        refuse(_first_null(lists), "a missing one")
    if not hasattr(lists.type, "list_size"):
        lengths = np.diff(lists.offsets.to_numpy())
        if (lengths != d).any():
            at = int(np.flatnonzero(lengths != d)[0])
            refuse(at, f"{lengths[at]}")
    values = lists.flatten()
    if values.null_count:
        at = _first_null(values)
        refuse(at // d, f"a missing number at place {at % d}")
    rows: np.ndarray = values.to_numpy(zero_copy_only=True)
    return rows.reshape(len(lists), d)


def _first_null(array: Any) -> int:
    return int(np.flatnonzero(array.is_null().to_numpy(zero_copy_only=False))[0])


def _is_list_of_numbers(kind: Any) -> bool:
    from pyarrow import types

    is_list = types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)
    return bool(
        is_list and (types.is_floating(kind.value_type) or types.is_integer(kind.value_type))
    )
