"""Numbers of mean square 1 at 2, 4 or 16 levels, several codes to a byte."""

from __future__ import annotations

import numpy as np

from madapt._packing import pack, unpack

__all__ = ["at_levels", "of_levels"]

#: Upper halves of the levels that lose least of a Gaussian of variance 1 (J. Max, 1960).
_HALVES = {
    1: [0.7979],
    2: [0.4528, 1.5104],
    4: [0.1284, 0.3881, 0.6568, 0.9424, 1.2562, 1.6181, 2.0690, 2.7326],
}
#: All levels, rising, by the number of bits.
_LEVELS = {
    bits: np.concatenate([-np.array(half[::-1]), half]).astype(np.float32)
    for bits, half in _HALVES.items()
}
_THRESHOLDS = {bits: (levels[1:] + levels[:-1]) / 2 for bits, levels in _LEVELS.items()}


def at_levels(W: np.ndarray, bits: int) -> np.ndarray:
    """Return which level each number is nearest to, packed.

    Parameters
    ----------
    W : ndarray of shape (n, m), float32 or float64
        Of mean square 1.
    bits : {1, 2, 4}
        Of a code.

    Returns
    -------
    ndarray of shape (n, ceil(m bits / 8)), uint8
        One bit is ``np.packbits`` of what is above 0; others as `madapt._packing.pack`.
    """
    if bits == 1:
        return np.packbits(W > 0, axis=1)
    return pack(np.searchsorted(_THRESHOLDS[bits], W).astype(np.uint8), bits)


def of_levels(codes: np.ndarray, m: int, bits: int) -> np.ndarray:
    """Return the levels that codes stand for.

    Parameters
    ----------
    codes : ndarray of shape (n, ceil(m bits / 8)), uint8
        From `at_levels`.
    m : int
        How many a row holds.
    bits : {1, 2, 4}
        Of a code.

    Returns
    -------
    ndarray of shape (n, m), float32
        A new array.
    """
    levels: np.ndarray = _LEVELS[bits][unpack(codes, m, bits)]
    return levels
