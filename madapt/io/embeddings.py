"""Rows of a file behind one face, whatever the format."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import numpy as np

from madapt.exceptions import InvalidTypeError, InvalidValueError

__all__ = ["Embeddings", "MappedEmbeddings"]


class Embeddings:
    """Embeddings in a file: `shape`, `dtype`, `len` and rows by slice or by index.

    Made by :func:`madapt.io.open_embeddings`. Only the rows asked for are read. It closes with
    `close` or at the end of a ``with`` block; blocks already read stay valid.

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
        self.filename = filename
        self.shape = shape
        self.dtype = np.dtype(dtype)
        self._is_open = True

    @property
    def ndim(self) -> int:
        """Always 2."""
        return 2

    def close(self) -> None:
        """Let go of the file; reading rows fails from here on. Closing twice does nothing."""
        self._is_open = False

    def __len__(self) -> int:
        return self.shape[0]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "" if self._is_open else ", closed"
        return f"<Embeddings {str(self.filename)!r}, shape {self.shape}, {self.dtype}{state}>"

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self[:], dtype=dtype or self.dtype, copy=copy)

    def __getitem__(self, rows: Any) -> np.ndarray:
        """Return rows as stored: a block for a slice or indices, one row for an integer."""
        if not self._is_open:
            raise InvalidValueError(f"{self.filename} must be open to read rows, it was closed")
        n = self.shape[0]
        if isinstance(rows, slice):
            start, stop, step = rows.indices(n)
            if step == 1:
                return self._slice(start, max(start, stop))
            return self._take(np.arange(start, stop, step))
        index = np.asarray(rows)
        if index.dtype == bool and index.shape == (n,):
            index = np.flatnonzero(index)
        index = index.astype(np.intp) if index.shape == (0,) else index
        if index.dtype.kind not in "iu" or index.ndim > 1:
            raise InvalidTypeError(
                f"rows must be a slice, an integer, indices in one dimension or {n} booleans, "
                f"got {rows!r}"
            )
        # IndexError, not one of madapt's: it is what ends a plain loop over the rows.
        if index.size and not (-n <= index.min() and index.max() < n):
            raise IndexError(f"rows must lie in {-n}..{n - 1}, got {rows!r}")
        index = np.where(index < 0, index + n, index).astype(np.intp)
        return self._take(index) if index.ndim else self._slice(int(index), int(index) + 1)[0]

    def _slice(self, start: int, stop: int) -> np.ndarray:
        """Return rows start..stop - 1, 0 <= start <= stop <= n."""
        raise NotImplementedError

    def _take(self, index: np.ndarray) -> np.ndarray:
        """Return the rows at `index`, (k,), each in 0..n - 1, in that order."""
        raise NotImplementedError


class MappedEmbeddings(Embeddings):
    """Rows of a memory map: the operating system reads what is looked at.

    Parameters
    ----------
    filename : Path
        The file.
    array : ndarray of shape (n, d)
        Its map, read-only.
    """

    def __init__(self, filename: Path, array: np.ndarray) -> None:
        n, d = array.shape
        super().__init__(filename, (n, d), array.dtype)
        self._array: np.ndarray | None = array

    def close(self) -> None:
        """Let go of the map; it ends with the last block that was read from it."""
        self._array = None
        super().close()

    def _slice(self, start: int, stop: int) -> np.ndarray:
        return np.asarray(self._array[start:stop])  # type: ignore[index]

    def _take(self, index: np.ndarray) -> np.ndarray:
        return np.asarray(self._array[index])  # type: ignore[index]
