"""Both stages, one after the other, and what was kept of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from madapt._linalg import svd_rotation
from madapt._rows import unit_rows
from madapt.adaptor import ResidualAdaptor
from madapt.backends import Backend
from madapt.neighbors import top_k
from madapt.training.comparison import Comparison, HeldOut
from madapt.training.guard import (
    NDCG_MARGIN,
    OVERLAP_MARGIN,
    is_no_worse,
    neighbor_overlap,
    query_ndcg,
)
from madapt.training.optimizers import nearest_orthogonal
from madapt.training.settings import Settings
from madapt.training.supervised import (
    CrossValidation,
    JudgedCorpus,
    cross_validate,
    learn_from_queries,
)
from madapt.training.unsupervised import initial_mlp, learn_from_documents

__all__ = ["Fit", "TrainingData", "fit_adaptor"]

#: Most rows that are held out in stage 1.
MOST_HELD_OUT = 1000
#: Neighbours whose overlap the guard of stage 1 measures.
N_OVERLAP = 10

Report = Callable[[str], Callable[[int, float], None] | None]


@dataclass(frozen=True)
class TrainingData:
    """What an adaptor is trained on, all rows normalised.

    Parameters
    ----------
    documents : ndarray of shape (n, d)
        As they enter the rotation: centred where centring is on.
    frozen_documents : ndarray of shape (n, d)
        The same without centring.
    queries, frozen_queries : ndarrays of shape (n_queries, d) or None
        Judged queries, likewise.
    qrels : csr_array of shape (n_queries, n) or None
        Their grades; each query has a positive.
    """

    documents: np.ndarray
    frozen_documents: np.ndarray
    queries: np.ndarray | None = None
    frozen_queries: np.ndarray | None = None
    qrels: csr_array | None = None


@dataclass
class Fit:
    """What training leaves behind, in NumPy."""

    #: The adaptor before any training.
    start: ResidualAdaptor
    #: The adaptor that was kept.
    adaptor: ResidualAdaptor
    #: Loss of each step of the final runs, stage 1 then stage 2.
    losses: list[float] = field(default_factory=list)
    #: Held-out scores, one list a column.
    table: dict[str, list[Any]] = field(default_factory=dict)
    #: Whether Ctrl-C ended it.
    interrupted: bool = False


def fit_adaptor(
    data: TrainingData,
    settings: Settings,
    generator: np.random.Generator,
    backend: Backend,
    *,
    report: Report = lambda stage: None,
) -> Fit:
    """Train an adaptor: stage 1 on the documents, stage 2 on judged queries if there are any.

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
        _stage_1(fit, data, settings, generator, backend, report)
        if data.qrels is not None and settings.hidden_dim is not None and not fit.interrupted:
            _stage_2(fit, data, settings, generator, backend, report)
    except KeyboardInterrupt:
        fit.interrupted = True
    return fit


def _start(X: np.ndarray, rotation: str) -> np.ndarray:
    """Return P of the start, shape (d, d): the SVD rotation, or the identity."""
    if rotation == "identity":
        return np.eye(X.shape[1], dtype=X.dtype)
    return np.ascontiguousarray(svd_rotation(X).T)


def _stage_1(
    fit: Fit,
    data: TrainingData,
    settings: Settings,
    generator: np.random.Generator,
    backend: Backend,
    report: Report,
) -> None:
    """Train on the documents and keep the first result that the guard lets pass.

    A rotation of fewer leading coordinates changes less: where one fails, the next
    smaller one is tried.
    """
    X, start = data.documents, fit.start
    held_out = _held_out(len(X), settings, generator)
    if not _has_work(settings) or len(X) - len(held_out) < 2:
        return
    if settings.guard and len(held_out) < 2:
        return  # nothing could show that a candidate is no worse
    targets = unit_rows(X)
    T = backend.asarray(targets)
    # A rotation moves no cosine by the length of its rows: unit ones cannot overflow.
    rows = targets if settings.is_rotation_learned else X
    for k in settings.rotation_dims if settings.is_rotation_learned else (X.shape[1],):
        U = backend.asarray(rows @ start.P[:, :k])
        with backend.training():
            learned, history = learn_from_documents(
                U,
                T,
                _first_state(U, settings, generator, backend),
                settings,
                generator,
                held_out=held_out,
                report=report(f"stage 1, {k} dims"),
                kernels=backend.kernels,
            )
        fit.losses, fit.interrupted = history.losses, history.interrupted
        candidate = _composed(start.P, learned, backend)
        if not settings.guard:
            fit.adaptor = candidate
            return
        fit.adaptor, fit.table = _guarded_by_overlap(start, candidate, data, settings, held_out)
        if fit.adaptor is candidate or fit.interrupted:
            return


