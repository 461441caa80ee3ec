"""The second stage: learn from judged queries, and keep it where the guard lets it pass."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from madapt._rows import unit_rows
from madapt.adaptor import ResidualAdaptor
from madapt.backends import Backend
from madapt.training.comparison import Comparison, HeldOut
from madapt.training.composition import carried, composed
from madapt.training.data import Fit, JudgedQueries, TrainingData
from madapt.training.guard import is_no_worse, labels_agree, query_ndcg
from madapt.training.runs import Runs
from madapt.training.settings import Settings
from madapt.training.supervised import (
    STRENGTHS,
    CrossValidation,
    JudgedCorpus,
    averaged,
    cross_validate,
    learn_from_queries,
    scaled,
)
from madapt.training.unsupervised import initial_mlp

__all__ = ["learn_with_labels"]

#: What the guard measures.
METRIC = "ndcg@10"


def learn_with_labels(
    fit: Fit,
    data: TrainingData,
    queries: JudgedQueries,
    settings: Settings,
    generator: np.random.Generator,
    backend: Backend,
    runs: Runs,
) -> None:
    """Cross-validate on the judged queries, and train on all where the guard lets it pass."""
    if len(data.documents) < 2 or (settings.guard and queries.qrels.shape[0] < 2):
        return  # one document has no order, and one query cannot be held out
    P = fit.adaptor.P
    judged = _rotated(data.documents, queries, P, backend)
    result = None
    if settings.guard:
        result = _cross_validated(fit, judged, settings, generator, backend, runs)
        if result is None or not _is_kept(fit, data, queries, settings, result):
            return
    first = _first(fit, judged, settings, generator, backend, last=True)
    with backend.training():
        learned, history = learn_from_queries(
            judged, first, settings, generator, run=runs("stage 2", P), kernels=backend.kernels
        )
    if result is not None:
        if len(_hidden(fit, settings)) == 2:
            learned = averaged(result.learned, learned)
        learned = scaled(learned, result.strength)
    fit.adaptor = composed(P, learned, backend)
    fit.losses = fit.losses + history.losses
    fit.interrupted = history.interrupted


def _rotated(
    documents: np.ndarray, judged: JudgedQueries, P: np.ndarray, backend: Backend
) -> JudgedCorpus:
    """Return judged queries and documents, rotated, where the training runs."""
    return JudgedCorpus(
        backend.asarray(judged.queries @ P),
        backend.asarray(documents @ P),
        backend.asarray(unit_rows(documents)),
        backend.asarray(unit_rows(judged.queries)),
        judged.qrels,
    )


def _hidden(fit: Fit, settings: Settings) -> tuple[int, ...]:
    """Return the hidden units of each MLP that is trained.

    A new MLP is the mean of two, that of the first fold and that of all queries.
    """
    h = settings.n_hidden
    is_mean = settings.guard and not _has_begun(fit) and h > 1
    return (h // 2, h - h // 2) if is_mean else (h,)


def _has_begun(fit: Fit) -> bool:
    """Say whether there is an MLP to go on from."""
    return fit.adaptor.has_mlp or (fit.past is not None and fit.past.has_mlp)


def _first(
    fit: Fit,
    judged: JudgedCorpus,
    settings: Settings,
    generator: np.random.Generator,
    backend: Backend,
    *,
    last: bool,
) -> ResidualAdaptor:
    """Return what is trained: the MLP of the first stage or of the past, or else a new one."""
    if fit.adaptor.has_mlp:
        return fit.adaptor.replace(P=None)
    past = carried(fit.past, fit.adaptor.P)
    if past is not None:
        return past.replace(**{name: backend.asarray(W) for name, W in past.parameters.items()})
    h = _hidden(fit, settings)[-1 if last else 0]
    return initial_mlp(judged.documents.shape[1], h, settings, generator, judged.documents)


def _cross_validated(
    fit: Fit,
    judged: JudgedCorpus,
    settings: Settings,
    generator: np.random.Generator,
    backend: Backend,
    runs: Runs,
) -> CrossValidation | None:
    """Train on folds; None where judgments have nothing to do with the embedding."""
    first = _first(fit, judged, settings, generator, backend, last=False)
    # An MLP of the past is compared with what there is without it.
    is_past = _has_begun(fit) and not fit.adaptor.has_mlp
    reference = ResidualAdaptor() if is_past else first
    if not _labels_agree(judged, reference, generator):
        return None
    with backend.training():
        return cross_validate(
            judged,
            first,
            settings,
            generator,
            strengths=(1.0,) if _has_begun(fit) else STRENGTHS,
            reference=reference,
            run=runs("stage 2, cv", fit.adaptor.P),
            kernels=backend.kernels,
        )


def _is_kept(
    fit: Fit,
    data: TrainingData,
    queries: JudgedQueries,
    settings: Settings,
    result: CrossValidation,
) -> bool:
    """Ask the guard, and write down what held-out queries found."""
    passes = is_no_worse(result.before, result.after)
    kept = "supervised" if passes else "start" if fit.adaptor is fit.start else "adaptor"
    comparison = _compared(fit, data, queries, settings, result)
    fit.table = comparison.table(METRIC, kept)
    fit.held_out = comparison.held_out(METRIC, kept)
    return passes


def _labels_agree(
    judged: JudgedCorpus, adaptor: ResidualAdaptor, generator: np.random.Generator
) -> bool:
    """Compare what queries find by their own judgments and by those of another query."""
    n = judged.qrels.shape[0]
    order = generator.permutation(n)
    other = np.empty(n, dtype=np.intp)
    other[order] = np.roll(order, 1)  # no query keeps its own
    full = (judged.documents.shape[1],)
    own = judged.ndcg(adaptor, full)[0]
    shuffled = replace(judged, qrels=judged.qrels[other]).ndcg(adaptor, full)[0]
    return labels_agree(own, shuffled)


def _compared(
    fit: Fit,
    data: TrainingData,
    queries: JudgedQueries,
    settings: Settings,
    result: CrossValidation,
) -> Comparison:
    """Return the scores of the queries that were held out."""
    rows = result.held_out
    qrels = queries.qrels[rows]
    comparison = Comparison.of(
        lambda prefixes, dims: query_ndcg(qrels, prefixes, dims),
        HeldOut(
            queries.queries[rows],
            data.documents,
            queries.frozen_queries[rows],
            data.frozen_documents,
        ),
        settings.dims,
        {"start": fit.start.transform, "adaptor": fit.adaptor.transform},
    )
    comparison.scores["supervised"] = result.after
    return comparison
