"""A file of embeddings to a file of adapted ones: block by block, and on from any kill."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from madapt._checks import check_bool, check_dim
from madapt._replacing import as_path, flush_folder, take_place
from madapt.exceptions import InvalidFileError, InvalidTypeError, InvalidValueError
from madapt.io._arrow_lists import pyarrow_for
from madapt.io._block_work import BlockWork
from madapt.io._containers import write_arrow, write_parquet
from madapt.io._unfinished import Unfinished
from madapt.io.embeddings import Embeddings
from madapt.io.opening import open_embeddings

__all__ = ["TransformedFile", "transform_file"]

#: Writers by ending; None keeps the .npy.
_WRITERS: dict[str, Callable[..., None] | None] = {
    ".npy": None,
    ".parquet": write_parquet,
    ".pq": write_parquet,
    ".arrow": write_arrow,
    ".feather": write_arrow,
}
#: Places at which rows are transformed again to be compared.
_N_CHECKED = 3


@dataclass(frozen=True)
class TransformedFile:
    """What `transform_file` has written.

    Parameters
    ----------
    path : Path
        The file.
    shape : tuple of int
        (n, columns); codes of less than a byte have fewer columns than dims.
    dtype : dtype
        Of what is stored.
    stamp : str
        Which adaptor, dim and precision made the vectors, see `MatryoshkaAdaptor.stamp`.
    resumed_at : int
        Rows that a run before had written; 0 where it was begun afresh.
    checked_rows : int
        Rows that were transformed a second time and compared; 0 without `verify`.
    """

    path: Path
    shape: tuple[int, int]
    dtype: np.dtype
    stamp: str
    resumed_at: int
    checked_rows: int


def transform_file(
    adaptor: Any,
    src: str | PathLike[str] | Embeddings,
    dst: str | PathLike[str],
    dim: int | None = None,
    side: str = "document",
    *,
    precision: str | None = None,
    column: str | None = None,
    block_rows: int | str = "auto",
    resume: bool = True,
    verify: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> TransformedFile:
    """Transform a file of any size into another one; what was killed goes on where it was.

    The numbers are those of ``adaptor.transform`` of all rows at once, bit by bit.

    Parameters
    ----------
    adaptor : MatryoshkaAdaptor
        Fitted.
    src : str, PathLike or Embeddings of shape (n, d)
        What `open_embeddings` opens, or has opened; that stays open.
    dst : str or PathLike
        `.npy`; or `.parquet`, `.pq`, `.arrow` or `.feather`, with one column `embedding` of
        fixed-size lists and the stamp in the schema's metadata (needs pyarrow). In a folder that
        exists; a file that is there is replaced when the new one is whole.
    dim : int or None, default=None
        As in `transform`.
    side : {"document", "query"}, default="document"
        As in `transform`.
    precision : {"float32", "float16", "int8", "int4", "int2", "binary"} or None, default=None
        As in `transform`.
    column : str or None, default=None
        Of `src`, where that is a path: as in `open_embeddings`.
    block_rows : int or "auto", default="auto"
        Rows after which what is written is flushed to the disk and counted, at least; it is
        rounded up to whole blocks of `transform`. "auto" is 32 MiB of them.
    resume : bool, default=True
        Whether to go on with what an interrupted run has left. False begins again.
    verify : bool, default=True
        Whether to read the result back before it takes its name: the checksum of all rows,
        that floats are finite, and that rows at three places, transformed again, are the same.
    progress : callable or None, default=None
        Is told the number of rows done and of all, after each block.

    Returns
    -------
    TransformedFile
        What was written.

    Raises
    ------
    FileNotFoundError
        If there is no `src`, or no folder of `dst`.
    ImportError
        If what a format needs is not installed.
    TypeError
        If an argument has the wrong type.
    ValueError
        If an argument cannot be used, a row is not finite, what an interrupted run has left was
        made of another source or with other settings, or the result is not what was written.
    OSError
        If it cannot be written.

    Warns
    -----
    OtherModelWarning
        If the first rows do not look like those of the model that the adaptor was fitted on.

    Notes
    -----
    Until all rows are there they lie in ``dst + ".partial"``, and ``dst + ".partial.json"`` says
    what they are made of and how many are on the disk. Ctrl-C, a kill, a full disk or a power
    failure leave those two, and the same call goes on after the last whole block. Two processes
    cannot write the same `dst` at once, where the system has locks on files.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from madapt import MatryoshkaAdaptor
    >>> from madapt.datasets import load_cranfield
    >>> from madapt.io import transform_file
    >>> corpus = load_cranfield().corpus
    >>> adaptor = MatryoshkaAdaptor(max_iter=1, guard=False, random_state=0).fit(corpus)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.save(Path(folder) / "corpus.npy", corpus)
    ...     small = Path(folder) / "small.npy"
    ...     found = transform_file(adaptor, Path(folder) / "corpus.npy", small, dim=64)
    ...     print(found.shape, found.dtype, np.array_equal(
    ...         np.load(small), adaptor.transform(corpus, dim=64)))
    (1400, 64) float32 True
    """
    if not hasattr(adaptor, "_rows_at_once"):
        raise InvalidTypeError(f"adaptor must be a MatryoshkaAdaptor, got {adaptor!r}")
    check_bool(resume, "resume")
    check_bool(verify, "verify")
    if progress is not None and not callable(progress):
        raise InvalidTypeError(f"progress must be callable or None, got {progress!r}")
    stamp = adaptor.stamp(dim, precision=precision)
    m = check_dim(adaptor._n_features_out if dim is None else dim, adaptor.n_features_in_)
    with _opened(src, column) as source:
        target = _target(dst, source)
        work = BlockWork(adaptor, source, m, side, precision)
        step = work.step(block_rows)
        shape, dtype = work.layout()
        with Unfinished(target, work.identity(), shape, dtype, resume=resume) as rows:
            resumed_at = rows.rows
            checked = 0
            if not rows.is_finished:
                work.write(rows, step, progress)
                checked = _verified(rows, work) if verify else 0
            _finish(rows, _WRITERS[as_path(dst).suffix.lower()], stamp)
    return TransformedFile(as_path(dst), shape, dtype, stamp, resumed_at, checked)


@contextmanager
def _opened(src: Any, column: str | None) -> Iterator[Embeddings]:
    """Give the opened source; close it if it was opened here."""
    if isinstance(src, Embeddings):
        if column is not None:
            raise InvalidValueError(
                f"column must be None for a file that is open already, got {column!r}"
            )
        opened: Any = nullcontext(src)
    elif isinstance(src, str | PathLike):
        opened = open_embeddings(src, column)
    else:
        raise InvalidTypeError(f"src must be a path or what open_embeddings returns, got {src!r}")
    with opened as source:
        yield source


def _target(dst: Any, source: Embeddings) -> Path:
    """Return the file that `dst` leads to, once it can be written."""
    if not isinstance(dst, str | PathLike):
        raise InvalidTypeError(f"dst must be a path, got {dst!r}")
    path = as_path(dst)
    ending = path.suffix.lower()
    if ending not in _WRITERS:
        raise InvalidValueError(f"dst must end in {', '.join(_WRITERS)}, got {path}")
    target = Path(os.path.realpath(path))
    if not target.parent.is_dir():
        raise FileNotFoundError(f"dst must be in a folder that exists, got {path}")
    if target.is_dir():
        raise InvalidValueError(f"dst must be a file, got the folder {path}")
    if target == source.filename.resolve():
        raise InvalidValueError(f"dst must be another file than src, got {path} for both")
    if _WRITERS[ending] is not None:
        pyarrow_for("Parquet and Arrow")
    return target


def _verified(rows: Unfinished, work: BlockWork) -> int:
    """Read all rows back and transform some again; return how many those were."""
    wrong = rows.fault()
    checked, at_once, n = 0, work.rows_at_once, rows.rows
    starts = np.unique(np.linspace(0, (n - 1) // at_once, _N_CHECKED).astype(int)) * at_once
    for start in () if wrong else starts.tolist():
        stop = min(start + at_once, n)
        checked += stop - start
        if work(start, stop).tobytes() != rows.read(start, stop).tobytes():
            wrong = f"rows {start}..{stop - 1} come out otherwise a second time"
            break
    if wrong:
        rows.forget()
        raise InvalidFileError(
            f"{rows.path} must hold what was written to it, but {wrong}; it was deleted"
        )
    return checked


def _finish(rows: Unfinished, write: Callable[..., None] | None, stamp: str) -> None:
    """Give the whole file its name, and forget what only an unfinished one needs."""
    if write is not None:
        write(rows.target, rows.blocks(), rows.shape[1], rows.dtype, stamp)
    elif not rows.is_finished:
        rows.close_for_renaming()
        take_place(rows.path, rows.target)
        # Killed from here on, the next run knows the file by the journal's checksum.
        rows.journal.unlink(missing_ok=True)
        flush_folder(rows.target.parent)
        return
    rows.forget()
