"""Anything that gives rows by slices, read block by block in the working precision."""

from __future__ import annotations

import math
import numbers
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
from scipy.sparse import issparse

from madapt._halves import halves_are_finite, widen_halves
from madapt.exceptions import InvalidValueError

__all__ = ["is_row_sliceable", "raise_not_finite", "row_blocks", "rows_at", "working_dtype"]

#: Rows between two that are wanted which are read with them rather than apart.
_GAP = 16
#: Bytes that `rows_at` asks for at once.
_READ_BYTES = 4 * 2**20


def is_row_sliceable(X: Any) -> bool:
    """Tell whether X is to be read by slices of rows rather than made one array first.

    Parameters
    ----------
    X : Any
        What a user handed in.

    Returns
    -------
    bool
        True for a memory map, an array that would have to be copied to be float32 or float64 in
        C order, and any object with a two-dimensional `shape`, a NumPy `dtype` of real numbers
        and slicing: those of zarr, h5py and dask, and what :func:`madapt.io.open_embeddings`
        returns. False for what scikit-learn's checks take as it is (float32 and float64
        arrays in C order), have to convert (lists, objects) or refuse (sparse matrices).
    """
    if isinstance(X, np.ndarray):
        plain = type(X) is np.ndarray and X.dtype in (np.float32, np.float64) and X.dtype.isnative
        as_it_is = 0 in X.shape or (plain and X.flags.c_contiguous)
        known = type(X) in (np.ndarray, np.memmap)
        return known and not as_it_is and X.ndim == 2 and _is_real(X)
    shape = getattr(X, "shape", None)
    return (
        isinstance(shape, tuple)
        and len(shape) == 2
        and all(isinstance(size, numbers.Integral) for size in shape)
        and hasattr(X, "__getitem__")
        and not isinstance(X, np.generic)
        and not issparse(X)
        and not hasattr(X, "__cuda_array_interface__")
        and _is_real(X)
    )


def working_dtype(X: Any) -> np.dtype:
    """Return float64 for float64 rows, float32 for all others."""
    is_double = np.dtype(X.dtype).kind == "f" and np.dtype(X.dtype).itemsize == 8
    return np.dtype(np.float64 if is_double else np.float32)


def row_blocks(X: Any, rows: int, name: str) -> Iterator[tuple[int, np.ndarray]]:
    """Yield blocks of X in the working dtype, and where each begins.

    Parameters
    ----------
    X : row-sliceable of shape (n, d)
        Real numbers.
    rows : int
        The most rows of a block.
    name : str
        The argument's name, for errors.

    Yields
    ------
    start : int
        Index of the block's first row.
    block : ndarray of shape (up to `rows`, d), float32 or float64
        A view of X where it is in C order and nothing has to be converted; else memory that
        the next block overwrites. float16 is known to be finite; for others the caller has
        to look.

    Raises
    ------
    InvalidValueError
        If a slice has another shape than X promised, or float16 is not finite.

    Notes
    -----
    Where X says how it is stored (`chunks`, of zarr, h5py and dask), whole chunks are asked
    for, so that none is unpacked twice: memory is then a chunk, if that is more than a block.
    """
    dtype, d = working_dtype(X), X.shape[1]
    scratch = None
    for first, last in _spans(X, rows):
        span = np.asarray(X[first:last])
        if span.shape != (last - first, d):
            raise InvalidValueError(
                f"{name}[{first}:{last}] must have shape {(last - first, d)}, got {span.shape}"
            )
        for start in range(0, last - first, rows):
            part = span[start : start + rows]
            # C order whatever came, so that the order in memory changes no digit.
            if part.dtype != dtype or not part.flags.c_contiguous:
                if scratch is None:
                    scratch = np.empty((min(rows, X.shape[0]), d), dtype)
                part = _converted(part, scratch[: len(part)], first + start, name)
            yield first + start, part


