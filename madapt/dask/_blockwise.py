"""What `transform` does with one block of a Dask array."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from madapt._blocks import Codec, transform_blocks
from madapt._row_source import working_dtype
from madapt.adaptor import ResidualAdaptor
from madapt.exceptions import InvalidValueError
from madapt.quantization import Quantizer, codec_of

__all__ = ["BlockModel", "adapted_block"]


@dataclass(frozen=True)
class BlockModel:
    """All that a block of rows needs to be adapted: it is sent to workers, and small.

    Parameters
    ----------
    adaptor : ResidualAdaptor
        As `transform_blocks` takes it; P has no more columns than are wanted where that is all.
    m : int
        Coordinates that are wanted.
    mean : ndarray of shape (d,) or None
        What rows lose.
    unit : bool
        Whether rows get unit length.
    quantizer : Quantizer or None
        None without a precision.
    precision : str or None
        As in `transform`.
    """

    adaptor: ResidualAdaptor
    m: int
    mean: np.ndarray | None
    unit: bool
    quantizer: Quantizer | None
    precision: str | None

    @property
    def codec(self) -> Codec | None:
        """What is kept of adapted rows, None for floats as they come."""
        if self.quantizer is None or self.precision is None:
            return None
        return codec_of(self.quantizer, self.m, self.precision)

    def kept(self, X: Any) -> tuple[int, np.dtype]:
        """Return the width and the dtype of what comes of X."""
        codec = self.codec
        return (self.m, working_dtype(X)) if codec is None else (codec.width, codec.dtype)


def leading(adaptor: ResidualAdaptor, m: int) -> ResidualAdaptor:
    """Return what m coordinates need of an adaptor: an MLP sees all, a rotation alone m columns."""
    if adaptor.has_mlp or adaptor.P is None:
        return adaptor
    return adaptor.replace(P=np.ascontiguousarray(adaptor.P[:, :m]))


def adapted_block(block: Any, model: BlockModel) -> np.ndarray:
    """Return a block's rows adapted; one without rows, as a filter leaves it, stays empty."""
    if not len(block):
        width, dtype = model.kept(block)
        return np.empty((0, width), dtype)
    try:
        return transform_blocks(
            model.adaptor,
            np.asarray(block),
            model.m,
            mean=model.mean,
            normalize=model.unit,
            codec=model.codec,
        )
    except InvalidValueError as error:
        raise InvalidValueError(f"in a block of {len(block)} rows: {error}") from error
