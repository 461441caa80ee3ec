"""A fixed rotation and what was learned behind it, as one adaptor."""

from __future__ import annotations

import numpy as np

from madapt.adaptor import ResidualAdaptor
from madapt.backends import Backend
from madapt.training.optimizers import nearest_orthogonal

__all__ = ["composed"]


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
