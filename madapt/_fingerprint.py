"""A short name for everything that `transform` depends on."""

from __future__ import annotations

import hashlib

import numpy as np

from madapt.adaptor import ResidualAdaptor
from madapt.quantization import Quantizer

__all__ = ["fingerprint"]


def fingerprint(
    adaptor: ResidualAdaptor,
    center: np.ndarray | None,
    normalize: bool,
    quantizer: Quantizer,
) -> str:
    """Return 16 hexadecimal digits that change with anything `transform` depends on.

    They are those of the numbers, whatever the order of bytes and axes in memory.
    """
    digest = hashlib.sha256(f"madapt 1 {adaptor.activation} {normalize}".encode())
    arrays = adaptor.parameters if center is None else adaptor.parameters | {"center": center}
    arrays = arrays | quantizer.arrays
    for name, array in sorted(arrays.items()):
        little_endian = array.astype(array.dtype.newbyteorder("<"), copy=False)
        digest.update(f"{name} {array.shape} {little_endian.dtype.str}".encode())
        digest.update(np.ascontiguousarray(little_endian).tobytes())
    return digest.hexdigest()[:16]
