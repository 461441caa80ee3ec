"""The prediction loss: a relevant document says what its query was."""

from __future__ import annotations

from typing import Any

from array_api_compat import array_namespace

from madapt.losses._prefix import one_hot

__all__ = ["prediction_loss"]


def prediction_loss(Q: Any, predicted: Any, grades: Any) -> tuple[float, tuple[Any, Any]]:
    """Mean L1 distance of queries from what their documents predict, weighted by grade.

    Parameters
    ----------
    Q : array of shape (B, d), float32 or float64
        Adapted queries.
    predicted : array of shape (n, d)
        The query that each document predicts.
    grades : array of shape (B, n)
        Grades r at or above 0; a pair of grade 0 does not count.

    Returns
    -------
    value : float
        0 where no grade is above 0.
    gradient : pair of arrays of shapes (B, d) and (n, d)
        With respect to Q and predicted.

    Notes
    -----
    L_pred = sum over i, j of r_ij sum over coordinates | q_i - p_j | / sum over i, j of r_ij;
    subgradient 0 within 8 eps. Time O(T (B + n) d) for T pairs with a grade above 0.

    References
    ----------
    Yoon, Chen, Arik, Pfister: "Search-Adaptor: Embedding Customization for Information
    Retrieval", ACL 2024, arXiv 2310.08750, the prediction loss.

    Examples
    --------
    >>> import numpy as np
    >>> from madapt.losses import prediction_loss
    >>> value, (dQ, _) = prediction_loss(np.array([[1.0, 2.0]]), np.zeros((1, 2)), np.ones((1, 1)))
    >>> value, dQ.tolist()
    (3.0, [[1.0, 1.0]])
    """
    xp = array_namespace(Q)
    query, document = xp.nonzero(grades > 0)  # T pairs (i, j)
    at_query = one_hot(query, Q.shape[0], Q)  # (T, B)
    at_document = one_hot(document, predicted.shape[0], Q)  # (T, n)
    r = xp.sum(xp.take(grades, query, axis=0) * at_document, axis=1)  # (T,)
    weight = r / xp.sum(r)
    difference = xp.take(Q, query, axis=0) - xp.take(predicted, document, axis=0)  # (T, d)
    magnitude = xp.abs(difference)
    apart = magnitude > 8 * xp.finfo(Q.dtype).eps
    pull = xp.where(apart, xp.sign(difference), xp.zeros_like(difference)) * weight[:, None]
    value = float(xp.sum(weight * xp.sum(magnitude, axis=1)))
    return value, (at_query.T @ pull, -(at_document.T @ pull))
