"""What a backend must offer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from types import MappingProxyType
from typing import Any

import numpy as np

__all__ = ["Backend"]


class Backend:
    """Where arrays live and products run.

    Subclass it and set `name` and `xp`; override a method only where there is something
    better than the plain array code.

    Attributes
    ----------
    name : str
        What users write in ``backend=``.
    xp : module
        An array-API namespace.

    Notes
    -----
    Besides arrays a backend may have kernels: functions that compute a loss and its gradient
    in one go, where the losses would otherwise do it in array code. A kernel returns what
    the array code does, to rounding, or None where it cannot serve a case (another dtype, an
    unusual mask); the array code runs then. The value of a loss may be a 0-d array of the
    device instead of a float: the training reads it later, with those of other steps. A kernel
    is called with

    - ``"similarity"``: ``(Y, S, dims, *, topk_weight, pairwise_weight, neighbors,
      columns, pairs, weights)``, the weighted sum of `madapt.losses.topk_loss` and `pairwise_loss`;
    - ``"listwise"``: the arguments of `madapt.losses.listwise_loss`;
    - ``"graded_listwise"``: those of `madapt.losses.graded_listwise_loss`;
    - ``"ranking"``: those of `madapt.losses.ranking_loss`;
    - ``"neighbor_pairs"``: ``(S, k, *, pairs, exclude_self)``, as `madapt.losses.neighbor_pairs`
      among the pairs that count;
    - ``"residual"``: (X, P, W1, b1, W2, b2, activation), the forward pass of
      `madapt.adaptor.ResidualAdaptor`; returns Y, U and the backward pass;
    - ``"adam_direction"``: (gradient, mean, square, betas, epsilon, steps), the direction of
      `madapt.training.optimizers.Adam`; the two moments are changed in place;
    - ``"orthogonal_step"``: (P, a, longest, v), P after a step along the skew matrix a as
      `madapt.training.optimizers.OrthogonalAdam` takes it, v where its power iteration begins;
    - ``"product"``: (A, B), their matrix product;
    - ``"nearest"``: (Q, blocks, k, repeats) and ``"nearest_others"``: (X, k), the rows with the
      k largest inner products, for `madapt.neighbors.top_k`;
    - ``"hold"``: (blocks, shape), the same blocks as one array where the products run, or None
      where there is no room for it; ``"nearest"`` is then handed slices of it;
    - ``"stream"``: (blocks, rows, shape, dtype, make, take), blocks of rows computed where the
      products run, for `transform` of rows that are elsewhere.

    In the square form, where rows are compared with themselves, S is symmetric.
    """

    name: str
    xp: Any

    @property
    def kernels(self) -> Mapping[str, Callable[..., Any]]:
        """The kernels there are, by name; none here."""
        return MappingProxyType({})

    def training(self) -> AbstractContextManager[Any]:
        """Return a context in which training steps run; of no effect here."""
        return nullcontext()

    def asarray(self, X: Any) -> Any:
        """Return a NumPy array as one of this backend's, same shape and dtype."""
        return self.xp.asarray(X)

    def to_numpy(self, X: Any) -> np.ndarray:
        """Return one of this backend's arrays as a NumPy array."""
        return np.asarray(X)
