"""Files of vectors, written block by block, whole or not at all."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from madapt._replacing import replacing
from madapt.exceptions import InvalidValueError
from madapt.io._containers import STAMP, VECTORS

__all__ = ["ENDINGS", "Layout", "Writer", "check_output", "writing", "writing_to"]


@dataclass(frozen=True)
class Layout:
    """What all rows of an output have in common.

    Parameters
    ----------
    shape : tuple of int
        All rows, and the columns of what is stored.
    dtype : dtype
    ids : ndarray of shape (n,) or None
        What the rows are called; .npy has no place for it.
    ids_name : str or None
    stamp : str
        Which adaptor, dim and precision made the vectors.
    """

    shape: tuple[int, int]
    dtype: np.dtype
    ids: np.ndarray | None
    ids_name: str | None
    stamp: str


class Writer:
    """Write the blocks of one output to a file, in order; the subclasses are the formats."""

    def __init__(self, file: BinaryIO, layout: Layout) -> None:
        self.file, self.layout, self.done = file, layout, 0

    def write(self, block: np.ndarray) -> None:
        """Write the next rows."""
        self._block(np.ascontiguousarray(block), slice(self.done, self.done + len(block)))
        self.done += len(block)

    def close(self) -> None:
        """Write what comes after the last block; the file stays open."""

    def _block(self, block: np.ndarray, rows: slice) -> None:
        raise NotImplementedError

    def _ids(self, rows: slice) -> np.ndarray | None:
        return None if self.layout.ids is None else self.layout.ids[rows]


class _Npy(Writer):
    def __init__(self, file: BinaryIO, layout: Layout) -> None:
        super().__init__(file, layout)
        _write_header(file, layout)

    def _block(self, block: np.ndarray, rows: slice) -> None:
        self.file.write(block.data.cast("B"))


class _Npz(Writer):
    """Arrays as they are in memory: numbers of an embedding hardly compress."""

    def __init__(self, file: BinaryIO, layout: Layout) -> None:
        super().__init__(file, layout)
        self.archive = zipfile.ZipFile(file, "w", zipfile.ZIP_STORED)
        if layout.ids is not None:
            self._member(layout.ids_name or "ids", np.asarray(layout.ids))
        self._member(STAMP, np.array(layout.stamp))
        self.member = self.archive.open(f"{VECTORS}.npy", "w", force_zip64=True)
        _write_header(self.member, layout)

    def _member(self, name: str, array: np.ndarray) -> None:
        with self.archive.open(f"{name}.npy", "w", force_zip64=True) as member:
            np.lib.format.write_array(member, array, allow_pickle=False)

    def _block(self, block: np.ndarray, rows: slice) -> None:
        self.member.write(block.data.cast("B"))

    def close(self) -> None:
        self.member.close()
        self.archive.close()


class _Parquet(Writer):
    def __init__(self, file: BinaryIO, layout: Layout) -> None:
        super().__init__(file, layout)
        import pyarrow
        from pyarrow import parquet

        kind = pyarrow.from_numpy_dtype(layout.dtype)
        fields = [(VECTORS, pyarrow.list_(kind, layout.shape[1]))]
        if layout.ids is not None:
            fields.insert(0, (layout.ids_name or "id", pyarrow.array(layout.ids[:1]).type))
        self.schema = pyarrow.schema(fields, metadata={STAMP: layout.stamp})
        self.parquet = parquet.ParquetWriter(file, self.schema)

    def _block(self, block: np.ndarray, rows: slice) -> None:
        import pyarrow

        values = pyarrow.array(block.ravel())
        columns = [pyarrow.FixedSizeListArray.from_arrays(values, block.shape[1])]
        ids = self._ids(rows)
        if ids is not None:
            columns.insert(0, pyarrow.array(ids, self.schema.field(0).type))
        self.parquet.write_batch(pyarrow.record_batch(columns, schema=self.schema))

    def close(self) -> None:
        self.parquet.close()


class _Jsonl(Writer):
    """The shortest digits that read back as the same float32."""

    def _block(self, block: np.ndarray, rows: slice) -> None:
        ids = self._ids(rows)
        name = json.dumps(self.layout.ids_name or "id")
        texts = block.astype(str)
        for row, numbers in enumerate(texts):
            key = "" if ids is None else f"{name}: {json.dumps(ids[row].item())}, "
            line = f'{{{key}"{VECTORS}": [{", ".join(numbers)}]}}\n'
            self.file.write(line.encode())


_WRITERS: dict[str, type[Writer]] = {
    ".npy": _Npy,
    ".npz": _Npz,
    ".parquet": _Parquet,
    ".pq": _Parquet,
    ".jsonl": _Jsonl,
}
ENDINGS = tuple(_WRITERS)


def check_output(path: Path, *inputs: Path, endings: tuple[str, ...] = ENDINGS) -> None:
    """Raise unless a file can be written there that is none of the inputs.

    Parameters
    ----------
    path : Path
    *inputs : Path
        Files that are read.
    endings : tuple of str
        Those that are known.
    """
    if path.suffix.lower() not in endings:
        raise InvalidValueError(f"--output must end in {', '.join(endings)}, got {path}")
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise InvalidValueError(f"--output must be a file in a folder that exists, got {path}")
    if path.exists() and any(path.samefile(one) for one in inputs):
        raise InvalidValueError(f"--output must be another file than those read, got {path}")
    if path.suffix.lower() in (".parquet", ".pq"):
        try:
            import pyarrow  # noqa: F401
        except ImportError as error:
            raise ImportError(
                "Parquet files need pyarrow, which is not installed: pip install 'madapt[parquet]'"
            ) from error


@contextmanager
def writing(path: Path, layout: Layout) -> Iterator[Writer]:
    """Give a writer whose file takes the path's place when all rows are in it.

    Parameters
    ----------
    path : Path
        Its ending says in which format.
    layout : Layout

    Raises
    ------
    OSError
        If it cannot be written: what was there is as it was.
    """
    with replacing(path) as file:
        writer = writing_to(file, path, layout)
        try:
            yield writer
        except BaseException:
            with suppress(Exception):  # what is written is thrown away
                writer.close()
            raise
        writer.close()


def writing_to(file: BinaryIO, path: Path, layout: Layout) -> Writer:
    """Return what writes the format of the path to an open file."""
    return _WRITERS[path.suffix.lower()](file, layout)


def _write_header(file: Any, layout: Layout) -> None:
    header = {"descr": layout.dtype.str, "fortran_order": False, "shape": layout.shape}
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, header)
    file.write(buffer.getvalue())
