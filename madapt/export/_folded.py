"""What `transform` does to one side, as one formula with as few arrays as there can be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from madapt._checks import check_one_of
from madapt._fitted import FittedAdaptorMixin
from madapt.exceptions import InvalidTypeError, InvalidValueError

__all__ = ["Folded", "folded", "refuse_mlp"]


@dataclass(frozen=True)
class Folded:
    """The adapted row y = x A + s + activation(x V + t) W of an input row x, in float64.

    Parameters
    ----------
    A : ndarray of shape (d, d)
        The rotation P; with an MLP that is linear, all of it.
    s : ndarray of shape (d,) or None
        None without centring and MLP.
    V, t, W : ndarrays of shapes (d, h), (h,), (h, d) or None
        The MLP; None if it is linear, is zero or is not there.
    activation : str
        Of the MLP.
    normalize : bool
        Whether x, and the prefix of y, get unit length; a zero row stays zero.
    origin : dict of str to str
        Version, fingerprint and side, for files to say where they come from.

    Notes
    -----
    With the mean c of the side, U = (x - c) P and y = U + activation(U W1 + b1) W2 + b2:

        A = P,  s = b2 - c P,  V = P W1,  t = b1 - c P W1,  W = W2,

    and for the activation z = z, A = P + P W1 W2, s = b2 - c P + t W2. Coordinate j of y needs
    column j of A, s and W alone, so that every prefix is that of the whole.
    """

    A: np.ndarray
    s: np.ndarray | None
    V: np.ndarray | None
    t: np.ndarray | None
    W: np.ndarray | None
    activation: str
    normalize: bool
    origin: dict[str, str]

    @property
    def d(self) -> int:
        """Coordinates of a row."""
        return len(self.A)

    @property
    def is_matrix(self) -> bool:
        """Whether y = x A, without shift and MLP."""
        return self.s is None and self.V is None


def folded(adaptor: Any, side: str) -> Folded:
    """Return one side of a fitted adaptor.

    Parameters
    ----------
    adaptor : MatryoshkaAdaptor
        Fitted.
    side : {"document", "query"}
        Which mean is taken away.

    Returns
    -------
    Folded
        Equal to `transform` in exact arithmetic.

    Raises
    ------
    InvalidTypeError
        If adaptor is none.
    InvalidValueError
        If side is another.
    sklearn.exceptions.NotFittedError
        If it is not fitted.
    """
    from madapt import __version__

    if not isinstance(adaptor, FittedAdaptorMixin):
        raise InvalidTypeError(
            f"adaptor must be a fitted MatryoshkaAdaptor, got {type(adaptor).__name__}"
        )
    check_is_fitted(adaptor, "adaptor_")
    check_one_of(side, "side", ("document", "query"))
    arrays = {name: a.astype(np.float64) for name, a in adaptor.adaptor_.parameters.items()}
    mean = adaptor._mean(side)
    A = P = adaptor.rotation_.T.astype(np.float64)
    s = np.zeros(len(P)) if mean is None else -mean.astype(np.float64) @ P
    activation, hidden = adaptor.adaptor_.activation, (None, None, None)
    if adaptor.adaptor_.has_mlp:
        W1, W2 = arrays["W1"], arrays["W2"]
        t = arrays["b1"] + s @ W1
        s = s + arrays["b2"]
        if activation == "identity":
            A, s = P + P @ W1 @ W2, s + t @ W2
        elif W2.any():
            hidden = P @ W1, t, W2
    origin = {"madapt": __version__, "fingerprint": adaptor.fingerprint_, "side": side}
    shift = s if s.any() else None
    return Folded(A, shift, *hidden, activation, adaptor.quantizer_.unit, origin)


def refuse_mlp(model: Folded, what: str) -> None:
    """Refuse what no single linear map can do."""
    if model.V is not None:
        raise InvalidValueError(
            f"adaptor must be linear for {what}, got one with an MLP ({model.activation}): "
            "to_onnx and to_sentence_transformers take it"
        )