def rows_at(X: Any, index: np.ndarray, name: str) -> np.ndarray:
    """Return some rows of X in the working dtype, in one pass from the first to the last.

    Parameters
    ----------
    X : row-sliceable of shape (n, d)
        Real numbers.
    index : ndarray of shape (k,)
        Which rows, in rising order.
    name : str
        The argument's name, for errors.

    Returns
    -------
    ndarray of shape (k, d), float32 or float64
        In C order.

    Raises
    ------
    InvalidValueError
        If one of these rows is not finite, or a slice has another shape than X promised; others
        are not looked at.

    Notes
    -----
    Memory beside the result is 4 MiB, or a chunk where X has `chunks`. Rows that lie apart are
    asked for apart, so that of a memory map only their pages are read.
    """
    dtype, d = working_dtype(X), X.shape[1]
    out = np.empty((len(index), d), dtype)
    most = max(1, _READ_BYTES // (d * dtype.itemsize))
    edges = [last for _, last in _spans(X, most)] if getattr(X, "chunks", None) else None
    begin = 0
    for end in _ends_of_runs(index, most, edges):
        part, first = index[begin:end], int(index[begin])
        last = int(part[-1]) + 1
        span = np.asarray(X[first:last])
        if span.shape != (last - first, d):
            raise InvalidValueError(
                f"{name}[{first}:{last}] must have shape {(last - first, d)}, got {span.shape}"
            )
        wanted = span[part - first]
        if not np.isfinite(wanted).all():
            bad = int(np.flatnonzero(~np.isfinite(wanted).all(axis=1))[0])
            raise_not_finite(wanted[bad : bad + 1], int(part[bad]), name)
        out[begin:end] = wanted
        begin = end
    return out


def raise_not_finite(block: np.ndarray, start: int, name: str) -> None:
    """Raise for the first entry that is not finite, if there is one; `start` is row 0's index."""
    if block.dtype.kind != "f" or np.isfinite(block).all():
        return
    i, j = np.argwhere(~np.isfinite(block))[0]
    raise InvalidValueError(
        f"{name} must be a 2-D array of finite real numbers, got {block[i, j]} in row "
        f"{start + i}, column {j}"
    )


def _converted(part: np.ndarray, out: np.ndarray, start: int, name: str) -> np.ndarray:
    if part.dtype == np.float16 and part.dtype.isnative and out.dtype == np.float32:
        if not halves_are_finite(part):
            raise_not_finite(part, start, name)
        return widen_halves(part, out)
    if part.dtype == np.float16:
        raise_not_finite(part, start, name)
    with np.errstate(over="ignore", invalid="ignore"):
        np.copyto(out, part, casting="same_kind")
    return out


def _spans(X: Any, rows: int) -> Iterator[tuple[int, int]]:
    """Yield first and last rows to ask X for at once: chunks, as many as fit in `rows`."""
    n = X.shape[0]
    chunks = getattr(X, "chunks", None)
    size = chunks[0] if isinstance(chunks, tuple) and chunks else 1
    if isinstance(size, tuple):
        edges = [0, *np.cumsum(size).tolist()]  # dask: the length of each chunk
    else:
        step = max(1, int(size)) if isinstance(size, numbers.Integral) else 1
        step *= max(1, rows // step)
        edges = [*range(0, n, step), n]
    first = 0
    for last, following in pairwise([*edges[1:], math.inf]):
        if last > first and following - first > rows:
            yield first, last
            first = last


def _ends_of_runs(index: np.ndarray, most: int, edges: list[int] | None) -> list[int]:
    """Return where runs of an index in rising order end that are to be read at once.

    A run is within one span of chunks, if there are `edges` of some; else it has no gap of more
    than `_GAP` rows and spans no more than `most`.
    """
    if edges is not None:
        cuts = np.searchsorted(index, edges)
        return [int(end) for end in np.unique(cuts) if end > 0]
    far = np.diff(index) > min(_GAP, most)
    ends = [*(np.flatnonzero(far) + 1).tolist(), len(index)]
    found, begin = [], 0
    for end in ends:
        while index[end - 1] - index[begin] >= most:
            begin = int(np.searchsorted(index, index[begin] + most))
            found.append(begin)
        found.append(end)
        begin = end
    return found


def _is_real(X: Any) -> bool:
    given = getattr(X, "dtype", None)
    try:
        dtype = np.dtype(given)
    except TypeError:  # another library's idea of a dtype
        return False
    return given is not None and dtype.kind in "fiub" and dtype.itemsize <= 8
