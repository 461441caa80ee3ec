"""Rows of the host that a device adapts while the next ones are on their way to it."""

from __future__ import annotations

from typing import Any

import numpy as np
from array_api_compat import array_namespace

from madapt._blocks import Codec, checked_output, checked_shape
from madapt._fold import Fold
from madapt._fold_on_device import FoldOnDevice
from madapt._row_source import row_blocks, working_dtype
from madapt.adaptor import ResidualAdaptor
from madapt.backends import Backend, get_backend
from madapt.exceptions import InvalidValueError

__all__ = ["streaming_backend", "transform_streamed"]

#: Bytes of a block of rows: transfers of that size run at full speed.
BLOCK_BYTES = 64 * 2**20


#: Backends of the CPU, which are not asked.
_ON_HOST = ("auto", "numba", "numpy")


def streaming_backend(name: str) -> Backend | None:
    """Return the backend of that name if rows can stream through it, else None.

    A model that was trained on a GPU is of use where there is none.
    """
    if name in _ON_HOST:
        return None
    try:
        backend = get_backend(name)
    except InvalidValueError:
        return None
    return backend if "stream" in backend.kernels else None


def transform_streamed(
    backend: Backend,
    adaptor: ResidualAdaptor,
    X: Any,
    m: int,
    *,
    mean: np.ndarray | None = None,
    normalize: bool = True,
    out: np.ndarray | None = None,
    codec: Codec | None = None,
) -> np.ndarray:
    """Do what `madapt._blocks.transform_blocks` does on a backend with a kernel "stream".

    Parameters
    ----------
    backend : Backend
        Where the products run.
    adaptor, X, m, mean, normalize, out, codec : as there
        See there.

    Notes
    -----
    A column beside the m coordinates says of each row whether it is zero, very long or not
    finite. Such a block is done again on the host, which refuses it or does it with care.
    """
    n, d = checked_shape(X, adaptor)
    dtype = working_dtype(X)
    out = checked_output(out, n, m, X, codec, dtype)
    fold = Fold(adaptor, d, m, mean, normalize, dtype)
    rows = min(n, max(1, BLOCK_BYTES // (dtype.itemsize * d)))

    def make() -> Any:
        there = FoldOnDevice(fold, backend.asarray)

        def work(block: Any) -> Any:
            xp = array_namespace(block)
            Z, wrong = there.by_row(block)
            return xp.concat([Z, xp.astype(wrong, Z.dtype)[:, None]], axis=1)

        return work

    def take(start: int, found: np.ndarray) -> None:
        Z, stop = found[:, :m], start + len(found)
        if found[:, m].any():
            Z = _by_the_host(fold, X, start, stop, dtype)
        out[start:stop] = Z if codec is None else codec.encode(np.ascontiguousarray(Z))

    blocks = row_blocks(X, rows, "X")
    # Stand-ins on the CPU would warn of what the column beside finds.
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        backend.kernels["stream"](blocks, rows, (d, m + 1), dtype, make, take)
    return out


def _by_the_host(fold: Fold, X: Any, start: int, stop: int, dtype: np.dtype) -> np.ndarray:
    part = X[start:stop]
    Z = np.empty((stop - start, fold.m), dtype)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        for at, block in row_blocks(part, stop - start, "X"):
            scratch = np.empty((len(block), fold.width), dtype)
            fold.write(block, scratch, Z[at : at + len(block)], start + at)
    return Z
