"""The residual adaptor: a rotation and an optional MLP, forward and backward by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, NamedTuple

from array_api_compat import array_namespace

from madapt._activations import ACTIVATIONS

__all__ = ["Forward", "ResidualAdaptor"]


_NO_KERNELS: Mapping[str, Callable[..., Any]] = MappingProxyType({})


class Forward(NamedTuple):
    """What a forward pass gives back."""

    #: Adapted rows, shape (n, d).
    Y: Any
    #: Rotated rows on the skip connection, shape (n, d); Y itself without an MLP.
    U: Any
    #: (dL/dY, dL/dU or None) -> {parameter name: gradient}. dL/dU holds what reaches U
    #: other than through Y, and matters for the rotation only.
    backward: Callable[..., dict[str, Any]]


@dataclass(frozen=True)
class ResidualAdaptor:
    """Y = U + activation(U W1 + b1) W2 + b2 with U = X P.

    It knows nothing of losses, estimators or where its arrays live: any array-API
    namespace will do, and nothing is changed in place.

    Parameters
    ----------
    P : array of shape (d, d) or None
        Orthogonal; None is the identity.
    W1, b1, W2, b2 : arrays of shapes (d, h), (h,), (h, d), (d,) or None
        The residual MLP; all None leaves it out.
    activation : {"relu", "gelu", "silu", "tanh", "identity"}, default="relu"
        Between the two layers.

    Notes
    -----
    Backward, with G = dL/dY, Z = U W1 + b1, H = activation(Z):

        dW2 = H^T G,  db2 = sum_i G_i,  dZ = (G W2^T) * activation'(Z),
        dW1 = U^T dZ,  db1 = sum_i dZ_i,  dU = G + dZ W1^T,  dP = X^T dU.

    References
    ----------
    Yoon, Sinha, Arik, Pfister: "Matryoshka-Adaptor", EMNLP 2024, arXiv 2407.20243 (the
    skip connection; P is the identity there).

    Examples
    --------
    >>> import numpy as np
    >>> from madapt.adaptor import ResidualAdaptor
    >>> quarter_turn = ResidualAdaptor(np.array([[0.0, 1.0], [-1.0, 0.0]]))
    >>> quarter_turn.transform(np.array([[1.0, 0.0]]))
    array([[0., 1.]])
    """

    P: Any = None
    W1: Any = None
    b1: Any = None
    W2: Any = None
    b2: Any = None
    activation: str = "relu"

    @property
    def has_mlp(self) -> bool:
        """Whether there is a residual MLP."""
        return self.W1 is not None

    @property
    def parameters(self) -> dict[str, Any]:
        """The arrays that are there, by name."""
        names = ("P", "W1", "b1", "W2", "b2")
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}

    def replace(self, **arrays: Any) -> ResidualAdaptor:
        """Return an adaptor with other arrays, by name."""
        return replace(self, **arrays)

    def with_mlp(self, W1: Any, W2: Any) -> ResidualAdaptor:
        """Return this adaptor with an MLP of weights W1 (d, h), W2 (h, d) and zero biases."""
        xp = array_namespace(W1)
        b1 = xp.zeros_like(W1[0, :])
        return replace(self, W1=W1, b1=b1, W2=W2, b2=xp.zeros_like(W2[0, :]))

    def forward(self, X: Any, kernels: Mapping[str, Callable[..., Any]] = _NO_KERNELS) -> Forward:
        """Adapt the rows of X, shape (n, d), and keep what the backward pass needs.

        Parameters
        ----------
        X : array of shape (n, d)
            Rows, of the backend and dtype of the parameters.
        kernels : mapping of str to callable, default={}
            A backend's; "residual" does the same in fewer passes.
        """
        if "residual" in kernels:
            parts = (self.P, self.W1, self.b1, self.W2, self.b2)
            found = kernels["residual"](X, *parts, self.activation)
            if found is not None:
                return Forward(*found)
        U = X if self.P is None else X @ self.P
        if not self.has_mlp:
            return Forward(U, U, lambda dY, dU=None: self._rotation_gradient(X, _add(dY, dU)))
        xp = array_namespace(X)
        H, slope = ACTIVATIONS[self.activation](U @ self.W1 + self.b1)  # (n, h)

        def backward(dY: Any, dU: Any = None) -> dict[str, Any]:
            dZ = (dY @ self.W2.T) * slope  # (n, h)
            gradients = {
                "W1": U.T @ dZ,
                "b1": xp.sum(dZ, axis=0),
                "W2": H.T @ dY,
                "b2": xp.sum(dY, axis=0),
            }
            if self.P is not None:
                through = _add(dY, dU) + dZ @ self.W1.T
                gradients |= self._rotation_gradient(X, through)
            return gradients

        return Forward(U + H @ self.W2 + self.b2, U, backward)

    def transform(self, X: Any, dim: int | None = None) -> Any:
        """Return the first `dim` coordinates of the adapted rows, computing no others.

        Parameters
        ----------
        X : array of shape (n, d)
            Rows, of the backend and dtype of the parameters.
        dim : int or None, default=None
            None is d.

        Returns
        -------
        array of shape (n, dim)
            One product of d x dim without an MLP, of d x (dim + h) with one.
        """
        m = X.shape[1] if dim is None else dim
        if not self.has_mlp:
            return X[:, :m] if self.P is None else X @ self.P[:, :m]
        xp = array_namespace(X)
        if self.P is None:
            U, Z = X[:, :m], X @ self.W1
        else:
            both = X @ xp.concat([self.P[:, :m], self.P @ self.W1], axis=1)
            U, Z = both[:, :m], both[:, m:]
        H, _ = ACTIVATIONS[self.activation](Z + self.b1)
        return U + H @ self.W2[:, :m] + self.b2[:m]

    def _rotation_gradient(self, X: Any, dU: Any) -> dict[str, Any]:
        return {} if self.P is None else {"P": X.T @ dU}


def _add(dY: Any, dU: Any) -> Any:
    return dY if dU is None else dY + dU
