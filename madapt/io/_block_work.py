"""Rows of a file, adapted block by block to the digits of one `transform` of them all."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from madapt._checks import check_integer
from madapt._row_source import raise_not_finite, working_dtype
from madapt.exceptions import InvalidValueError, OtherModelWarning
from madapt.io._identity import source_identity
from madapt.io._unfinished import Unfinished
from madapt.io.embeddings import Embeddings

__all__ = ["BlockWork"]

#: Bytes of the rows that are read between two flushes, in the working dtype.
_BLOCK_BYTES = 32 * 2**20


@dataclass(frozen=True)
class BlockWork:
    """An adaptor, the rows it adapts, and what of them is wanted."""

    adaptor: Any
    source: Embeddings
    dim: int
    side: str
    precision: str | None

    def __call__(self, start: int, stop: int) -> np.ndarray:
        """Return some rows, adapted."""
        block = self.source[start:stop]
        with warnings.catch_warnings():
            if start:  # said once, of the first rows
                warnings.simplefilter("ignore", OtherModelWarning)
            try:
                adapted = self.adaptor.transform(
                    block, self.dim, self.side, precision=self.precision
                )
            except InvalidValueError:
                raise_not_finite(block, start, str(self.source.filename))
                raise
        return np.asarray(adapted)  # of a frame, where the adaptor's `set_output` says so

    @property
    def rows_at_once(self) -> int:
        """Rows of one block of `transform`."""
        return int(self.adaptor._rows_at_once(self.source, self.dim, self.precision))

    def step(self, block_rows: Any) -> int:
        """Return how many rows there are between two flushes."""
        at_once = self.rows_at_once
        if isinstance(block_rows, str):
            if block_rows != "auto":
                raise InvalidValueError(
                    f"block_rows must be an integer or 'auto', got {block_rows!r}"
                )
            row = self.source.shape[1] * working_dtype(self.source).itemsize
            return at_once * max(1, _BLOCK_BYTES // (row * at_once))
        return at_once * -(-check_integer(block_rows, "block_rows", low=1) // at_once)

    def layout(self) -> tuple[tuple[int, int], np.dtype]:
        """Return shape and dtype of the result; a row is transformed for it."""
        probe = self(0, 1)
        return (self.source.shape[0], probe.shape[1]), probe.dtype

    def identity(self) -> dict[str, Any]:
        """Return everything that the numbers depend on."""
        return {
            "adaptor": self.adaptor.fingerprint_,
            "dim": self.dim,
            "side": self.side,
            "precision": self.precision,
            "rows at once": self.rows_at_once,
            **source_identity(self.source),
        }

    def write(
        self, rows: Unfinished, step: int, progress: Callable[[int, int], None] | None
    ) -> None:
        """Write the rows that are not there yet."""
        n = self.source.shape[0]
        # The step may have been another one: whole blocks of `transform` were written anyway.
        for start in range(rows.rows, n, step):
            rows.append(self(start, min(start + step, n)))
            if progress is not None:
                progress(rows.rows, n)
