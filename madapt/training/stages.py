"""Both stages, one after the other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from madapt._linalg import svd_rotation
from madapt.adaptor import ResidualAdaptor
from madapt.backends import Backend
from madapt.training.data import Fit, TrainingData
from madapt.training.first_stage import Trainer, learn_without_labels, trainer_here
from madapt.training.optimizers import nearest_orthogonal
from madapt.training.progress import Report, Watcher
from madapt.training.runs import Runs
from madapt.training.second_stage import learn_with_labels
from madapt.training.settings import Settings
from madapt.training.spread import spread_share

__all__ = ["fit_adaptor"]


def fit_adaptor(
    data: TrainingData,
    settings: Settings,
    generator: np.random.Generator,
    backend: Backend,
    *,
    report: Report = lambda stage: None,
    watcher: Watcher | None = None,
    past: ResidualAdaptor | None = None,
    checkpoint: Mapping[str, Any] | None = None,
    rotation: np.ndarray | None = None,
    trainer: Trainer = trainer_here,
) -> Fit:
    """Train an adaptor, first without labels, then on judged queries if there are any.

    Parameters
    ----------
    data : TrainingData
        Rows and judgments, normalised and centred.
    settings : Settings
        Of both stages.
    generator : numpy.random.Generator
        What is drawn is drawn from it.
    backend : Backend
        Where the training runs; data are NumPy and so is the result.
    report : callable
        Name of a stage -> callable of (steps done, loss), or None.
    watcher : Watcher or None, default=None
        Who else looks at each step, and may end the training.
    past : ResidualAdaptor or None, default=None
        What the training starts from, in NumPy; the guard still compares with the start.
    checkpoint : mapping or None, default=None
        Of an interrupted fit on the same data, with the same settings and generator: what it
        had found is taken from there.
    rotation : ndarray of shape (d, d) or None, default=None
        P of the start; None is the SVD rotation of these documents, or the identity.
    trainer : callable
        Says where the first stage is trained.

    Returns
    -------
    Fit
        Ctrl-C ends the training and leaves the best state so far; before there is a
        start, it is passed on.
    """
    settings = settings.narrowed(spread_share(data.documents))
    P = _start(data.documents, settings.rotation) if rotation is None else rotation
    start = ResidualAdaptor(P, activation=settings.activation)
    fit = Fit(start, start, past=None if past is None else _like(past, P))
    runs = Runs(backend, report, watcher, checkpoint)
    try:
        learn_without_labels(fit, data, settings, generator, backend, runs, trainer=trainer)
        queries = data.judged_queries
        if queries is not None and settings.hidden_dim is not None and not fit.interrupted:
            learn_with_labels(fit, data, queries, settings, generator, backend, runs)
    except KeyboardInterrupt:
        fit.interrupted = True
    fit.checkpoint = runs.checkpoint() if fit.interrupted else None
    fit.is_new = runs.is_new
    return fit


def _start(X: np.ndarray, rotation: str) -> np.ndarray:
    """Return P of the start, shape (d, d): the SVD rotation, or the identity."""
    if rotation == "identity":
        return np.eye(X.shape[1], dtype=X.dtype)
    return np.ascontiguousarray(svd_rotation(X).T)


def _like(past: ResidualAdaptor, P: np.ndarray) -> ResidualAdaptor:
    """Return an adaptor in the dtype of P, orthogonal to the precision of that."""
    arrays = {name: W.astype(P.dtype, copy=False) for name, W in past.parameters.items()}
    if past.P.dtype != P.dtype:
        tolerance = 64 * float(np.finfo(P.dtype).eps)
        arrays["P"] = nearest_orthogonal(arrays["P"], tolerance=tolerance)
    return past.replace(**arrays)
