"""Codes of files of format 1: not centred, and half way to whitening."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from madapt._balance import rotate
from madapt._levels import at_levels, of_levels
from madapt.quantization import Quantizer

__all__ = ["FirstQuantizer", "quantizer_of_format_1"]


class FirstQuantizer(Quantizer):
    """What a model of format 1 has: codes that are kept somewhere are made as they were.

    Notes
    -----
    With c_j the root mean square of coordinate j (`deviations`, the mean is 0): int4 has z_j / c_j
    at its levels and comes back as level_j sqrt(c_j); int2 and binary have z_j / sqrt(c_j), turned,
    and come back as the levels turned back.
    """

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """All that codes depend on, by the names that the fingerprint was made of."""
        arrays = super().arrays
        del arrays["mean"]
        return {"rms": arrays.pop("deviations"), **arrays}

    def encode(self, Z: np.ndarray, precision: str) -> np.ndarray:
        """Turn adapted prefixes into codes, of the shapes that `Quantizer.encode` says."""
        if precision != "int4":
            return super().encode(Z, precision)
        return at_levels(Z / self._rms(Z.shape[1]).astype(Z.dtype), 4)

    def decode(self, codes: np.ndarray, m: int, precision: str) -> np.ndarray:
        """Turn codes back into floats, (n, m), float32."""
        if precision != "int4":
            return super().decode(codes, m, precision)
        levels = of_levels(codes, m, 4)
        levels *= np.sqrt(self._rms(m)).astype(np.float32)
        return levels

    def _spread(self, Z: np.ndarray) -> np.ndarray:
        c = self._rms(Z.shape[1])
        whitened: np.ndarray = Z / (np.sqrt(c) * np.sqrt(c.mean())).astype(Z.dtype)
        return rotate(whitened.astype(np.float32, copy=False), self._blocks(Z.shape[1]))

    def _gathered(self, W: np.ndarray) -> np.ndarray:
        return rotate(W, self._blocks(W.shape[1]), back=True)

    def _rms(self, m: int) -> np.ndarray:
        rms = self.deviations[:m]
        return rms / np.sqrt(np.sum(np.square(rms))) if self.unit else rms


def quantizer_of_format_1(
    rms: np.ndarray,
    largest: np.ndarray,
    rotations: Mapping[int, tuple[np.ndarray, ...]],
    unit: bool,
) -> FirstQuantizer:
    """Return the quantizer of a file's content."""
    return FirstQuantizer(np.zeros_like(rms), rms, largest, rotations, unit)
