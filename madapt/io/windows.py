"""Rows that have to be unpacked before they can be looked at, window by window."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from madapt.exceptions import InvalidValueError
from madapt.io.embeddings import Embeddings

__all__ = ["WINDOW_BYTES", "WindowedEmbeddings"]

#: Unpacked bytes of one window, where the format has no larger unit.
WINDOW_BYTES = 16 * 2**20


class WindowedEmbeddings(Embeddings):
    """Rows of which a window is unpacked at a time; the last one is kept.

    Slices in rising order unpack each row once, and slices within a window are free. A subclass
    opens the file and has `_unpack`.

    Parameters
    ----------
    filename : Path
        The file.
    shape : tuple of int
        (n, d).
    dtype : dtype
        Of the blocks, as stored.
    """

    def __init__(self, filename: Path, shape: tuple[int, int], dtype: Any) -> None:
        super().__init__(filename, shape, dtype)
        self._window_rows = max(1, WINDOW_BYTES // (shape[1] * self.dtype.itemsize))
        self._first, self._window = 0, np.empty((0, shape[1]), self.dtype)

    def close(self) -> None:
        """Let go of the file and of the last window; blocks that were read stay valid."""
        self._window = self._window[:0]
        super().close()

    def _unpack(self, row: int) -> tuple[int, np.ndarray] | None:
        """Return the first row of a window that holds the row, and the window; None if none does.

        Parameters
        ----------
        row : int
            In 0..n - 1, outside the last window.
        """
        raise NotImplementedError

    def _seek(self, row: int) -> None:
        """Make the window one that holds the row."""
        if self._first <= row < self._first + len(self._window):
            return
        found = self._unpack(row)
        if found is None:
            raise InvalidValueError(
                f"{self.filename} must hold {self.shape[0]} rows as it says, got no row {row}"
            )
        self._first, self._window = found

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
