"""From checked arguments to training data: unit length, centring, judged queries."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array

from madapt._fit_data import FitData
from madapt._linalg import svd_rotation
from madapt._rows import unit_rows
from madapt.exceptions import InvalidValueError
from madapt.training.centering import (
    FEWEST_QUERIES,
    Center,
    strength_from_hubs,
    strength_from_labels,
)
from madapt.training.data import TrainingData
from madapt.training.guard import query_ndcg
from madapt.training.settings import Settings

__all__ = ["prepare", "refuse_overflow"]


def prepare(
    data: FitData, center: float | str, settings: Settings, normalize: bool
) -> tuple[TrainingData, np.ndarray | None]:
    """Normalise, choose the strength of centring, centre, and keep the judged queries.

    Parameters
    ----------
    data : FitData
        Documents, queries or None, qrels or None.
    center : float or "auto"
        The strength of centring, or that it is chosen here.
    settings : Settings
        Of the fit.
    normalize : bool
        Scale rows to unit length.

    Returns
    -------
    training : TrainingData
        What comes of it.
    center : ndarray of shape (2, d) or None
        What documents and queries have lost.

    Raises
    ------
    ValueError
        If an MLP would be trained on rows whose squares come near an overflow.
    """
    judged = data.judged
    trains_mlp = len(judged) or not settings.is_rotation_learned
    if not normalize and settings.hidden_dim is not None and trains_mlp:
        refuse_overflow(data)
    X = unit_rows(data.documents) if normalize else data.documents
    if data.queries is None:
        return TrainingData(X, X), None
    Q = unit_rows(data.queries) if normalize else data.queries
    Q = Q.astype(X.dtype, copy=False)
    qrels = None if data.qrels is None or not len(judged) else data.qrels[judged]
    strength = center
    if isinstance(strength, str):
        strength = _strength(X, Q, judged, qrels, settings)
    if strength == 0:
        return TrainingData(X, X, Q, Q, judged, qrels), None
    means = Center.of(X, Q, strength)
    centred = TrainingData(X - means.document, X, Q - means.query, Q, judged, qrels)
    return centred, np.stack([means.document, means.query])


def refuse_overflow(data: FitData) -> None:
    """Refuse rows that no MLP can be trained on without scaling them."""
    dtype = data.documents.dtype
    largest = max(
        float(abs(rows).max()) for rows in (data.documents, data.queries) if rows is not None
    )
    limit = float(np.finfo(dtype).max) ** 0.4
    if largest > limit:
        raise InvalidValueError(
            f"normalize must be True where an MLP is trained on {dtype} entries above {limit:.0e}, "
            f"got False and {largest:.0e}"
        )


def _strength(
    X: np.ndarray,
    Q: np.ndarray,
    judged: np.ndarray,
    qrels: csr_array | None,
    settings: Settings,
) -> float:
    """Return the strength that judgments choose, or what hubs say without them."""
    if len(Q) < FEWEST_QUERIES:
        return 0.0
    if qrels is None or len(judged) < FEWEST_QUERIES:
        return strength_from_hubs(X, Q)

    def score(strength: float) -> np.ndarray:
        means = Center.of(X, Q, strength)
        documents, queries = X - means.document, Q[judged] - means.query
        P = svd_rotation(documents).T
        D, K = documents @ P, queries @ P
        return query_ndcg(qrels, lambda m: (K[:, :m], D[:, :m]), settings.dims)

    return strength_from_labels(score)
