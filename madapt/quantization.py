"""Codes of few bits for adapted rows, and the way back to floats for scoring."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np

from madapt._balance import balancing_rotations, calibrated_dims, rotate
from madapt._blocks import Codec
from madapt._checks import check_integer, check_one_of
from madapt._levels import at_levels, of_levels
from madapt.exceptions import InvalidTypeError, InvalidValueError

__all__ = ["PRECISIONS", "Quantizer", "bytes_per_vector"]

#: Bits a coordinate takes, by the name of the precision.
PRECISIONS: Mapping[str, int] = MappingProxyType(
    {"float32": 32, "float16": 16, "int8": 8, "int4": 4, "int2": 2, "binary": 1}
)

#: Documents that are looked at: more change the codes little.
MAX_ROWS = 5_000


def bytes_per_vector(dim: int, precision: str) -> int:
    """Return what one vector of `dim` coordinates takes.

    Parameters
    ----------
    dim : int
        At least 1.
    precision : {"float32", "float16", "int8", "int4", "int2", "binary"}
        Of each coordinate.

    Returns
    -------
    int
        Whole bytes: codes of less than a byte are packed, and the last byte is filled up.

    Raises
    ------
    ValueError, TypeError
        If dim or precision is not one of the above.

    Examples
    --------
    >>> from madapt.quantization import bytes_per_vector
    >>> [bytes_per_vector(100, precision) for precision in ("float32", "int4", "binary")]
    [400, 50, 13]
    """
    dim = check_integer(dim, "dim", low=1)
    check_one_of(precision, "precision", tuple(PRECISIONS))
    return -(-dim * PRECISIONS[precision] // 8)


@dataclass(frozen=True)
class Quantizer:
    """What turns adapted prefixes into codes and back, learned from documents.

    Parameters
    ----------
    mean : ndarray of shape (d,), float64
        Mean of each adapted coordinate.
    deviations : ndarray of shape (d,), float64
        Standard deviation of each.
    largest : ndarray of shape (d,), float64
        The largest magnitude in the rows' prefix of m coordinates, at place m - 1.
    rotations : dict of int to tuple of ndarray
        Orthogonal matrices that balance the bits within a prefix, by its length: one, or
        several for interleaved coordinates of a long one (block k of s takes k, k + s, ...).
    unit : bool
        Whether prefixes have unit length.

    Notes
    -----
    For a prefix z of m coordinates:

    - int8: round(127 z / largest[m - 1]), one scale for all coordinates, so that cosines of
      the codes are those of the vectors.
    - int4, int2, binary: w = R^T (z - mean) / s, where R lies well with the signs of w
      (iterative quantisation) and s is what makes the mean square of w one, at the 16, 4 or 2
      levels that lose least of a Gaussian.

    Decoding goes back the same way, mean + s R level. What all documents share takes no bits so,
    and what a rotation gathered in the leading coordinates takes no more than its share.
    Coordinates beyond the longest prefix that has a rotation are divided by their own deviation.

    References
    ----------
    Y. Gong, S. Lazebnik, "Iterative quantization: a Procrustean approach to learning binary
    codes", CVPR 2011. J. Max, "Quantizing for minimum distortion", IRE Trans. IT 6 (1960).

    Examples
    --------
    >>> import numpy as np
    >>> from madapt.quantization import Quantizer
    >>> Z = np.random.default_rng(0).standard_normal((500, 16), dtype=np.float32)
    >>> quantizer = Quantizer.fit(Z, dims=(8, 16), unit=False)
    >>> codes = quantizer.encode(Z[:, :8], "int4")
    >>> codes.shape, codes.dtype
    ((500, 4), dtype('uint8'))
    >>> decoded = quantizer.decode(codes, 8, "int4")
    >>> round(float(np.corrcoef(decoded.ravel(), Z[:, :8].ravel())[0, 1]), 2)
    1.0
    """

    mean: np.ndarray
    deviations: np.ndarray
    largest: np.ndarray
    rotations: Mapping[int, tuple[np.ndarray, ...]]
    unit: bool

    @classmethod
    def fit(cls, Z: np.ndarray, dims: tuple[int, ...], *, unit: bool = True) -> Quantizer:
        """Calibrate on adapted documents.

        Parameters
        ----------
        Z : ndarray of shape (n, d), float32 or float64
            Adapted documents at full dim, finite.
        dims : tuple of int
            Prefix lengths in 1..d that get a rotation of their own.
        unit : bool, default=True
            Whether prefixes will be scaled to unit length.

        Returns
        -------
        Quantizer
            The same for the same rows. O(n d^2) time for up to 5,000 rows, and decompositions
            of matrices of up to 384 x 384.
        """
        Z = spread_rows(Z).astype(np.float64)
        # Squares of the smallest and the largest numbers there are would not be any.
        scale = np.abs(Z).max() or 1.0
        mean, deviations = scale * np.mean(Z / scale, axis=0), scale * np.std(Z / scale, axis=0)
        if deviations.max() <= 1e-6 * scale:
            # Documents that are all the same do not say how others differ from them.
            mean, deviations = np.zeros_like(mean), np.hypot(mean, deviations)
        largest = np.maximum.accumulate(np.abs(Z), axis=1)
        if unit:
            lengths = scale * np.sqrt(np.cumsum(np.square(Z / scale), axis=1))
            largest = largest / np.where(lengths > 0, lengths, 1)
        # A coordinate that is always the same is divided by nothing smaller than the others'.
        floor = 1e-6 * deviations.max() or 1e-6 * scale
        top = largest.max(axis=0)
        spread = np.maximum(deviations, floor)
        quantizer = cls(mean, spread, np.where(top > 0, top, 1), {}, bool(unit))
        rotations = {
            m: balancing_rotations(_standardized(_unit_prefix(Z, m, unit)))
            for m in calibrated_dims(dims, Z.shape[1])
        }
        return replace(quantizer, rotations=rotations)

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """All that codes depend on, by name."""
        turns = {
            f"rotation {m} {k}": R
            for m, blocks in self.rotations.items()
            for k, R in enumerate(blocks)
        }
        learned = {"mean": self.mean, "deviations": self.deviations, "largest": self.largest}
        return learned | turns

    def encode(self, Z: np.ndarray, precision: str) -> np.ndarray:
        """Turn adapted prefixes into codes.

        Parameters
        ----------
        Z : ndarray of shape (n, m), float32 or float64
            The first m adapted coordinates, finite.
        precision : {"int8", "int4", "int2", "binary"}
            Bits of each coordinate.

        Returns
        -------
        ndarray of shape (n, m), int8, or (n, bytes_per_vector(m, precision)), uint8
            Packed below 8 bits. binary is ``np.packbits``: the first coordinate is the highest
            bit. int4 and int2 begin with the lowest bits, as FAISS's 4-bit codes do.
        """
        m = Z.shape[1]
        if precision == "int8":
            steps: np.ndarray = Z * Z.dtype.type(127 / self.largest[m - 1])
            rounded: np.ndarray = np.rint(np.clip(steps, -127, 127))
            return rounded.astype(np.int8)
        return at_levels(self._spread(Z), PRECISIONS[precision])

    def decode(self, codes: np.ndarray, m: int, precision: str) -> np.ndarray:
        """Turn codes back into floats that are scored against float queries.

        Parameters
        ----------
        codes : ndarray of shape (n, bytes_per_vector(m, precision))
            What `encode` gave.
        m : int
            Coordinates they stand for.
        precision : {"int8", "int4", "int2", "binary"}
            Bits of each coordinate.

        Returns
        -------
        ndarray of shape (n, m), float32
            In the adapted coordinates; of no particular length, as cosines do not mind.
        """
        if precision == "int8":
            return codes.astype(np.float32) * np.float32(self.largest[m - 1] / 127)
        return self._gathered(of_levels(codes, m, PRECISIONS[precision]))

    def _spread(self, Z: np.ndarray) -> np.ndarray:
        """Return coordinates of mean square 1 that a few levels are made for; (n, m), float32."""
        m = Z.shape[1]
        mean, scales = self._prefix(m, unit=self.unit)
        W: np.ndarray = (Z - mean.astype(Z.dtype)) / scales.astype(Z.dtype)
        return rotate(W.astype(np.float32, copy=False), self._blocks(m))

    def _gathered(self, W: np.ndarray) -> np.ndarray:
        """Return the way back from levels, in units of the prefixes' length."""
        m = W.shape[1]
        mean, scales = self._prefix(m, unit=True)
        turned = rotate(W, self._blocks(m), back=True)
        turned *= scales.astype(np.float32)
        turned += mean.astype(np.float32)
        return turned

    def _prefix(self, m: int, *, unit: bool) -> tuple[np.ndarray, np.ndarray]:
        """Return means and scales of prefixes of m coordinates, (m,), if of unit length or not."""
        mean, scales = self.mean[:m], self.deviations[:m].copy()
        k = sum(len(R) for R in self._blocks(m))
        scales[:k] = _root_mean_square(scales[:k])
        if unit:
            length = _root_mean_square(np.hypot(mean, self.deviations[:m])) * np.sqrt(m)
            mean, scales = mean / length, scales / length
        return mean, scales

    def _blocks(self, m: int) -> tuple[np.ndarray, ...]:
        """Return the rotations of prefix m, or of the longest one within it."""
        known = [k for k in self.rotations if k <= m]
        return self.rotations[max(known)] if known else ()


