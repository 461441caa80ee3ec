"""The second stage: learn from judged queries, and keep it where the guard lets it pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from madapt._rows import unit_rows
from madapt.adaptor import ResidualAdaptor
from madapt.backends import Backend
from madapt.training.comparison import Comparison, HeldOut
from madapt.training.composition import composed
from madapt.training.data import Fit, TrainingData
from madapt.training.guard import is_no_worse, labels_agree, query_ndcg
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

Report = Callable[[str], Callable[[int, float], None] | None]


def learn_with_labels(
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
        backend.asarray(data.queries[data.judged] @ P),
        backend.asarray(data.documents @ P),
        backend.asarray(unit_rows(data.documents)),
        backend.asarray(unit_rows(data.queries[data.judged])),
        data.qrels,
    )
    first, kernels = fit.adaptor.replace(P=None), backend.kernels
    # A new MLP is the mean of two, the one of the first fold and the one of all queries.
    is_new = not first.has_mlp
    shares = _halves(settings.hidden_dim) if is_new and settings.guard else (settings.hidden_dim,)
    result = None
    if settings.guard:
        if is_new:
            first = initial_mlp(P.shape[0], shares[0], settings, generator, judged.documents)
        if not _labels_agree(judged, first, generator):
            return
        with backend.training():
            result = cross_validate(
                judged,
                first,
                settings,
                generator,
                strengths=STRENGTHS if is_new else (1.0,),
                report=report("stage 2, cv"),
                kernels=kernels,
            )
        if not _is_kept(fit, data, settings, result):
            return
    if is_new:
        first = initial_mlp(P.shape[0], shares[-1], settings, generator, judged.documents)
    with backend.training():
        learned, history = learn_from_queries(
            judged, first, settings, generator, report=report("stage 2"), kernels=kernels
        )
    if result is not None:
        learned = averaged(result.learned, learned) if len(shares) == 2 else learned
        learned = scaled(learned, result.strength)
    fit.adaptor = composed(P, learned, backend)
    fit.losses = fit.losses + history.losses
    fit.interrupted = history.interrupted


def _halves(h: int) -> tuple[int, ...]:
    """Deal hidden units out to two MLPs."""
    return (h // 2, h - h // 2) if h > 1 else (h,)


def _is_kept(fit: Fit, data: TrainingData, settings: Settings, result: CrossValidation) -> bool:
    """Ask the guard, and write down what held-out queries found."""
    passes = is_no_worse(result.before, result.after)
    kept = "supervised" if passes else "start" if fit.adaptor is fit.start else "adaptor"
    comparison = _compared(fit, data, settings, result)
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
    fit: Fit, data: TrainingData, settings: Settings, result: CrossValidation
) -> Comparison:
    """Return the scores of the queries that were held out."""
    qrels = data.qrels[result.held_out]
    rows = data.judged[result.held_out]
    comparison = Comparison.of(
        lambda prefixes: query_ndcg(qrels, prefixes, settings.dims),
        HeldOut(
            data.queries[rows], data.documents, data.frozen_queries[rows], data.frozen_documents
        ),
        settings.dims,
        {"start": fit.start.transform, "adaptor": fit.adaptor.transform},
    )
    comparison.scores["supervised"] = result.after
    return comparison
