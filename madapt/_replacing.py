"""Files that are never seen half written."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from madapt.exceptions import InvalidTypeError

__all__ = ["as_path", "flush_folder", "replace_file", "replacing", "take_place"]

#: What folders of some network file systems answer to fsync.
_NO_FSYNC = (errno.EINVAL, errno.ENOTSUP)


def as_path(path: Any) -> Path:
    """Return an argument as a path."""
    if not isinstance(path, str | os.PathLike) or not isinstance(os.fspath(path), str):
        raise InvalidTypeError(f"path must be a str or a path, got {path!r}")
    return Path(path)


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Give a file to write to that takes the place of another one when it is whole.

    Parameters
    ----------
    path : Path
        In a folder that exists. A link stays, what it leads to is replaced; so are the
        permissions of a file that is there.

    Yields
    ------
    binary file
        To be written; after any error within the block, Ctrl-C too, the old file is as it was.

    Raises
    ------
    OSError
        If it cannot be written: the old file is as it was (the new one is there, whole, if
        only the folder could not be flushed), and nothing is left beside it.

    Notes
    -----
    Written to ``.madapt-*.tmp`` in the same folder, flushed to the disk and renamed; then the
    folder is flushed, so that the new name outlives a power failure. A process that is killed
    in between leaves that file behind, and nobody will miss it.
    """
    target = Path(os.path.realpath(path))
    temporary = target.with_name(f".madapt-{secrets.token_hex(8)}.tmp")
    try:
        with temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        take_place(temporary, target)
    except OSError as error:
        if error.filename not in (None, str(temporary), str(target), str(target.parent)):
            raise  # of another file, one that was being read
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        temporary.unlink(missing_ok=True)  # there only if something went wrong


def take_place(file: Path, target: Path) -> None:
    """Give a whole file that is on the disk the name of another one in the same folder.

    Parameters
    ----------
    file : Path
        Closed on Windows.
    target : Path
        Not a link. The permissions of a file that is there stay.
    """
    if target.exists():
        shutil.copymode(target, file)
    file.replace(target)
    flush_folder(target.parent)


def replace_file(path: Path, data: bytes) -> None:
    """Write a file so that whoever opens the path finds the old file or the new one, whole.

    Parameters
    ----------
    path : Path
        As `replacing` takes it.
    data : bytes
        All that will be in it.

    Raises
    ------
    OSError
        As `replacing` does.
    """
    with replacing(path) as file:
        file.write(data)


def flush_folder(folder: Path) -> None:
    """Have the names in a folder outlive a power failure, where that can be had."""
    if os.name == "nt":  # a folder cannot be opened there
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except PermissionError:  # one may write into a folder that one may not read
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_FSYNC:
            raise
    finally:
        os.close(descriptor)