def codec_of(quantizer: Quantizer, m: int, precision: str) -> Codec:
    """Return what the block loop keeps of prefixes of m coordinates."""
    if PRECISIONS[precision] > 8:
        dtype = np.dtype(precision)
        return Codec(lambda Z: Z.astype(dtype), m, dtype)
    kept = np.dtype(np.int8 if precision == "int8" else np.uint8)
    width = bytes_per_vector(m, precision)
    return Codec(lambda Z: quantizer.encode(Z, precision), width, kept)


def spread_rows(X: np.ndarray) -> np.ndarray:
    """Return X, or 5,000 rows at even distances."""
    if len(X) <= MAX_ROWS:
        return X
    return X[np.linspace(0, len(X) - 1, MAX_ROWS).astype(np.intp)]


def check_codes(codes: Any, precision: str, dim: int) -> np.ndarray:
    """Return codes as an array of the dtype and width that `dim` and `precision` give."""
    found: np.ndarray = np.asarray(codes)
    if PRECISIONS[precision] > 8:
        wanted, width = precision, dim
    else:
        wanted = "int8" if precision == "int8" else "uint8"
        width = bytes_per_vector(dim, precision)
    if found.dtype != np.dtype(wanted):
        raise InvalidTypeError(
            f"codes must be {wanted} for precision {precision!r}, got dtype {found.dtype}"
        )
    if found.ndim != 2 or found.shape[1] != width:
        raise InvalidValueError(
            f"codes must have shape (n, {width}) for dim {dim} and precision {precision!r}, "
            f"got {found.shape}"
        )
    return found


def _unit_prefix(Z: np.ndarray, m: int, unit: bool) -> np.ndarray:
    prefix = Z[:, :m]
    if not unit:
        return prefix
    lengths = np.sqrt(np.einsum("ij,ij->i", prefix, prefix))[:, None]  # (n, 1)
    return prefix / np.where(lengths > 0, lengths, 1)


def _standardized(Z: np.ndarray) -> np.ndarray:
    """Return rows less their mean, of mean square 1; (n, m), float32."""
    rest = Z - Z.mean(axis=0)
    standardized: np.ndarray = rest / (_root_mean_square(rest) or 1.0)
    return standardized.astype(np.float32)


def _root_mean_square(x: np.ndarray) -> float:
    largest = np.abs(x).max(initial=0)
    return float(largest * np.sqrt(np.mean(np.square(x / largest)))) if largest else 0.0
