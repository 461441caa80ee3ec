"""Rows of a Parquet column of lists, unpacked window by window."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from madapt.exceptions import InvalidValueError
from madapt.io._arrow_lists import (
    check_has_rows,
    list_column,
    list_rows,
    list_width,
    pyarrow_for,
)
from madapt.io.windows import WindowedEmbeddings

__all__ = ["ParquetEmbeddings"]

#: Read and unpack a row group by pieces; otherwise all its compressed bytes come at once.
_STREAMED = {"pre_buffer": False, "buffer_size": 2**20}


class ParquetEmbeddings(WindowedEmbeddings):
    """One list column of a Parquet file, a row of numbers each.

    Parameters
    ----------
    filename : Path
        The file.
    column : str or None
        The column; None takes the only one that holds lists of numbers.

    Notes
    -----
    A row group, which may well be the whole file, is unpacked in windows of rows, one after the
    other. To go back is to begin the row group again.
    """

    def __init__(self, filename: Path, column: str | None) -> None:
        pyarrow = pyarrow_for("Parquet")
        from pyarrow import parquet

        try:
            self._file = parquet.ParquetFile(filename, **_STREAMED)
        except pyarrow.ArrowInvalid as error:
            raise InvalidValueError(
                f"path must be a Parquet file, got {filename}: {error}"
            ) from error
        try:
            self.column = list_column(self._file.schema_arrow, column, filename)
            kind = self._file.schema_arrow.field(self.column).type
            n = self._file.metadata.num_rows
            check_has_rows(n, filename)
            one = next(self._file.iter_batches(batch_size=1, columns=[self.column]))
            d = list_width(one.column(0), self.column, filename)
        except BaseException:
            self._file.close()
            raise
        super().__init__(filename, (n, d), kind.value_type.to_pandas_dtype())
        groups = [
            self._file.metadata.row_group(g).num_rows for g in range(self._file.num_row_groups)
        ]
        self._edges = np.concatenate([[0], np.cumsum(groups)])  # first row of each group, and n
        self._group, self._next = -1, 0
        self._batches: Iterator[Any] = iter(())

    def close(self) -> None:
        """Close the file and let go of the last window."""
        self._file.close()
        self._batches = iter(())
        super().close()

    def _unpack(self, row: int) -> tuple[int, np.ndarray] | None:
        group = int(np.searchsorted(self._edges, row, side="right")) - 1
        if group != self._group or row < self._next:
            self._group, self._next = group, int(self._edges[group])
            self._batches = self._unpacked(group)
        for lists in self._batches:
            first, self._next = self._next, self._next + len(lists)
            if row < self._next:
                d = self.shape[1]
                return first, list_rows(lists, d, first, self.column, self.filename)
        return None

    def _unpacked(self, group: int) -> Iterator[Any]:
        batches = self._file.iter_batches(
            self._window_rows, row_groups=[group], columns=[self.column]
        )
        return (batch.column(0) for batch in batches)
