"""Rows of a column of lists in an Arrow IPC file or stream, record batch by record batch."""

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

__all__ = ["ArrowEmbeddings"]


class ArrowEmbeddings(WindowedEmbeddings):
    """One list column of an Arrow IPC file or stream, which is mapped into memory.

    Parameters
    ----------
    filename : Path
        The file; Feather of version 2 is one, and so is what Hugging Face's datasets write, which
        is a stream.
    column : str or None
        The column; None takes the only one that holds lists of numbers.

    Notes
    -----
    A window is a record batch: a part of the map where it is not compressed, memory of its own
    else. The rows of each batch are counted when it is opened; compressed batches are unpacked for
    that, one after the other. To go back in a stream is to begin it again.
    """

    def __init__(self, filename: Path, column: str | None) -> None:
        pyarrow = pyarrow_for("Arrow")
        self._map: Any = pyarrow.memory_map(str(filename))
        self._reader: Any
        try:
            self._open(pyarrow)
            self.column = list_column(self._reader.schema, column, filename)
            kind = self._reader.schema.field(self.column).type
            counts, d = [], None
            for lists in self._columns():
                counts.append(len(lists))
                if d is None and len(lists):
                    d = list_width(lists, self.column, filename)
            check_has_rows(sum(counts), filename)
        except pyarrow.ArrowInvalid as error:
            self._map.close()
            raise InvalidValueError(
                f"path must be an Arrow file, got {filename}: {error}"
            ) from error
        except BaseException:
            self._map.close()
            raise
        self._edges = np.concatenate([[0], np.cumsum(counts)])  # first row of each batch, and n
        shape = (int(self._edges[-1]), int(d or 0))
        super().__init__(filename, shape, kind.value_type.to_pandas_dtype())
        self._stream: Iterator[Any] = iter(())
        self._next = len(counts)  # the stream's next batch

    def close(self) -> None:
        """Close the file; blocks that were read stay valid."""
        super().close()
        # The map is not closed, for blocks may be parts of it; it ends with the last of them.
        self._map = self._reader = None
        self._stream = iter(())

    def _open(self, pyarrow: Any) -> None:
        """Set the reader, of a file or of a stream."""
        from pyarrow import ipc

        begin = self._map.read(6)
        self._map.seek(0)
        self._is_file = begin == b"ARROW1"
        if not begin:
            raise pyarrow.ArrowInvalid("it is empty")
        opened: Any = ipc.open_file if self._is_file else ipc.open_stream
        self._reader = opened(self._map)

    def _columns(self) -> Iterator[Any]:
        """Yield the column of each batch."""
        if self._is_file:
            for i in range(self._reader.num_record_batches):
                yield self._reader.get_batch(i).column(self.column)
            return
        from pyarrow import ipc

        self._map.seek(0)
        for batch in ipc.open_stream(self._map):
            yield batch.column(self.column)

    def _unpack(self, row: int) -> tuple[int, np.ndarray] | None:
        at = int(np.searchsorted(self._edges, row, side="right")) - 1
        lists = self._batch(at)
        if lists is None:
            return None
        first = int(self._edges[at])
        return first, list_rows(lists, self.shape[1], first, self.column, self.filename)

    def _batch(self, at: int) -> Any:
        """Return the column of one batch, None if a stream ends before it."""
        if self._is_file:
            return self._reader.get_batch(at).column(self.column)
        if at < self._next:
            self._stream, self._next = self._columns(), 0
        lists = None
        while self._next <= at:
            lists = next(self._stream, None)
            self._next += 1
        return lists
