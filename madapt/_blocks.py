"""Adapted prefixes of any number of rows, block by block, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from madapt._fold import Fold
from madapt._row_source import row_blocks, working_dtype
from madapt.adaptor import ResidualAdaptor
from madapt.exceptions import InvalidTypeError, InvalidValueError

__all__ = [
    "BLOCK_BYTES",
    "Codec",
    "checked_output",
    "checked_shape",
    "rows_at_once",
    "transform_blocks",
]

#: Working memory of a block: it stays in a core's cache or near it.
BLOCK_BYTES = 4 * 2**20


def transform_blocks(
    adaptor: ResidualAdaptor,
    X: Any,
    m: int,
    *,
    mean: np.ndarray | None = None,
    normalize: bool = True,
    out: np.ndarray | None = None,
    codec: Codec | None = None,
    block_bytes: int | None = None,
) -> np.ndarray:
    """Return the first m adapted coordinates of rows that need not fit in memory.

    Parameters
    ----------
    adaptor : ResidualAdaptor
        Of NumPy arrays, for d columns.
    X : row-sliceable of shape (n, d)
        Real numbers, n at least 1: an ndarray, a memory map, or any object with `shape`,
        `dtype` and slices of rows.
    m : int
        In 1..d.
    mean : ndarray of shape (d,) or None, default=None
        Taken from each row, after it got unit length with `normalize`.
    normalize : bool, default=True
        Whether rows get unit length on entry and on exit; a zero row stays zero.
    out : ndarray of shape (n, m) or None, default=None
        Where the result goes, often a memory map: writeable floats, apart from X. None
        makes a new array. With `codec` of its width and dtype.
    codec : Codec or None, default=None
        Turns each block of floats into what is kept of it. None keeps the floats.
    block_bytes : int or None, default=None
        Scratch for one block of rows, None is 4 MiB; at least one row is taken.

    Returns
    -------
    ndarray of shape (n, m)
        `out`, or a new array of float64 for float64 rows, else of float32.

    Raises
    ------
    InvalidTypeError
        If `out` is not an ndarray.
    InvalidValueError
        If X is not finite, not 2-D, empty or not of d columns, or `out` does not fit. Blocks
        before the one that is not finite have been written by then.

    Notes
    -----
    With r_i = 1 / ||x_i|| and the mean c, u_i = (r_i x_i - c) P. Everything linear is one
    product of X with [P[:, :m], P W1], and r and c P come in afterwards, on m + h columns
    rather than d. Without mean and MLP r drops out of x_i P / ||x_i P|| altogether, and X is
    read by nothing but that product. O(n d (m + h)) time; memory beside `out` is
    `block_bytes`, 4 d (m + h) bytes of weights and what the activation needs for one block.

    Examples
    --------
    >>> import numpy as np
    >>> from madapt._blocks import transform_blocks
    >>> from madapt.adaptor import ResidualAdaptor
    >>> quarter_turn = ResidualAdaptor(np.array([[0.0, 1.0], [-1.0, 0.0]]))
    >>> transform_blocks(quarter_turn, np.array([[3.0, -4.0]], np.float16), 2)
    array([[0.8, 0.6]], dtype=float32)
    """
    n, d = checked_shape(X, adaptor)
    dtype = working_dtype(X)
    out = checked_output(out, n, m, X, codec, dtype)
    fold = Fold(adaptor, d, m, mean, normalize, dtype)
    rows = min(n, rows_at_once(adaptor, d, m, dtype, codec=codec, block_bytes=block_bytes))
    scratch = np.empty((rows, fold.width), dtype)
    floats = np.empty((0 if codec is None else rows, m), dtype)
    # What overflows is found by its squared length, and done again with care or refused.
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        for start, block in row_blocks(X, rows, "X"):
            b = len(block)
            part = out[start : start + b]
            if codec is None:
                fold.write(block, scratch[:b], part, start)
            else:
                fold.write(block, scratch[:b], floats[:b], start)
                part[:] = codec.encode(floats[:b])
    return out


def rows_at_once(
    adaptor: ResidualAdaptor,
    d: int,
    m: int,
    dtype: np.dtype,
    *,
    codec: Codec | None = None,
    block_bytes: int | None = None,
) -> int:
    """Return how many rows `transform_blocks` takes at once where there are as many.

    A product of another number of rows may round otherwise: parts that begin at multiples of it
    are adapted to the same digits as the whole.
    """
    width = m + (adaptor.parameters["W1"].shape[1] if adaptor.has_mlp else 0)
    # Coding takes about four copies of the prefix.
    coding = 0 if codec is None else 4 * m
    size = BLOCK_BYTES if block_bytes is None else block_bytes
    return max(1, size // (dtype.itemsize * (d + 2 * width + coding)))


@dataclass(frozen=True)
class Codec:
    """What is kept of each block of adapted rows.

    Parameters
    ----------
    encode : function
        Of floats (b, m), gives (b, width).
    width : int
        Columns that are kept.
    dtype : dtype
        Of what is kept.
    """

    encode: Callable[[np.ndarray], np.ndarray]
    width: int
    dtype: np.dtype


def checked_output(
    out: np.ndarray | None,
    n: int,
    m: int,
    X: Any,
    codec: Codec | None,
    dtype: np.dtype,
) -> np.ndarray:
    """Return `out` where it fits n rows, or a new array where it is None."""
    width, kept = (m, dtype) if codec is None else (codec.width, codec.dtype)
    if out is None:
        return np.empty((n, width), kept)
    _check_out(out, (n, width), X, None if codec is None else kept)
    return out


def checked_shape(X: Any, adaptor: ResidualAdaptor) -> tuple[int, int]:
    """Return the shape of rows that an adaptor can adapt."""
    if len(X.shape) != 2 or 0 in X.shape:
        raise InvalidValueError(f"X must be 2-D and not empty, got shape {tuple(X.shape)}")
    n, d = (int(size) for size in X.shape)
    first = next(iter(adaptor.parameters.values()), None)
    if first is not None and first.shape[0] != d:
        raise InvalidValueError(f"X must have {first.shape[0]} columns, got shape {(n, d)}")
    return n, d


def _check_out(out: Any, shape: tuple[int, int], X: Any, dtype: np.dtype | None) -> np.ndarray:
    """Check where the result goes; without a dtype floats of any size will do."""
    if not isinstance(out, np.ndarray):
        raise InvalidTypeError(f"out must be an ndarray or a memory map, got {type(out).__name__}")
    if out.shape != shape:
        raise InvalidValueError(f"out must have shape {shape}, got {out.shape}")
    if dtype is not None and out.dtype != dtype:
        raise InvalidValueError(f"out must be {dtype} for this precision, got dtype {out.dtype}")
    if dtype is None and (out.dtype.kind != "f" or out.dtype.itemsize > 8):
        raise InvalidValueError(f"out must be float16, float32 or float64, got dtype {out.dtype}")
    if not out.flags.writeable:
        raise InvalidValueError("out must be writeable, got a read-only array")
    if _file_of(out) is not None and _file_of(out) == _file_of(X):
        raise InvalidValueError(f"out must be another file than X, got {_file_of(out)} for both")
    if isinstance(X, np.ndarray) and np.may_share_memory(out, X):
        raise InvalidValueError("out must lie apart from X in memory, got arrays that overlap")
    return out


def _file_of(X: Any) -> Path | None:
    """Return the file that X is mapped from, None for memory and what does not tell."""
    while X is not None:
        name = getattr(X, "filename", None)
        if isinstance(name, str | Path):
            return Path(name).resolve()
        X = getattr(X, "base", None) if isinstance(X, np.ndarray) else None
    return None
