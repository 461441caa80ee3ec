"""Rows of an array that another library slices, HDF5's or zarr's."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from madapt.exceptions import InvalidTypeError, InvalidValueError
from madapt.io.windows import WindowedEmbeddings

__all__ = ["ChunkedEmbeddings", "choose_array"]


class ChunkedEmbeddings(WindowedEmbeddings):
    """A 2-D array with slices of rows; whole chunks are read, each once.

    Parameters
    ----------
    filename : Path
        Where it is.
    array : object
        With `shape`, `dtype`, slices and `chunks`, (rows, columns) or None.
    column : str
        Its name in the file.
    """

    def __init__(self, filename: Path, array: Any, column: str) -> None:
        n, d = (int(size) for size in array.shape)
        super().__init__(filename, (n, d), array.dtype)
        self.column = column
        self._array = array
        chunk = int(array.chunks[0]) if array.chunks else 1
        self._window_rows = chunk * max(1, self._window_rows // chunk)

    def close(self) -> None:
        """Let go of the array and of the last window."""
        self._array = None
        super().close()

    def _unpack(self, row: int) -> tuple[int, np.ndarray] | None:
        first = row - row % self._window_rows
        window = np.asarray(self._array[first : first + self._window_rows])
        return (first, window) if row < first + len(window) else None


def choose_array(arrays: Mapping[str, Any], column: Any, filename: Path) -> str:
    """Return the name of the 2-D array of real numbers that is asked for, or of the only one.

    Parameters
    ----------
    arrays : mapping of str to object
        All there are, with `shape` and `dtype`.
    column : str or None
        What is asked for; None is the only one.
    filename : Path
        For errors.

    Returns
    -------
    str
        Its name, without slashes around it.

    Raises
    ------
    InvalidValueError
        If there is none, or None is asked for where there are several.
    """
    if column is not None and not isinstance(column, str):
        raise InvalidTypeError(f"column must be a str or None, got {column!r}")
    found = sorted(name for name, array in arrays.items() if _is_rows(array))
    if column is None and len(found) == 1:
        return found[0]
    if column is None or column.strip("/") not in found:
        listed = ", ".join(map(repr, found)) or "none"
        raise InvalidValueError(
            f"column must name a 2-D array of real numbers that is not empty in {filename}, where "
            f"there is {listed}, got {column!r}"
        )
    return column.strip("/")


def _is_rows(array: Any) -> bool:
    kind = getattr(array.dtype, "kind", "")
    is_real = kind in "fiu" and array.dtype.itemsize <= 8 if kind else False
    return is_real and len(array.shape) == 2 and 0 not in array.shape
