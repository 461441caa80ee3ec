"""SVD rotation: the best linear prefix, and lossless at full length."""

from __future__ import annotations

import numpy as np

from madapt._linalg import svd_rotation
from madapt.baselines._base import PrefixReducer

__all__ = ["SVDRotation"]


class SVDRotation(PrefixReducer):
    """Rotate to the right singular vectors of the rows, without centring.

    Of all m-dimensional projections the prefix of m coordinates keeps most of the rows'
    squared length. The rotation is orthogonal, so at full length every inner product and
    cosine is what it was, to rounding. `MatryoshkaAdaptor` starts here.

    Parameters
    ----------
    dim : int or None, default=None
        Width of the output when `transform` is not told one; None is all d.
    normalize : bool, default=True
        Scale rows to unit length when they come in and again when they go out.

    Attributes
    ----------
    rotation_ : ndarray of shape (d, d), float32 or float64
        Rows are components, by falling singular value, completed to a basis when there are
        fewer rows than columns; the entry of largest magnitude of each is positive.
    n_features_in_ : int
        The number d of columns seen in `fit`.
    feature_names_in_ : ndarray of shape (d,)
        Names of those columns, if X had names that are all text.

    Examples
    --------
    >>> import numpy as np
    >>> from madapt.baselines import SVDRotation
    >>> X = np.random.default_rng(0).standard_normal((50, 4))
    >>> Z = SVDRotation(normalize=False).fit_transform(X)
    >>> np.allclose(Z @ Z.T, X @ X.T)
    True
    """

    def _fit(self, X: np.ndarray) -> None:
        self.rotation_ = svd_rotation(X)

    def _prefix(self, X: np.ndarray, m: int) -> np.ndarray:
        Z: np.ndarray = X @ self.rotation_[:m].T.astype(X.dtype, copy=False)
        return Z
