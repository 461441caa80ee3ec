"""Both stages, one after the other."""

from __future__ import annotations

import numpy as np

from madapt._linalg import svd_rotation
from madapt.adaptor import ResidualAdaptor
from madapt.backends import Backend
from madapt.training.data import Fit, TrainingData
from madapt.training.first_stage import learn_without_labels
from madapt.training.progress import Report
from madapt.training.second_stage import learn_with_labels
from madapt.training.settings import Settings

__all__ = ["fit_adaptor"]


def fit_adaptor(
    data: TrainingData,
    settings: Settings,
    generator: np.random.Generator,
    backend: Backend,
    *,
    report: Report = lambda stage: None,
) -> Fit:
    """Train an adaptor, first without labels, then on judged queries if there are any.

    Parameters
    ----------
    data : TrainingData
    settings : Settings
    generator : numpy.random.Generator
    backend : Backend
        Where the training runs; data are NumPy and so is the result.
    report : callable
        Name of a stage -> callable of (steps done, loss), or None.

    Returns
    -------
    Fit
        Ctrl-C ends the training and leaves the best state so far; before there is a
        start, it is passed on.
    """
    P = _start(data.documents, settings.rotation)
    start = ResidualAdaptor(P, activation=settings.activation)
    fit = Fit(start, start)
    try:
        learn_without_labels(fit, data, settings, generator, backend, report)
        if data.qrels is not None and settings.hidden_dim is not None and not fit.interrupted:
            learn_with_labels(fit, data, settings, generator, backend, report)
    except KeyboardInterrupt:
        fit.interrupted = True
    return fit


def _start(X: np.ndarray, rotation: str) -> np.ndarray:
    """Return P of the start, shape (d, d): the SVD rotation, or the identity."""
    if rotation == "identity":
        return np.eye(X.shape[1], dtype=X.dtype)
    return np.ascontiguousarray(svd_rotation(X).T)