def _guarded_by_overlap(
    start: ResidualAdaptor,
    candidate: ResidualAdaptor,
    data: TrainingData,
    settings: Settings,
    held_out: np.ndarray,
) -> tuple[ResidualAdaptor, dict[str, list[Any]]]:
    """Return what the neighbours of held-out rows let pass, and the table of scores."""
    split = [
        part
        for rows in (data.documents, data.frozen_documents)
        for part in (rows[held_out], np.delete(rows, held_out, axis=0))
    ]
    nearest, _ = top_k(split[0], split[1], N_OVERLAP)
    comparison = Comparison.of(
        lambda prefixes: neighbor_overlap(nearest, prefixes, settings.dims),
        HeldOut(*split),
        settings.dims,
        {"start": start.transform, "adaptor": candidate.transform},
    )
    passes = is_no_worse(comparison.scores["start"], comparison.scores["adaptor"], OVERLAP_MARGIN)
    table = comparison.table("overlap@10", "adaptor" if passes else "start")
    return (candidate if passes else start), table


def _stage_2(
    fit: Fit,
    data: TrainingData,
    settings: Settings,
    generator: np.random.Generator,
    backend: Backend,
    report: Report,
) -> None:
    """Cross-validate on the judged queries, and train on all where the guard lets it pass."""
    if len(data.documents) < 2 or (settings.guard and data.qrels.shape[0] < 2):
        return  # one document has no order, and one query cannot be held out
    P = fit.adaptor.P
    judged = JudgedCorpus(
        backend.asarray(data.queries @ P),
        backend.asarray(data.documents @ P),
        backend.asarray(unit_rows(data.documents)),
        data.qrels,
    )
    first, kernels = fit.adaptor.replace(P=None), backend.kernels
    if not first.has_mlp:
        first = initial_mlp(P.shape[0], settings, generator, judged.documents)
    max_iter = None
    if settings.guard:
        with backend.training():
            result = cross_validate(
                judged, first, settings, generator, report=report("stage 2, cv"), kernels=kernels
            )
        passes = is_no_worse(result.before, result.after, NDCG_MARGIN)
        fit.table = _supervised_table(fit, data, settings, result, passes)
        if not passes:
            return
        max_iter = result.n_steps if settings.early_stopping else None
    with backend.training():
        learned, history = learn_from_queries(
            judged,
            first,
            settings,
            generator,
            max_iter=max_iter,
            report=report("stage 2"),
            kernels=kernels,
        )
    fit.adaptor = _composed(P, learned, backend)
    fit.losses = fit.losses + history.losses
    fit.interrupted = history.interrupted


def _supervised_table(
    fit: Fit,
    data: TrainingData,
    settings: Settings,
    result: CrossValidation,
    passes: bool,
) -> dict[str, list[Any]]:
    """Return the scores of the queries that were held out."""
    qrels = data.qrels[result.held_out]
    stage_1 = "start" if fit.adaptor is fit.start else "adaptor"
    comparison = Comparison.of(
        lambda prefixes: query_ndcg(qrels, prefixes, settings.dims),
        HeldOut(
            data.queries[result.held_out],
            data.documents,
            data.frozen_queries[result.held_out],
            data.frozen_documents,
        ),
        settings.dims,
        {"start": fit.start.transform, "adaptor": fit.adaptor.transform},
    )
    comparison.scores["supervised"] = result.after
    return comparison.table("ndcg@10", "supervised" if passes else stage_1)


def _held_out(n: int, settings: Settings, generator: np.random.Generator) -> np.ndarray:
    """Draw the rows that stage 1 does not train on; none where nothing looks at them."""
    if not (settings.guard or settings.early_stopping):
        return np.arange(0)
    size = min(int(settings.validation_fraction * n), MOST_HELD_OUT)
    return np.sort(generator.permutation(n)[:size])


def _has_work(settings: Settings) -> bool:
    """Say whether stage 1 has anything to train."""
    if settings.unsupervised.max_iter == 0:
        return False
    if not settings.is_rotation_learned:
        return settings.hidden_dim is not None
    return any(m < settings.rotation_dims[0] for m in settings.dims)


def _first_state(
    U: Any, settings: Settings, generator: np.random.Generator, backend: Backend
) -> ResidualAdaptor:
    """Return what stage 1 trains: a rotation of its inputs, or an MLP on them."""
    if settings.is_rotation_learned:
        identity = np.eye(U.shape[1], dtype=backend.to_numpy(U[:1, :]).dtype)
        return ResidualAdaptor(backend.asarray(identity))
    return initial_mlp(U.shape[1], settings, generator, U)


def _composed(P: np.ndarray, learned: ResidualAdaptor, backend: Backend) -> ResidualAdaptor:
    """Return the adaptor that first applies P, then what was learned on its coordinates."""
    arrays = {name: backend.to_numpy(array) for name, array in learned.parameters.items()}
    R = arrays.pop("P", None)
    if R is not None:
        k = R.shape[0]
        # Training leaves 1e-6, which in float64 would be seen on the way back.
        R = nearest_orthogonal(R, tolerance=64 * float(np.finfo(R.dtype).eps))
        P = np.concatenate([P[:, :k] @ R, P[:, k:]], axis=1)
    return ResidualAdaptor(P, activation=learned.activation, **arrays)
