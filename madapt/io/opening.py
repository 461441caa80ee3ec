"""Opens a file of embeddings by its ending."""

from __future__ import annotations

import numbers
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from madapt.exceptions import InvalidTypeError, InvalidValueError
from madapt.io.embeddings import Embeddings, MappedEmbeddings

__all__ = ["open_embeddings"]

_PARQUET = (".parquet", ".pq")
_ARROW = (".arrow", ".feather", ".ipc")
_HDF5 = (".h5", ".hdf5")
_ZARR = (".zarr",)
#: Formats that say themselves what they hold, in columns or arrays with names.
_NAMED = (*_PARQUET, *_ARROW, *_HDF5, *_ZARR)
#: What the ending of a raw file says about its numbers.
_DTYPES = {".f16": np.float16, ".f32": np.float32, ".f64": np.float64}


def open_embeddings(
    path: str | PathLike[str],
    column: str | None = None,
    *,
    dtype: Any = None,
    shape: int | tuple[int, int] | None = None,
) -> Embeddings:
    """Open embeddings in a file, to be read by rows; none are read yet.

    Parameters
    ----------
    path : str or PathLike
        The ending tells the format: `.npy`; `.parquet` or `.pq`, `.arrow`, `.feather` or `.ipc`
        (both need pyarrow: ``pip install madapt[parquet]``); `.h5` or `.hdf5` (h5py:
        ``madapt[hdf5]``); `.zarr`, a folder (zarr: ``madapt[zarr]``); anything else is raw
        numbers, row after row, with no header.
    column : str or None, default=None
        Parquet and Arrow: the column that holds one list of numbers a row. HDF5 and zarr: the
        2-D array, ``"group/name"`` in a group. None takes the only one.
    dtype : dtype or None, default=None
        Raw files only: of the numbers. None is right for `.f16`, `.f32` and `.f64`.
    shape : int, (int, int) or None, default=None
        Raw files only: the number of columns d, or (n, d); n may be -1 for as many rows as
        there are.

    Returns
    -------
    Embeddings
        `shape`, `dtype`, `len` and rows by slice; `transform` takes it as it is. It closes at
        the end of a ``with`` block.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ImportError
        If what the format needs is not installed.
    TypeError
        If an argument has the wrong type.
    ValueError
        If the file does not hold a 2-D array of real numbers, an argument does not fit it, or
        one that its format has no use for was given. A missing or ragged row of a Parquet
        or Arrow file is found when it is read.

    Notes
    -----
    Memory is that of the rows asked for. For Parquet it is about 64 MiB more, whatever the size of
    the file and of its row groups; for HDF5 and zarr 16 MiB, or one row of chunks where that is
    more; for compressed Arrow files one record batch. `.npy`, raw and other Arrow files are
    mapped. Parquet is made to be read forwards: rows in rising order are unpacked once, and going
    back costs up to one row group.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from madapt.io import open_embeddings
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "embeddings.f16"
    ...     np.arange(12, dtype=np.float16).tofile(path)
    ...     with open_embeddings(path, shape=4) as X:
    ...         print(X.shape, X.dtype, X[1:3].tolist())
    (3, 4) float16 [[4.0, 5.0, 6.0, 7.0], [8.0, 9.0, 10.0, 11.0]]
    """
    if not isinstance(path, str | PathLike):
        raise InvalidTypeError(f"path must be a path, got {path!r}")
    path = Path(path)
    ending = path.suffix.lower()
    if not (path.is_dir() if ending in _ZARR else path.is_file()):
        kind = "folder" if ending in _ZARR else "file"
        raise FileNotFoundError(f"path must be a {kind} that exists, got {path}")
    is_raw = ending != ".npy" and ending not in _NAMED
    for value, name in ((dtype, "dtype"), (shape, "shape")):
        if value is not None and not is_raw:
            raise InvalidValueError(
                f"{name} must be None for {ending} files, which say it themselves, got {value!r}"
            )
    if ending in _NAMED:
        return _open_named(path, ending, column)
    if column is not None:
        raise InvalidValueError(f"column must be None for {ending} files, got {column!r}")
    return MappedEmbeddings(path, _map_raw(path, dtype, shape) if is_raw else _map_npy(path))


def _open_named(path: Path, ending: str, column: str | None) -> Embeddings:
    """Open a column or an array; what reads the format is imported here."""
    if ending in _PARQUET:
        from madapt.io.parquet import ParquetEmbeddings

        return ParquetEmbeddings(path, column)
    if ending in _ARROW:
        from madapt.io.arrow import ArrowEmbeddings

        return ArrowEmbeddings(path, column)
    if ending in _HDF5:
        from madapt.io.hdf5 import HDF5Embeddings

        return HDF5Embeddings(path, column)
    from madapt.io.zarr_store import ZarrEmbeddings

    return ZarrEmbeddings(path, column)


def _map_npy(path: Path) -> np.ndarray:
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise InvalidValueError(
            f"path must be a .npy file of numbers, got {path}: {error}"
        ) from error
    if not isinstance(array, np.ndarray) or array.ndim != 2 or 0 in array.shape:
        found = getattr(array, "shape", type(array).__name__)
        raise InvalidValueError(
            f"path must hold a 2-D array that is not empty, got {found} in {path}"
        )
    _check_real(array.dtype, f"{path} must hold real numbers")
    return array


def _map_raw(path: Path, dtype: Any, shape: Any) -> np.ndarray:
    if dtype is None:
        dtype = _DTYPES.get(path.suffix.lower())
    if dtype is None:
        endings = ", ".join(_DTYPES)
        raise InvalidValueError(
            f"dtype must be given for raw files other than {endings}, got None for {path}"
        )
    try:
        dtype = np.dtype(dtype)
    except TypeError as error:
        raise InvalidTypeError(f"dtype must be a dtype, got {dtype!r}") from error
    _check_real(dtype, "dtype must be one of real numbers")
    n, d = _rows_and_columns(shape)
    size, row = path.stat().st_size, d * dtype.itemsize
    wanted = f"a multiple of {row} bytes" if n == -1 else f"{n * row} bytes"
    if size == 0 or (size % row if n == -1 else size != n * row):
        raise InvalidValueError(
            f"path must hold {wanted} for shape {shape!r} and dtype {dtype}, got {size} in {path}"
        )
    return np.memmap(path, dtype, mode="r", shape=(size // row, d))


def _rows_and_columns(shape: Any) -> tuple[int, int]:
    """Return (n, d), n -1 where it follows from the size of the file."""
    wanted = "shape must be d or (n, d), d at least 1 and n at least 1 or -1"
    pair = (-1, shape) if isinstance(shape, numbers.Integral) else shape
    is_pair = isinstance(pair, tuple | list) and len(pair) == 2
    if not is_pair or not all(_is_integer(size) for size in pair):
        raise InvalidTypeError(f"{wanted}, got {shape!r}")
    n, d = int(pair[0]), int(pair[1])
    if d < 1 or (n < 1 and n != -1):
        raise InvalidValueError(f"{wanted}, got {shape!r}")
    return n, d


def _is_integer(value: Any) -> bool:
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def _check_real(dtype: np.dtype, wanted: str) -> None:
    if dtype.kind not in "fiu" or dtype.itemsize > 8:
        raise InvalidValueError(f"{wanted} of at most 64 bits, got {dtype}")
