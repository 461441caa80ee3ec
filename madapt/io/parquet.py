"""Rows of a Parquet column of lists, unpacked window by window."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from madapt.exceptions import InvalidTypeError, InvalidValueError
from madapt.io.embeddings import Embeddings

__all__ = ["ParquetEmbeddings"]

#: Unpacked bytes of one window. A row group may well be the whole file.
_WINDOW_BYTES = 16 * 2**20

#: Read and unpack a row group by pieces; otherwise all its compressed bytes come at once.
_STREAMED = {"pre_buffer": False, "buffer_size": 2**20}


class ParquetEmbeddings(Embeddings):
    """One list column of a Parquet file, a row of numbers each.

    Parameters
    ----------
    filename : Path
        The file.
    column : str or None
        The column; None takes the only one that holds lists of numbers.

    Notes
    -----
    A row group is unpacked in windows of rows, one after the other, and the last window is
    kept: slices in rising order unpack each row once, and slices within a window (a whole row
    group, where that is small) are free. To go back is to begin the row group again.
    """

    def __init__(self, filename: Path, column: str | None) -> None:
        pyarrow, parquet = _pyarrow()
        try:
            self._file = parquet.ParquetFile(filename, **_STREAMED)
        except pyarrow.ArrowInvalid as error:
            raise InvalidValueError(
                f"path must be a Parquet file, got {filename}: {error}"
            ) from error
        try:
            self._column = _list_column(self._file.schema_arrow, column, filename)
            kind = self._file.schema_arrow.field(self._column).type
            shape = (self._file.metadata.num_rows, self._width(kind, filename))
        except BaseException:
            self._file.close()
            raise
        super().__init__(filename, shape, kind.value_type.to_pandas_dtype())
        groups = [
            self._file.metadata.row_group(g).num_rows for g in range(self._file.num_row_groups)
        ]
        self._edges = np.concatenate([[0], np.cumsum(groups)])  # first row of each group, and n
        self._window_rows = max(1, _WINDOW_BYTES // (shape[1] * self.dtype.itemsize))
        self._first, self._window = 0, np.empty((0, shape[1]), self.dtype)
        self._group, self._next = -1, 0
        self._batches: Iterator[Any] = iter(())

    def close(self) -> None:
        """Close the file and let go of the last window."""
        self._file.close()
        self._window, self._batches = self._window[:0], iter(())
        super().close()

    def _width(self, kind: Any, filename: Path) -> int:
        """Return d: what the type says, or the length of the first row."""
        n = self._file.metadata.num_rows
        if n == 0:
            raise InvalidValueError(f"path must hold at least one row, got none in {filename}")
        d = getattr(kind, "list_size", None)
        if d is None:
            batch = next(self._file.iter_batches(batch_size=1, columns=[self._column]))
            first = batch.column(0)[0]
            d = 0 if first.as_py() is None else len(first)
        if d == 0:
            raise InvalidValueError(
                f"{filename} must hold a list of numbers in each row of column "
                f"{self._column!r}, got a missing or empty one in row 0"
            )
        return int(d)

    def _slice(self, start: int, stop: int) -> np.ndarray:
        out = np.empty((stop - start, self.shape[1]), self.dtype)
        row = start
        while row < stop:
            self._seek(row)
            last = min(stop, self._first + len(self._window))
            block = self._window[row - self._first : last - self._first]
            if last - row == stop - start:
                return block
            out[row - start : last - start] = block
            row = last
        return out

    def _take(self, index: np.ndarray) -> np.ndarray:
        out = np.empty((len(index), self.shape[1]), self.dtype)
        order = np.argsort(index, kind="stable")
        ordered = index[order]
        done = 0
        while done < len(index):
            self._seek(int(ordered[done]))
            end = int(np.searchsorted(ordered, self._first + len(self._window)))
            out[order[done:end]] = self._window[ordered[done:end] - self._first]
            done = end
        return out

    def _seek(self, row: int) -> None:
        """Make the window one that holds the row."""
        if self._first <= row < self._first + len(self._window):
            return
        group = int(np.searchsorted(self._edges, row, side="right")) - 1
        if group != self._group or row < self._next:
            self._group, self._next = group, int(self._edges[group])
            self._batches = self._unpacked(group)
        for batch in self._batches:
            first, self._next = self._next, self._next + len(batch)
            if row < self._next:
                self._window = self._numbers(batch, first)
                self._first = first
                return
        raise InvalidValueError(
            f"{self.filename} must hold {self.shape[0]} rows as its footer says, got no row {row}"
        )

    def _unpacked(self, group: int) -> Iterator[Any]:
        batches = self._file.iter_batches(
            self._window_rows, row_groups=[group], columns=[self._column]
        )
        return (batch.column(0) for batch in batches)

    def _numbers(self, lists: Any, first: int) -> np.ndarray:
        """Return the lists as one array, (len(lists), d); `first` is the index of the first."""
        n, d = len(lists), self.shape[1]
        if lists.null_count:
            at = int(np.flatnonzero(lists.is_null().to_numpy(zero_copy_only=False))[0])
            self._raise(first + at, "a missing one")
        if not hasattr(lists.type, "list_size"):
            lengths = np.diff(lists.offsets.to_numpy())
            if (lengths != d).any():
                at = int(np.flatnonzero(lengths != d)[0])
                self._raise(first + at, f"{lengths[at]}")
        values = lists.flatten()
        if values.null_count:
            at = int(np.flatnonzero(values.is_null().to_numpy(zero_copy_only=False))[0])
            self._raise(first + at // d, f"a missing number at place {at % d}")
        rows: np.ndarray = values.to_numpy(zero_copy_only=True)
        return rows.reshape(n, d)

    def _raise(self, row: int, found: str) -> None:
        raise InvalidValueError(
            f"{self.filename} must hold {self.shape[1]} numbers in each row of column "
            f"{self._column!r}, got {found} in row {row}"
        )


def _list_column(schema: Any, column: Any, filename: Path) -> str:
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


def _is_list_of_numbers(kind: Any) -> bool:
    from pyarrow import types

    is_list = types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)
    return bool(
        is_list and (types.is_floating(kind.value_type) or types.is_integer(kind.value_type))
    )


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise ImportError(
            "Parquet files need pyarrow, which is not installed: pip install 'madapt[parquet]'"
        ) from error
    return pyarrow, parquet
