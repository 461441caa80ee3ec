"""Truncation: the first coordinates as they are."""

from __future__ import annotations

import numpy as np

from madapt.baselines._base import PrefixReducer

__all__ = ["Truncation"]


class Truncation(PrefixReducer):
    """Keep the first coordinates and drop the others.

    What one does to an embedding that was trained to be Matryoshka; the floor for one that
    was not.

    Parameters
    ----------
    dim : int or None, default=None
        Width of the output when `transform` is not told one; None is all d.
    normalize : bool, default=True
        Scale rows to unit length when they come in and again when they go out.

    Attributes
    ----------
    n_features_in_ : int
        The number d of columns seen in `fit`.
    feature_names_in_ : ndarray of shape (d,)
        Names of those columns, if X had names that are all text.

    Examples
    --------
    >>> from madapt.baselines import Truncation
    >>> Truncation(normalize=False).fit_transform([[3.0, 4.0, 5.0]], dim=2)
    array([[3., 4.]])
    """

    def _fit(self, X: np.ndarray) -> None:
        pass

    def _prefix(self, X: np.ndarray, m: int) -> np.ndarray:
        # A copy: the caller may write to what it gets, and X may be the caller's own.
        return X[:, :m].copy()
