"""The SVD rotation: the best linear prefix of every length at once."""

from __future__ import annotations

import numpy as np

__all__ = ["components_of", "second_moments", "svd_rotation"]

_BLOCK_ENTRIES = 2**21


def svd_rotation(X: np.ndarray, mean: np.ndarray | None = None) -> np.ndarray:
    """Return the right singular vectors of X as a full orthogonal matrix.

    Parameters
    ----------
    X : ndarray of shape (n, d), float32 or float64
        Finite rows; n may be smaller than d.
    mean : ndarray of shape (d,) or None, default=None
        What to take from each row first. The mean of the rows gives the principal axes;
        None takes nothing, as cosines want it.

    Returns
    -------
    ndarray of shape (d, d), dtype of X
        Rows are components, by falling singular value; the entry of largest magnitude of each
        is positive. Where the rows of X leave directions out (always if n < d), the last
        components are an orthonormal basis of those directions.

    Notes
    -----
    The components are the eigenvectors of X^T X, which is summed in float64 in blocks of
    rows: O(n d^2 + d^3) time, and O(d^2) memory beside X. Directions whose singular value is
    below about 1e-8 of the largest are not told apart.

    Examples
    --------
    >>> import numpy as np
    >>> svd_rotation(np.array([[0.0, 2.0], [1.0, 0.0]]))
    array([[0., 1.],
           [1., 0.]])
    """
    # Squares of numbers between -1 and 1 cannot overflow.
    scale = float(max(X.max(), -X.min())) or 1.0
    components = components_of(second_moments(X, mean, scale))
    return np.ascontiguousarray(components, dtype=X.dtype)


def second_moments(X: np.ndarray, mean: np.ndarray | None = None, scale: float = 1.0) -> np.ndarray:
    """Return the sum of x x^T over the rows x of (X - mean) / scale, shape (d, d), float64."""
    n, d = X.shape
    products = np.zeros((d, d))
    step = max(1, _BLOCK_ENTRIES // d)
    for start in range(0, n, step):
        block = X[start : start + step] / np.float64(scale)  # (step, d), float64
        if mean is not None:
            block -= mean / np.float64(scale)
        products += block.T @ block
    return products


def components_of(products: np.ndarray) -> np.ndarray:
    """Return the eigenvectors of X^T X as rows, as `svd_rotation` orders and turns them."""
    d = len(products)
    _, vectors = np.linalg.eigh(products)  # by rising eigenvalue
    components: np.ndarray = vectors[:, ::-1].T
    largest = np.abs(components).argmax(axis=1)
    signs = np.sign(components[np.arange(d), largest])
    turned: np.ndarray = components * signs[:, None]
    return turned
