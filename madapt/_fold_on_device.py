"""Adapted prefixes of rows on a device, computed there; all of it is array-API code."""

from __future__ import annotations

from typing import Any

import numpy as np
from array_api_compat import array_namespace

from madapt._activations import ACTIVATIONS
from madapt._fold import SAFE_SQUARES, Fold
from madapt._on_device import check_rows_on_device, like_on_device, to_host
from madapt._rows import unit_rows
from madapt.adaptor import ResidualAdaptor
from madapt.exceptions import InvalidValueError

__all__ = ["FoldOnDevice", "raise_not_finite_on_device", "transform_on_device"]

#: Working memory of a block of rows on a device.
BLOCK_BYTES = 256 * 2**20


class FoldOnDevice:
    """What `madapt._fold.Fold` does to a block of rows, where the block is.

    Parameters
    ----------
    fold : Fold
        On the host.
    asarray : function
        Takes a NumPy array to the device.
    """

    def __init__(self, fold: Fold, asarray: Any) -> None:
        self.fold = fold
        arrays = (fold.weights, fold.shift, fold.W2)
        self.weights, self.shift, self.W2 = (None if A is None else asarray(A) for A in arrays)

    def __call__(self, X: Any) -> tuple[Any, Any]:
        """Return adapted rows (b, m), and whether some row needs `carefully`, a 0-d array."""
        Z, wrong = self.by_row(X)
        return Z, array_namespace(X).any(wrong)

    def by_row(self, X: Any) -> tuple[Any, Any]:
        """Return adapted rows (b, m), and which of them need `carefully`, (b,)."""
        xp, fold = array_namespace(X), self.fold
        G = self._product(X)
        measured = G if fold.measures_product else X
        squares = xp.sum(measured * measured, axis=1)
        wrong = _outside(squares, xp)
        if fold.scales_rows:
            G = G / xp.sqrt(xp.where(wrong, xp.ones_like(squares), squares))[:, None]
        Z = self._after_product(G, xp)
        if fold.normalize:
            if not fold.measures_product:
                squares = xp.sum(Z * Z, axis=1)
                wrong = wrong | _outside(squares, xp)
            Z = Z / xp.sqrt(xp.where(wrong, xp.ones_like(squares), squares))[:, None]
        return Z, wrong

    def carefully(self, X: Any) -> Any:
        """Return the same for any finite rows; slower."""
        xp = array_namespace(X)
        if not self.fold.normalize:
            return self._after_product(self._product(X), xp)
        return unit_rows(self._after_product(self._product(unit_rows(X)), xp))

    def _product(self, X: Any) -> Any:
        return X[:, : self.fold.m] if self.weights is None else X @ self.weights

    def _after_product(self, G: Any, xp: Any) -> Any:
        m = self.fold.m
        if self.shift is not None:
            G = G + self.shift
        if self.W2 is None:
            return G[:, :m]
        hidden, _ = ACTIVATIONS[self.fold.activation](G[:, m:])
        return G[:, :m] + hidden @ self.W2


def transform_on_device(
    adaptor: ResidualAdaptor,
    X: Any,
    m: int,
    *,
    mean: np.ndarray | None = None,
    normalize: bool = True,
    codec: Any = None,
    out: Any = None,
) -> Any:
    """Return the first m adapted coordinates of rows on a device, on that device.

    Parameters
    ----------
    adaptor : ResidualAdaptor
        Of NumPy arrays; they are taken to the device.
    X : array of shape (n, d)
        Of any array-API namespace.
    m, mean, normalize, codec : int, ndarray or None, bool, Codec or None
        As for `madapt._blocks.transform_blocks`. Codes are made on the host, of m floats a row.
    out : array of shape (n, m) or None, default=None
        Where the result goes, in the namespace of X and on its device; None makes a new array.

    Notes
    -----
    All blocks are begun before the first is looked at. Then the rare ones with rows that are
    zero, very long or not finite are found, and done again with care or refused.
    """
    xp, working = array_namespace(X), check_rows_on_device(X, "X")
    n, d = (int(size) for size in X.shape)
    dtype = np.dtype(np.float64 if working == xp.float64 else np.float32)
    fold = Fold(adaptor, d, m, mean, normalize, dtype)
    there = FoldOnDevice(fold, lambda A: like_on_device(A, X))
    rows = max(1, BLOCK_BYTES // (dtype.itemsize * (d + 2 * fold.width)))
    spans = [(start, min(start + rows, n)) for start in range(0, n, rows)]

    def block(span: tuple[int, int]) -> Any:
        return xp.astype(X[span[0] : span[1], :], working, copy=False)

    # Stand-ins on the CPU would warn of what is found by its squared length.
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        parts = [there(block(span)) for span in spans]
    made = []
    for span, (Z, is_rare) in zip(spans, parts, strict=True):
        if bool(is_rare):
            raise_not_finite_on_device(block(span), span[0], "X")
            Z = there.carefully(block(span))
        made.append(Z if codec is None else like_on_device(codec.encode(to_host(Z)), X))
    if out is None:
        return made[0] if len(made) == 1 else xp.concat(made, axis=0)
    for (start, stop), Z in zip(spans, made, strict=True):
        out[start:stop, :] = xp.astype(Z, out.dtype, copy=False)
    return out


def raise_not_finite_on_device(X: Any, start: int, name: str) -> None:
    """Raise for the first entry of X that is not finite; `start` is row 0's index."""
    xp = array_namespace(X)
    finite = xp.isfinite(X)
    if bool(xp.all(finite)):
        return
    row = int(xp.argmin(xp.astype(xp.all(finite, axis=1), xp.int8)))
    column = int(xp.argmin(xp.astype(finite[row, :], xp.int8)))
    raise InvalidValueError(
        f"{name} must be a 2-D array of finite real numbers, got {float(X[row, column])} in row "
        f"{start + row}, column {column}"
    )


def _outside(squares: Any, xp: Any) -> Any:
    """Tell which squared lengths are not safe, NaN among them."""
    low, high = SAFE_SQUARES
    return ~((squares >= low) & (squares <= high))
