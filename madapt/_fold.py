"""An adaptor, a mean and both normalisations as one product and what follows it."""

from __future__ import annotations

from typing import Any

import numpy as np

from madapt._activations import ACTIVATIONS
from madapt._row_source import raise_not_finite
from madapt._rows import unit_rows
from madapt.adaptor import ResidualAdaptor

__all__ = ["SAFE_SQUARES", "Fold"]

#: Squared lengths whose root and reciprocal are exact to rounding, and whose sum lost nothing to
#: underflow or overflow. Rows beyond are rare and take the safe, slower way.
SAFE_SQUARES = (1e-26, 1e30)


class Fold:
    """What `transform_blocks` does to each block of rows.

    Parameters
    ----------
    adaptor : ResidualAdaptor
        As in `transform_blocks`.
    d, m : int
        Columns that come in, and that go out.
    mean : ndarray or None
        As in `transform_blocks`.
    normalize : bool
        As in `transform_blocks`.
    dtype : dtype
        To work in.

    Attributes
    ----------
    width : int
        Columns of the product: m, and h more with an MLP.
    """

    def __init__(
        self,
        adaptor: ResidualAdaptor,
        d: int,
        m: int,
        mean: np.ndarray | None,
        normalize: bool,
        dtype: np.dtype,
    ) -> None:
        arrays = {name: a.astype(dtype, copy=False) for name, a in adaptor.parameters.items()}
        P, W1 = arrays.get("P"), arrays.get("W1")
        self.m, self.normalize, self.activation = m, normalize, adaptor.activation
        self.W2 = arrays["W2"][:, :m] if adaptor.has_mlp else None
        self.weights = self._weights(P, W1, d, m)
        self.width = m if self.weights is None else self.weights.shape[1]
        self.shift = self._shift(arrays, mean, dtype)
        # Whether the length of a row cancels, and whether every entry of X is in the product,
        # so that one that is not finite shows there.
        cancels = mean is None and not adaptor.has_mlp
        self.measures_product = P is not None and (cancels or not normalize)
        self.scales_rows = normalize and not cancels

    @staticmethod
    def _weights(P: Any, W1: Any, d: int, m: int) -> np.ndarray | None:
        """Return [P[:, :m], P W1] or the part there is, None if that is the identity."""
        if W1 is None:
            return None if P is None else np.ascontiguousarray(P[:, :m])
        skip, hidden = (np.eye(d, m, dtype=W1.dtype), W1) if P is None else (P[:, :m], P @ W1)
        return np.hstack([skip, hidden])

    def _shift(self, arrays: dict[str, Any], mean: Any, dtype: np.dtype) -> np.ndarray | None:
        """Return what is added to the product, (width,): [b2, b1] - mean [P, P W1]."""
        if mean is None and self.W2 is None:
            return None
        shift = np.zeros(self.width, dtype)
        if self.W2 is not None:
            shift[: self.m], shift[self.m :] = arrays["b2"][: self.m], arrays["b1"]
        if mean is not None:
            mean = mean.astype(dtype, copy=False)
            shift -= mean[: self.m] if self.weights is None else mean @ self.weights
        return shift

    def write(self, X: np.ndarray, G: np.ndarray, out: np.ndarray, start: int) -> None:
        """Adapt the rows of X into `out`, (b, m); G, (b, width), is scratch."""
        squares = self._multiply(X, G)  # (b,)
        special = _outside(squares)
        if len(special):
            _check_finite(X, special, start)
            if self.normalize:
                if X[special].any():  # zero rows alone are right as they are
                    squares = self._multiply(_rescaled(X, special), G)
                squares[squares == 0] = 1
        if self.scales_rows:
            G /= np.sqrt(squares)[:, None]
        self._after_product(G)
        Z = G[:, : self.m]
        if self.normalize:
            self._write_unit_rows(Z, out, squares if self.measures_product else _squares(Z))
        else:
            np.copyto(out, Z, casting="same_kind")

    def _multiply(self, X: np.ndarray, G: np.ndarray) -> np.ndarray:
        """Write the product to G and return squared lengths, of its rows or those of X."""
        if self.weights is None:
            G[:] = X[:, : self.m]
        else:
            np.matmul(X, self.weights, out=G)
        return _squares(G if self.measures_product else X)

    def _after_product(self, G: np.ndarray) -> None:
        """Turn the product of unit rows into adapted rows, in its first m columns."""
        if self.shift is not None:
            G += self.shift
        if self.W2 is None:
            return
        hidden = G[:, self.m :]
        if self.activation == "relu":
            np.maximum(hidden, 0, out=hidden)
        else:
            hidden, _ = ACTIVATIONS[self.activation](hidden)
        G[:, : self.m] += hidden @ self.W2

    @staticmethod
    def _write_unit_rows(Z: np.ndarray, out: np.ndarray, squares: np.ndarray) -> None:
        """Write rows of Z at unit length; `squares` are its squared lengths, or 1 for 0."""
        special = _outside(squares)
        if len(special):
            Z[special] = unit_rows(Z[special])
            squares[special] = 1
        np.multiply(Z, (1 / np.sqrt(squares))[:, None], out=out, casting="same_kind")


def _outside(squares: np.ndarray) -> np.ndarray:
    """Return the rows whose squared length is not safe, NaN among them."""
    low, high = SAFE_SQUARES
    if squares.min() >= low and squares.max() <= high:
        return np.empty(0, np.intp)
    return np.flatnonzero(~((squares >= low) & (squares <= high)))


def _rescaled(X: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return X with some rows brought near length 1 by powers of two, which change no digit.

    The other rows stay in it: a product of another shape might round differently.
    """
    X = X.copy()
    _, exponents = np.frexp(np.abs(X[rows]).max(axis=1, keepdims=True))
    X[rows] = np.ldexp(X[rows], -exponents)
    return X


def _squares(X: np.ndarray) -> np.ndarray:
    """Return the squared length of each row, (n,)."""
    squares: np.ndarray = np.einsum("ij,ij->i", X, X)
    return squares


def _check_finite(X: np.ndarray, rows: np.ndarray, start: int) -> None:
    bad = rows[~np.isfinite(X[rows]).all(axis=1)]
    if len(bad):
        raise_not_finite(X[bad[:1]], start + int(bad[0]), "X")
