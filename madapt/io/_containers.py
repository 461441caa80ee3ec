"""Rows of a finished .npy as an Arrow or Parquet file."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from madapt._replacing import replacing
from madapt.io._arrow_lists import pyarrow_for

__all__ = ["STAMP", "VECTORS", "write_arrow", "write_parquet"]

#: What vectors and their stamp are called.
VECTORS, STAMP = "embedding", "madapt_stamp"


def write_parquet(
    target: Path, blocks: Iterable[np.ndarray], columns: int, dtype: np.dtype, stamp: str
) -> None:
    """Write a Parquet file, a row group a block, that takes its name when it is whole.

    Parameters
    ----------
    target : Path
    blocks : iterable of ndarray of shape (n, columns)
        All rows, in order.
    columns : int
    dtype : dtype
    stamp : str
        Kept in the schema's metadata.
    """
    pyarrow_for("Parquet")
    from pyarrow import parquet

    schema = _schema(columns, dtype, stamp)
    with (
        replacing(target) as file,
        parquet.ParquetWriter(file, schema, use_dictionary=False) as writer,
    ):
        for block in blocks:
            writer.write_batch(_batch(block, schema))


def write_arrow(
    target: Path, blocks: Iterable[np.ndarray], columns: int, dtype: np.dtype, stamp: str
) -> None:
    """Write an Arrow IPC file as `write_parquet` writes Parquet, a record batch a block."""
    pyarrow = pyarrow_for("Arrow")
    schema = _schema(columns, dtype, stamp)
    with replacing(target) as file, pyarrow.ipc.new_file(file, schema) as writer:
        for block in blocks:
            writer.write_batch(_batch(block, schema))


def _schema(columns: int, dtype: np.dtype, stamp: str) -> Any:
    import pyarrow

    kind = pyarrow.list_(pyarrow.from_numpy_dtype(dtype), columns)
    return pyarrow.schema([(VECTORS, kind)], metadata={STAMP: stamp})


def _batch(block: np.ndarray, schema: Any) -> Any:
    import pyarrow

    values = pyarrow.array(block.ravel())
    lists = pyarrow.FixedSizeListArray.from_arrays(values, block.shape[1])
    return pyarrow.record_batch([lists], schema=schema)
