"""PCA: centre, then rotate to the principal axes."""

from __future__ import annotations

import numpy as np

from madapt._linalg import svd_rotation
from madapt.baselines._base import PrefixReducer

__all__ = ["PCAReducer"]


class PCAReducer(PrefixReducer):
    """Take the mean from each row and rotate to the principal axes.

    Centring changes cosines, so this is not lossless at full length; on some collections it
    retrieves better for it, on others worse.

    Parameters
    ----------
    dim : int or None, default=None
        Width of the output when `transform` is not told one; None is all d.
    normalize : bool, default=True
        Scale rows to unit length when they come in and again when they go out. Centring
        comes in between.

    Attributes
    ----------
    mean_ : ndarray of shape (d,), float32 or float64
        Mean of the rows.
    rotation_ : ndarray of shape (d, d), float32 or float64
        Rows are principal axes, by falling variance. The first min(n - 1, d) are the
        ``components_`` of `sklearn.decomposition.PCA`, signs included; the others complete
        them to a basis, so that there are always d coordinates.
    n_features_in_ : int
        The number d of columns seen in `fit`.
    feature_names_in_ : ndarray of shape (d,)
        Names of those columns, if X had names that are all text.

    Examples
    --------
    >>> import numpy as np
    >>> from madapt.baselines import PCAReducer
    >>> X = np.random.default_rng(0).standard_normal((50, 4)) * [1, 5, 2, 1] + 3
    >>> Z = PCAReducer(normalize=False).fit_transform(X)
    >>> bool((np.diff(Z.var(axis=0)) < 0).all())
    True
    """

    _min_rows = 2

    def _fit(self, X: np.ndarray) -> None:
        mean = X.mean(axis=0, dtype=np.float64)
        self.mean_ = mean.astype(X.dtype)
        self.rotation_ = svd_rotation(X, mean)

    def _prefix(self, X: np.ndarray, m: int) -> np.ndarray:
        centred = X - self.mean_.astype(X.dtype, copy=False)
        Z: np.ndarray = centred @ self.rotation_[:m].T.astype(X.dtype, copy=False)
        return Z
