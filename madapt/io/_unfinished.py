"""A file that is written over many runs: its rows so far, and a journal of what they are."""

from __future__ import annotations

import errno
import io
import json
import os
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Self

import numpy as np

from madapt._replacing import flush_folder, replace_file
from madapt.exceptions import InvalidFileError, InvalidValueError

__all__ = ["Unfinished"]

#: What one version of the journal says, another would not understand.
VERSION = 1
#: Bytes read at once when all is looked at again.
_READ_BYTES = 8 * 2**20


class Unfinished:
    """Rows beside the file that they will be, in ``NAME.partial``, an .npy that is too short.

    ``NAME.partial.json``, the journal, says whose rows they are, how many are on the disk, and
    their CRC-32. It is replaced after the rows have been flushed: whatever stops the process, the
    rows it counts are there, and what follows them is cut off.

    Parameters
    ----------
    target : Path
        What the rows will be; not a link.
    identity : mapping
        Everything that the numbers depend on, as JSON has it.
    shape : tuple of int
        Of the whole.
    dtype : dtype
    resume : bool
        Whether to go on with what is there.

    Attributes
    ----------
    rows : int
        How many are there.
    is_finished : bool
        Whether the target is what a run before has finished, up to the removal of the journal.
    """

    def __init__(
        self,
        target: Path,
        identity: Mapping[str, Any],
        shape: tuple[int, int],
        dtype: np.dtype,
        *,
        resume: bool,
    ) -> None:
        self.target, self.shape, self.dtype = target, shape, dtype
        self.path = target.with_name(f"{target.name}.partial")
        self.journal = target.with_name(f"{target.name}.partial.json")
        self.identity = dict(identity)
        self.rows, self.checksum, self.is_finished = 0, 0, False
        self._resume, self._is_ours = resume, False
        self._header = _npy_header(shape, dtype)
        self._row_bytes = shape[1] * dtype.itemsize

    @property
    def n_bytes(self) -> int:
        """Size of the header and of the rows that are there."""
        return len(self._header) + self.rows * self._row_bytes

    def __enter__(self) -> Self:
        self._file: BinaryIO = os.fdopen(os.open(self.path, _FLAGS, 0o666), "r+b")
        try:
            _lock(self._file, self.path)
            self._is_ours = True
            self._begin()
        except BaseException:
            self._let_go()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._let_go()

    def append(self, rows: np.ndarray) -> None:
        """Write the next rows and, once they are on the disk, count them."""
        data = np.ascontiguousarray(rows).data.cast("B")
        self._file.seek(self.n_bytes)
        self._file.write(data)
        self._file.flush()
        os.fsync(self._file.fileno())
        self.checksum = zlib.crc32(data, self.checksum)
        self.rows += len(rows)
        state = {"version": VERSION, "rows": self.rows, "checksum": self.checksum}
        replace_file(self.journal, json.dumps({**state, **self.identity}, indent=1).encode())

    def read(self, start: int, stop: int) -> np.ndarray:
        """Return some rows from the disk."""
        self._file.seek(len(self._header) + start * self._row_bytes)
        data = self._file.read((stop - start) * self._row_bytes)
        return np.frombuffer(data, self.dtype).reshape(-1, self.shape[1])

    def blocks(self) -> Iterator[np.ndarray]:
        """Yield all rows from the disk, some megabytes at once."""
        size = max(1, _READ_BYTES // self._row_bytes)
        for start in range(0, self.rows, size):
            yield self.read(start, min(start + size, self.rows))

    def fault(self) -> str:
        """Return what is wrong with the rows on the disk, "" if nothing is."""
        size = os.fstat(self._file.fileno()).st_size
        if (self.rows, size) != (self.shape[0], self.n_bytes):
            return f"it has {size:,} bytes and {self.rows} rows, not {self.shape[0]}"
        found = 0
        for block in self.blocks():
            found = zlib.crc32(block.data.cast("B"), found)
            if self.dtype.kind == "f" and not np.isfinite(block).all():
                return "some of it is not finite"
        return "" if found == self.checksum else "its checksum is another one"

    def close_for_renaming(self) -> None:
        """Close the file where the system renames no open one; elsewhere the lock is kept."""
        if os.name == "nt":
            self._file.close()

    def forget(self) -> None:
        """Delete the journal, and what rows are left: the next run begins at the first one."""
        self.journal.unlink(missing_ok=True)
        flush_folder(self.target.parent)
        self.close_for_renaming()
        self.path.unlink(missing_ok=True)

    def _begin(self) -> None:
        size = os.fstat(self._file.fileno()).st_size
        state = self._state(must_fit=size > 0) if self._resume else None
        if state is not None and size == 0:
            self.rows, self.checksum = state["rows"], state["checksum"]
            self.is_finished = self._is_target()
            if self.is_finished:
                return
            state = None
        if state is None:
            self.rows = self.checksum = 0
            self.journal.unlink(missing_ok=True)  # before there are rows that it does not know
            flush_folder(self.target.parent)
            self._file.truncate(0)
            self._file.write(self._header)
            return
        self.rows, self.checksum = state["rows"], state["checksum"]
        if size < self.n_bytes or self._file.read(len(self._header)) != self._header:
            raise InvalidFileError(
                f"{self.path} is not what {self.journal.name} beside it says ({self.n_bytes:,} "
                f"bytes or more, got {size:,}); to begin again delete it, or pass resume=False"
            )
        self._file.truncate(self.n_bytes)

    def _state(self, *, must_fit: bool) -> dict[str, Any] | None:
        """Return what the journal says, None if there is none, or none that fits."""
        try:
            state = json.loads(self.journal.read_bytes())
        except FileNotFoundError:
            return None
        except ValueError:
            state = None
        wrong = self._misfit(state)
        if wrong is not None and must_fit:
            raise wrong
        return None if wrong is not None else dict(state)

    def _misfit(self, state: Any) -> InvalidFileError | InvalidValueError | None:
        """Return why one cannot go on from there, None if one can."""
        again = f"to begin again delete {self.path}, or pass resume=False"
        unreadable = InvalidFileError(
            f"{self.journal} is no journal that this version of madapt can read; {again}"
        )
        if not isinstance(state, dict) or state.get("version") != VERSION:
            return unreadable
        for name, wanted in self.identity.items():
            there = state.get(name)
            if there != wanted:
                return InvalidValueError(
                    f"{name} must be {there!r} to go on with what is unfinished, got {wanted!r}; "
                    f"{again}"
                )
        rows, checksum = state.get("rows"), state.get("checksum")
        if not isinstance(rows, int) or not isinstance(checksum, int):
            return unreadable
        return None if 0 < rows <= self.shape[0] else unreadable

    def _is_target(self) -> bool:
        """Tell whether the target holds all rows that the journal counts, and nothing else."""
        if self.rows < self.shape[0] or not self.target.is_file():
            return False
        if self.target.stat().st_size != self.n_bytes:
            return False
        found = 0
        with self.target.open("rb") as file:
            if file.read(len(self._header)) != self._header:
                return False
            while data := file.read(_READ_BYTES):
                found = zlib.crc32(data, found)
        return found == self.checksum

    def _let_go(self) -> None:
        """Close the file; one of which no row is counted is of no use."""
        is_there = self._is_ours and not self._file.closed and _is_same(self._file, self.path)
        useless = is_there and not self.journal.exists()
        if os.name == "nt":
            self._file.close()
        if useless:
            self.path.unlink(missing_ok=True)
        self._file.close()


def _npy_header(shape: tuple[int, int], dtype: np.dtype) -> bytes:
    header = {"descr": dtype.str, "fortran_order": False, "shape": shape}
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, header)
    return buffer.getvalue()


#: To read and write, made if it is not there, nothing of it lost before it is locked.
_FLAGS = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0)


def _lock(file: BinaryIO, path: Path) -> None:
    """Keep other processes out until the file is closed, where the system has such locks."""
    try:
        import fcntl
    except ImportError:  # Windows
        return
    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        is_ours = _is_same(file, path)  # not so if another process renamed it meanwhile
    except BlockingIOError:
        is_ours = False
    except OSError as error:
        if error.errno not in (errno.ENOTSUP, errno.ENOLCK, errno.EINVAL, errno.ENOSYS):
            raise
        return  # a file system without locks
    if not is_ours:
        raise InvalidValueError(f"dst must not be written by another process, but {path} is")


def _is_same(file: BinaryIO, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False
