"""Codes of less than a byte, several to a byte."""

from __future__ import annotations

import numpy as np

__all__ = ["pack", "unpack"]


def pack(codes: np.ndarray, bits: int) -> np.ndarray:
    """Put codes of 2 or 4 bits into bytes, the first in the lowest bits.

    Parameters
    ----------
    codes : ndarray of shape (n, m), uint8
        Below 2^bits.
    bits : {2, 4}
        Of a code.

    Returns
    -------
    ndarray of shape (n, ceil(m bits / 8)), uint8
        The last byte is filled up with zeros.
    """
    n, m = codes.shape
    each = 8 // bits
    padded = np.zeros((n, -(-m // each) * each), np.uint8)
    padded[:, :m] = codes
    packed = padded[:, ::each].copy()
    for place in range(1, each):
        packed |= padded[:, place::each] << np.uint8(bits * place)
    return packed


def unpack(packed: np.ndarray, m: int, bits: int) -> np.ndarray:
    """Take codes of 1, 2 or 4 bits out of bytes.

    Parameters
    ----------
    packed : ndarray of shape (n, ceil(m bits / 8)), uint8
        From `pack`, or for 1 bit from `np.packbits`.
    m : int
        How many codes a row holds.
    bits : {1, 2, 4}
        Of a code.

    Returns
    -------
    ndarray of shape (n, m), uint8
        Below 2^bits.
    """
    if bits == 1:
        return np.unpackbits(packed, axis=1, count=m)
    each = 8 // bits
    codes = np.empty((len(packed), packed.shape[1] * each), np.uint8)
    for place in range(each):
        codes[:, place::each] = (packed >> np.uint8(bits * place)) & np.uint8(2**bits - 1)
    return codes[:, :m]
