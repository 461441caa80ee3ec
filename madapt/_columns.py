"""Data frames and columns of vectors as rows: pandas, polars and pyarrow, none imported."""

from __future__ import annotations

from typing import Any

import numpy as np

from madapt._tensors import is_tensor, tensor_rows
from madapt.exceptions import InvalidValueError

__all__ = ["ChunkedRows", "column_rows", "is_columnar", "stacked"]


class ChunkedRows:
    """Arrays under one another that are joined only where a slice asks for it.

    Parameters
    ----------
    parts : list of ndarray of shape (n_i, d)
        Of one dtype.
    """

    def __init__(self, parts: list[np.ndarray]) -> None:
        self.parts = parts
        self.edges = np.cumsum([0, *map(len, parts)]).tolist()
        self.shape = (self.edges[-1], parts[0].shape[1])
        self.dtype = parts[0].dtype

    def __getitem__(self, rows: slice) -> np.ndarray:
        """Return a slice of rows: a view where one part holds it."""
        first, last, _ = rows.indices(self.shape[0])
        found = [
            part[max(first - edge, 0) : last - edge]
            for edge, part in zip(self.edges, self.parts, strict=False)
            if edge < last and edge + len(part) > first
        ]
        return found[0] if len(found) == 1 else np.concatenate([self.parts[0][:0], *found])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self[:], dtype)


def is_columnar(X: Any) -> bool:
    """Tell whether X is a column or a table of pandas, polars, pyarrow or one like them."""
    if isinstance(X, np.ndarray | np.generic):
        return False
    if hasattr(X, "__arrow_c_array__") or hasattr(X, "__arrow_c_stream__"):
        return hasattr(X, "to_numpy") or hasattr(X, "columns")
    return hasattr(X, "to_numpy") and (hasattr(X, "columns") or hasattr(X, "index"))


def column_rows(X: Any, name: str) -> Any:
    """Return the rows of a table of numbers or of a column of vectors.

    Parameters
    ----------
    X : frame, table or column
        Of which `is_columnar` is true.
    name : str
        The argument's name, for errors.

    Returns
    -------
    ndarray or ChunkedRows of shape (n, d)
        Sharing memory with X where its layout allows. Of a column that holds no vectors, what
        there is, for the caller to refuse.

    Raises
    ------
    InvalidValueError
        If there is a null, vectors differ in length, or a table holds vectors beside others.
    """
    if not hasattr(X, "columns"):
        return _column(X, name)
    columns = _columns_of(X)
    vectors = [at for at, column in enumerate(columns) if _holds_vectors(column)]
    if len(columns) == 1 and vectors:
        return _column(columns[0], name)
    if vectors:
        names = list(getattr(X, "column_names", X.columns))
        raise InvalidValueError(
            f"{name} must be columns of numbers or one column of vectors, got vectors in column "
            f"{names[vectors[0]]!r} among {len(names)}: pass that column alone"
        )
    return _table(X, columns, name)


def stacked(column: Any, name: str) -> Any:
    """Return vectors of equal length as rows, (n, d).

    Parameters
    ----------
    column : sequence of vectors
        Lists, arrays or tensors.
    name : str
        The argument's name, for errors.

    Returns
    -------
    ndarray
        Of the common dtype. `column` itself if it holds something else than vectors.
    """
    parts: list[np.ndarray] = []
    for at, row in enumerate(column):
        if is_null(row):
            raise _null(name, f"row {at}")
        part = tensor_rows(row, name) if is_tensor(row) else _vector(row)
        if part is None:
            return column
        if parts and part.shape != parts[0].shape:
            raise InvalidValueError(
                f"{name} must be a 2-D array of finite real numbers, got rows of unequal length, "
                f"{len(parts[0])} in row 0 and {len(part)} in row {at}"
            )
        parts.append(part)
    return np.stack(parts)


def is_null(entry: Any) -> bool:
    """Tell whether an entry is Python's or pandas' way to say that there is none."""
    is_nan = isinstance(entry, float | np.floating) and entry != entry
    return entry is None or is_nan or type(entry).__name__ in ("NAType", "NaTType")


def _vector(row: Any) -> np.ndarray | None:
    """Return a row as an array; None if it is no vector of numbers."""
    try:
        part = np.asarray(row)
    except ValueError:
        return None
    return part if part.ndim == 1 and part.dtype.kind in "fiub" else None


def _null(name: str, place: str) -> InvalidValueError:
    return InvalidValueError(
        f"{name} must be a 2-D array of finite real numbers, got a null in {place}"
    )


def _columns_of(X: Any) -> list[Any]:
    if hasattr(X, "iloc"):  # pandas
        return [X.iloc[:, at] for at in range(X.shape[1])]
    if hasattr(X, "get_columns"):  # polars
        return list(X.get_columns())
    return list(X.columns)  # pyarrow


