"""Vectors in a file or a folder, found by its ending, with the names of the rows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from madapt._checks import check_embeddings
from madapt._commands import containers
from madapt.exceptions import InvalidValueError

__all__ = ["ENDINGS", "Role", "Source", "existing_file", "naming", "open_source"]

#: Which side of a search the vectors are.
Role = Literal["corpus", "queries"]
ENDINGS = (".npy", ".npz", ".parquet", ".pq", ".jsonl")
#: Bytes of one block that is read.
BLOCK_BYTES = 2**25


@dataclass(frozen=True)
class Source:
    """Vectors of one input.

    Parameters
    ----------
    argument : str
        What the input is called in errors, "CORPUS" for instance.
    path : Path
        The file or the folder.
    rows : object
        With shape, dtype and slices of rows.
    ids : ndarray of shape (n,) or None
        What the rows are called; None is their numbers.
    ids_name : str or None
        Where the ids were found.
    """

    argument: str
    path: Path
    rows: Any
    ids: np.ndarray | None
    ids_name: str | None

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and coordinates."""
        return int(self.rows.shape[0]), int(self.rows.shape[1])

    @property
    def names(self) -> list[str]:
        """What judgments call the rows, as text."""
        return [str(one) for one in (range(len(self.rows)) if self.ids is None else self.ids)]

    @property
    def n_bytes(self) -> int:
        """Size of the file; of a folder, that of its vectors in memory."""
        if self.path.is_file():
            return self.path.stat().st_size
        return int(np.prod(self.shape)) * int(np.dtype(self.rows.dtype).itemsize)

    def array(self, n_features: int | None = None) -> np.ndarray:
        """Return all rows in memory, checked.

        Parameters
        ----------
        n_features : int or None, default=None
            The d that is wanted.
        """
        with naming(self.argument):
            whole = np.asarray(self.rows[:])
        size = self._block_rows
        for start in range(0, len(whole), size):
            self._check_finite(whole[start : start + size], start)
        return check_embeddings(whole, self.argument, n_features=n_features)

    def check_width(self, d: int, whose: str) -> None:
        """Raise unless there are d coordinates, those of `whose` vectors."""
        if self.shape[1] != d:
            raise InvalidValueError(
                f"{self.argument} must have {d} columns as {whose}, got {self.shape[1]} in "
                f"{self.path}"
            )

    def blocks(self) -> Iterator[tuple[int, np.ndarray]]:
        """Yield blocks of finite rows, each after the number of its first."""
        n, size = self.shape[0], self._block_rows
        for start in range(0, n, size):
            with naming(self.argument):
                block = np.asarray(self.rows[start : min(start + size, n)])
            self._check_finite(block, start)
            yield start, block

    @property
    def _block_rows(self) -> int:
        return max(1, BLOCK_BYTES // (self.shape[1] * 4))

    def _check_finite(self, block: np.ndarray, start: int) -> None:
        finite = np.isfinite(block)
        if finite.all():
            return
        row, column = np.argwhere(~finite)[0].tolist()
        raise InvalidValueError(
            f"{self.argument} must hold finite numbers, got {block[row, column]} in row "
            f"{start + row}, column {column} of {self.path}"
        )


def open_source(
    argument: str,
    path: Path,
    role: Role,
    *,
    column: str | None = None,
    ids: str | None = None,
    column_option: str = "--column",
    ids_option: str = "--ids",
) -> Source:
    """Open vectors; those of .npy and Parquet are read when they are asked for.

    Parameters
    ----------
    argument : str
        What the input is called in errors.
    path : Path
    role : {"corpus", "queries"}
        What is taken of a BEIR folder, and of an .npz that holds both.
    column : str or None, default=None
        Array of an .npz, column of a Parquet file, field of a JSONL file, .npz of a folder.
    ids : str or None, default=None
        Array, column or field that holds ids; None looks for one with a customary name.
    column_option, ids_option : str
        What those two are called in errors.

    Raises
    ------
    ValueError, ImportError, OSError
        If there is no such file, or it holds no vectors.
    """
    _check_ending(argument, path)
    words = {"path": argument, "folder": argument, "column": column_option, "ids": ids_option}
    words["vectors"] = column_option
    with naming(argument, **words):
        if path.is_dir():
            rows, found, name = containers.read_folder(path, column, ids, role)
        else:
            rows, found, name = containers.READERS[path.suffix.lower()](path, column, ids, role)
    if 0 in rows.shape:
        raise InvalidValueError(
            f"{argument} must hold at least one row and column, got shape {rows.shape} in {path}"
        )
    return Source(argument, path, rows, found, name)


def _check_ending(argument: str, path: Path) -> None:
    """Raise unless there is a folder, or a file that can be read by its ending."""
    if not path.exists():
        raise InvalidValueError(f"{argument} must be a file or a folder that exists, got {path}")
    if not path.is_dir() and path.suffix.lower() not in ENDINGS:
        raise InvalidValueError(
            f"{argument} must end in {', '.join(ENDINGS)} or be a folder in BEIR's layout, "
            f"got {path}"
        )


def existing_file(argument: str, path: Path) -> Path:
    """Return the path of a file that exists."""
    if not path.is_file():
        raise InvalidValueError(f"{argument} must be a file that exists, got {path}")
    return path


@contextmanager
def naming(argument: str, **words: str) -> Iterator[None]:
    """Have errors of the library begin with the words of the command line.

    Parameters
    ----------
    argument : str
        What an error is about that does not begin with one of the words.
    **words : str
        The library's names of arguments, and the command line's.
    """
    try:
        yield
    except ImportError:
        raise
    except (OSError, TypeError, ValueError) as error:
        text = str(error)
        first, _, rest = text.partition(" ")
        text = f"{words[first]} {rest}" if first in words else text
        if not text.startswith((argument, *words.values())):
            text = f"{argument}: {text}"
        raise InvalidValueError(text) from error
