"""A fixed rotation and what was learned behind it, as one adaptor; and an MLP carried over."""

from __future__ import annotations

import numpy as np

from madapt.adaptor import ResidualAdaptor
from madapt.backends import Backend
from madapt.training.optimizers import nearest_orthogonal

__all__ = ["carried", "composed", "moved"]


def composed(P: np.ndarray, learned: ResidualAdaptor, backend: Backend) -> ResidualAdaptor:
    """Return the adaptor that first applies P, then what was learned on its coordinates."""
    arrays = {name: backend.to_numpy(array) for name, array in learned.parameters.items()}
    R = arrays.pop("P", None)
    if R is not None:
        k = R.shape[0]
        # Training leaves 1e-6, which in float64 would be seen on the way back.
        R = nearest_orthogonal(R, tolerance=64 * float(np.finfo(R.dtype).eps))
        P = np.concatenate([P[:, :k] @ R, P[:, k:]], axis=1)
    return ResidualAdaptor(P, activation=learned.activation, **arrays)


def moved(adaptor: ResidualAdaptor, backend: Backend) -> ResidualAdaptor:
    """Return an adaptor of NumPy arrays as one of the backend's."""
    arrays = {name: backend.asarray(array) for name, array in adaptor.parameters.items()}
    return adaptor.replace(**arrays)


def carried(past: ResidualAdaptor | None, P: np.ndarray) -> ResidualAdaptor | None:
    """Return an adaptor's MLP, without a rotation, for the coordinates that P gives.

    What it adds to an embedding stays the same vector, in the other coordinates. None where
    there is no MLP.
    """
    if past is None or not past.has_mlp:
        return None
    arrays = {name: past.parameters[name].astype(P.dtype) for name in ("W1", "b1", "W2", "b2")}
    if not np.array_equal(past.P, P):
        turn = (past.P.T @ P).astype(P.dtype)  # from its coordinates to those of P
        arrays["W1"] = turn.T @ arrays["W1"]
        arrays["W2"], arrays["b2"] = arrays["W2"] @ turn, arrays["b2"] @ turn
    return ResidualAdaptor(activation=past.activation, **arrays)