def _holds_vectors(column: Any) -> bool:
    if hasattr(column, "type"):  # pyarrow
        return hasattr(column.type, "value_field") or hasattr(column.type, "storage_type")
    # Not asked by its accessor `list`: that of pandas fails where there is no pyarrow.
    listed = getattr(column.dtype, "pyarrow_dtype", column.dtype)
    if hasattr(listed, "inner") or hasattr(listed, "value_field"):
        return True
    if not hasattr(column, "iloc") or column.dtype != object or not len(column):
        return False
    return isinstance(column.iloc[0], list | tuple | np.ndarray) or is_tensor(column.iloc[0])


def _table(X: Any, columns: list[Any], name: str) -> Any:
    """Return a table whose columns are the coordinates."""
    if hasattr(X, "iloc"):
        return _pandas_table(X, name)
    for place, column in enumerate(columns):
        count = column.null_count
        if count() if callable(count) else count:
            missing = column.is_null()
            at = int(np.flatnonzero(np.asarray(missing))[0])
            raise _null(name, f"row {at}, column {place}")
    if hasattr(X, "to_numpy"):
        return X.to_numpy()
    return np.column_stack([column.to_numpy() for column in columns]) if columns else np.empty(())


def _pandas_table(X: Any, name: str) -> Any:
    """Return a pandas frame as an array: a view where it holds one block of numbers."""
    extended = [hasattr(dtype, "numpy_dtype") for dtype in X.dtypes]
    if not any(extended):
        return X.to_numpy()
    missing = np.argwhere(X.isna().to_numpy())
    if len(missing):
        raise _null(name, "row {}, column {}".format(*missing[0].tolist()))
    try:
        dtype = np.result_type(*(getattr(dtype, "numpy_dtype", dtype) for dtype in X.dtypes))
    except TypeError:  # categories, dates: they stay what they are, and are refused
        return X.to_numpy()
    return X.to_numpy(dtype=dtype)


def _column(column: Any, name: str) -> Any:
    """Return a column of vectors as rows."""
    arrow = getattr(getattr(column, "array", None), "__arrow_array__", None)
    if arrow is not None and hasattr(column.dtype, "pyarrow_dtype"):
        column = arrow()  # pandas over pyarrow
    if hasattr(column, "type"):
        return _arrow_column(column, name)
    if hasattr(column, "null_count"):
        return _polars_column(column, name)
    values = column.to_numpy()
    return stacked(values, name) if values.dtype == object else values


def _polars_column(column: Any, name: str) -> Any:
    if column.null_count():
        raise _null(name, f"row {int(np.flatnonzero(column.is_null().to_numpy())[0])}")
    if not hasattr(column.dtype, "inner") or hasattr(column.dtype, "shape"):
        return column.to_numpy()  # numbers, or arrays of one length
    lengths = column.list.len().to_numpy()
    _check_lengths(lengths, 0, lengths[:1], name)
    return column.explode().to_numpy().reshape(len(lengths), -1)


def _arrow_column(column: Any, name: str) -> Any:
    if not hasattr(column, "chunks"):
        return _arrow_rows(column, 0, None, name)
    parts: list[np.ndarray] = []
    for chunk in column.chunks:
        if len(chunk):
            done = sum(map(len, parts))
            parts.append(_arrow_rows(chunk, done, parts[0].shape[1:] if parts else None, name))
    if len(parts) > 1 and parts[0].ndim == 2:
        return ChunkedRows(parts)
    return parts[0] if len(parts) == 1 else column.to_numpy()


def _arrow_rows(lists: Any, first: int, d: Any, name: str) -> np.ndarray:
    """Return an Arrow array of lists as rows; it begins at row `first`, and d is what came before.

    `flatten`, unlike `values`, knows of slices.
    """
    lists = getattr(lists, "storage", lists)  # of a tensor type
    if lists.null_count:
        missing = lists.is_null().to_numpy(zero_copy_only=False)
        raise _null(name, f"row {first + int(np.flatnonzero(missing)[0])}")
    if not hasattr(lists.type, "value_field") or not len(lists):
        whole: np.ndarray = lists.to_numpy(zero_copy_only=False)
        return whole
    if hasattr(lists, "offsets"):
        lengths = np.diff(lists.offsets.to_numpy())
        _check_lengths(lengths, first, lengths[:1] if d is None else d, name)
    values = lists.flatten()
    if values.null_count:
        at = int(np.flatnonzero(values.is_null().to_numpy(zero_copy_only=False))[0])
        row, place = divmod(at, len(values) // len(lists))
        raise _null(name, f"row {first + row}, column {place}")
    rows: np.ndarray = values.to_numpy(zero_copy_only=False)
    return rows.reshape(len(lists), -1)


def _check_lengths(lengths: np.ndarray, first: int, wanted: Any, name: str) -> None:
    wrong = np.flatnonzero(lengths != wanted[0]) if len(lengths) else lengths
    if len(wrong):
        at = int(wrong[0])
        raise InvalidValueError(
            f"{name} must be a 2-D array of finite real numbers, got rows of unequal length, "
            f"{wanted[0]} in row 0 and {lengths[at]} in row {first + at}"
        )
