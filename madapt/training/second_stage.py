"""The second stage: learn from judged queries, and keep it where the guard lets it pass."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from madapt._rows import unit_rows
from madapt.adaptor import ResidualAdaptor
from madapt.backends import Backend
from madapt.training.comparison import Comparison, HeldOut
from madapt.training.composition import carried, composed, moved
from madapt.training.data import Fit, JudgedQueries, TrainingData
from madapt.training.guard import falls_below, is_no_worse, labels_agree, query_ndcg
from madapt.training.judged import JudgedCorpus
from madapt.training.runs import Runs
from madapt.training.settings import Settings
from madapt.training.supervised import (
    STRENGTHS,
    CrossValidation,
    Fold,
    averaged,
    cross_validate,
    folds_of,
    learn_from_queries,
    scaled,
)
from madapt.training.unsupervised import initial_mlp

__all__ = ["learn_with_labels", "passing_strengths"]

#: What the guard measures.
METRIC = "ndcg@10"
#: At less than full strength a dim's mean may fall by so many of its standard errors, where that
#: is more than the margin; at full strength wrong judgments among right ones would pass so.
FALL_STANDARD_ERRORS = 1.0


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
    known: list[ResidualAdaptor] = []
    strength: float | None = 1.0
    if settings.guard:
        result = _cross_validated(fit, data, queries, judged, settings, generator, backend, runs)
        if result is None:
            return
        strength = _kept(fit, data, queries, settings, result)
        known = result.learned if len(result.learned) == 1 else []  # of several, each knows less
    if strength is None:
        return
    halves = _hidden(fit, settings)
    learned = known[: len(halves) - 1]
    losses: list[float] = []
    for h in halves[len(learned) :]:
        first = _first(fit, judged, settings, generator, h)
        with backend.training():
            one, history = learn_from_queries(
                judged, first, settings, generator, run=runs("stage 2", P)
            )
        losses = losses or history.losses
        fit.interrupted = history.interrupted
        if not (fit.interrupted and learned):
            learned.append(one)  # what is whole is better than its mean with a beginning
        if fit.interrupted:
            break
    both = learned[0] if len(learned) == 1 else averaged(*learned)
    fit.adaptor = composed(P, scaled(both, strength), backend)
    fit.losses = fit.losses + losses


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
        backend,
    )


def _hidden(fit: Fit, settings: Settings) -> tuple[int, ...]:
    """Return the hidden units of each MLP that is trained.

    A new MLP is the mean of two: both have learned from all queries, or one from those that
    were not held out, where they were once.
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
    h: int,
) -> ResidualAdaptor:
    """Return what is trained: the MLP of the first stage or of the past, or else a new one."""
    if fit.adaptor.has_mlp:
        return moved(fit.adaptor.replace(P=None), judged.backend)
    past = carried(fit.past, fit.adaptor.P)
    if past is not None:
        return moved(past, judged.backend)
    return initial_mlp(judged.documents.shape[1], h, settings, generator, judged.documents)


def _cross_validated(
    fit: Fit,
    data: TrainingData,
    queries: JudgedQueries,
    judged: JudgedCorpus,
    settings: Settings,
    generator: np.random.Generator,
    backend: Backend,
    runs: Runs,
) -> CrossValidation | None:
    """Train on folds; None where judgments have nothing to do with the embedding."""
    first = _first(fit, judged, settings, generator, _hidden(fit, settings)[0])
    # An MLP of the past is compared with what there is without it.
    is_past = _has_begun(fit) and not fit.adaptor.has_mlp
    reference = ResidualAdaptor() if is_past else first
    if not _labels_agree(judged, reference, generator):
        return None
    with backend.training():
        return cross_validate(
            _folds(fit, data, queries, judged, settings, generator, backend, runs),
            first,
            settings,
            generator,
            strengths=(1.0,) if _has_begun(fit) else STRENGTHS,
            reference=reference,
        )


def _folds(
    fit: Fit,
    data: TrainingData,
    queries: JudgedQueries,
    judged: JudgedCorpus,
    settings: Settings,
    generator: np.random.Generator,
    backend: Backend,
    runs: Runs,
) -> Iterator[Fold]:
    """Hold out the queries that the first stage held out, behind what it learned without them.

    Behind a rotation that has seen a query, unlabeled, its short prefixes find more than those
    of a new query will. Where the first stage kept nothing, or goes on from the past, the
    queries are drawn here.
    """
    without = [(np.flatnonzero(np.isin(data.judged, rows)), one) for rows, one in fit.without]
    if _has_begun(fit) or not all(len(held_out) for held_out, _ in without):
        without = []
    if not without:
        drawn = folds_of(len(data.judged), settings.validation_fraction, generator)
        without = [(held_out, fit.adaptor) for held_out in drawn]
    for held_out, adaptor in without:
        is_last = adaptor.P is fit.adaptor.P
        corpus = judged if is_last else _rotated(data.documents, queries, adaptor.P, backend)
        yield Fold(held_out, corpus, runs("stage 2, cv", adaptor.P))


def _kept(
    fit: Fit,
    data: TrainingData,
    queries: JudgedQueries,
    settings: Settings,
    result: CrossValidation,
) -> float | None:
    """Ask the guard, write down what held-out queries found, return the strength it lets pass."""
    passing = passing_strengths(result)
    strength = result.best(passing or result.after)
    kept = "supervised" if passing else "start" if fit.adaptor is fit.start else "adaptor"
    comparison = _compared(fit, data, queries, settings, result, result.after[strength])
    fit.table = comparison.table(METRIC, kept)
    fit.held_out = comparison.held_out(METRIC, kept)
    return strength if passing else None


def passing_strengths(result: CrossValidation) -> list[float]:
    """Return the strengths that the guard lets pass: none after one that does not.

    So each is tested at the whole level: to keep any, the first must pass.
    """
    passing = []
    for strength, after in sorted(result.after.items()):
        allowed = FALL_STANDARD_ERRORS if strength < 1 else 0.0
        if falls_below(result.near_before, result.near_after[strength], standard_errors=allowed):
            break
        if not is_no_worse(result.before, after, standard_errors=allowed):
            break
        passing.append(strength)
    return passing


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
    after: np.ndarray,
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
        {"start": fit.start.transform},
    )
    comparison.scores.update(adaptor=result.before, supervised=after)
    return comparison
