"""Random rotation: what a prefix is worth when no coordinate is better than another."""

from __future__ import annotations

import numpy as np
from sklearn.utils import check_random_state

from madapt.baselines._base import PrefixReducer

__all__ = ["RandomRotation"]


class RandomRotation(PrefixReducer):
    """Rotate by a random orthogonal matrix, drawn uniformly.

    A prefix of m coordinates is then a random projection, with the guarantees of Johnson and
    Lindenstrauss; at full length nothing is lost. It looks at no data.

    Parameters
    ----------
    dim : int or None, default=None
        Width of the output when `transform` is not told one; None is all d.
    normalize : bool, default=True
        Scale rows to unit length when they come in and again when they go out.
    random_state : int, RandomState instance or None, default=None
        Where the rotation is drawn from; an int gives the same one every time.

    Attributes
    ----------
    rotation_ : ndarray of shape (d, d), float32 or float64
        Rows are orthonormal.
    n_features_in_ : int
        The number d of columns seen in `fit`.
    feature_names_in_ : ndarray of shape (d,)
        Names of those columns, if X had names that are all text.

    References
    ----------
    F. Mezzadri, "How to generate random matrices from the classical compact groups", Notices
    of the AMS 54 (2007).

    Examples
    --------
    >>> from madapt.baselines import RandomRotation
    >>> RandomRotation(random_state=0).fit_transform([[3.0, 0.0, 4.0]], dim=2).shape
    (1, 2)
    """

    def __init__(
        self,
        dim: int | None = None,
        *,
        normalize: bool = True,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        super().__init__(dim, normalize=normalize)
        self.random_state = random_state

    def _fit(self, X: np.ndarray) -> None:
        d = X.shape[1]
        Q, R = np.linalg.qr(check_random_state(self.random_state).standard_normal((d, d)))
        # The signs of R make the distribution uniform over the orthogonal group.
        signs = np.where(np.diag(R) < 0, -1.0, 1.0)
        self.rotation_ = np.ascontiguousarray((Q * signs).T, dtype=X.dtype)

    def _prefix(self, X: np.ndarray, m: int) -> np.ndarray:
        Z: np.ndarray = X @ self.rotation_[:m].T.astype(X.dtype, copy=False)
        return Z
