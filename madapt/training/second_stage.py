"""The second stage: learn from judged queries, and keep it where the guard lets it pass."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from madapt._rows import unit_rows
from madapt.backends import Backend
from madapt.training.comparison import Comparison, HeldOut
from madapt.training.composition import composed
from madapt.training.data import Fit, TrainingData
from madapt.training.guard import is_no_worse, query_ndcg
from madapt.training.settings import Settings
from madapt.training.supervised import (
    CrossValidation,
    JudgedCorpus,
    cross_validate,
    learn_from_queries,
)
from madapt.training.unsupervised import initial_mlp

__all__ = ["learn_with_labels"]

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
        passes = is_no_worse(result.before, result.after)
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
    fit.adaptor = composed(P, learned, backend)
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
            data.queries[data.judged[result.held_out]],
            data.documents,
            data.frozen_queries[data.judged[result.held_out]],
            data.frozen_documents,
        ),
        settings.dims,
        {"start": fit.start.transform, "adaptor": fit.adaptor.transform},
    )
    comparison.scores["supervised"] = result.after
    return comparison.table("ndcg@10", "supervised" if passes else stage_1)
