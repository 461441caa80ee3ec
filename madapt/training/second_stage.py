"""The second stage: learn from judged queries, and keep it where the guard lets it pass."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

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
    stage = _Stage(fit, data, queries, settings, generator, backend, runs)
    if not settings.guard:
        stage.train([], 1.0)
        return
    result = stage.cross_validated()
    strength = stage.kept(result) if result is not None else None
    if result is not None and strength is not None:
        known = result.learned if len(result.learned) == 1 else []  # of several, each knows less
        stage.train(known, strength)


@dataclass(frozen=True)
class _Stage:
    """What the second stage works with; parameters as for `learn_with_labels`."""

    fit: Fit
    data: TrainingData
    queries: JudgedQueries
    settings: Settings
    generator: np.random.Generator
    backend: Backend
    runs: Runs

    @cached_property
    def judged(self) -> JudgedCorpus:
        """Behind what the first stage has left."""
        return self.rotated(self.fit.adaptor.P)

    def rotated(self, P: np.ndarray) -> JudgedCorpus:
        """Return judged queries and documents, rotated, where the training runs."""
        documents, asked, backend = self.data.documents, self.queries, self.backend
        return JudgedCorpus(
            backend.asarray(asked.queries @ P),
            backend.asarray(documents @ P),
            backend.asarray(unit_rows(documents)),
            backend.asarray(unit_rows(asked.queries)),
            asked.qrels,
            backend,
        )

    @property
    def has_begun(self) -> bool:
        """Whether there is an MLP to go on from."""
        fit = self.fit
        return fit.adaptor.has_mlp or (fit.past is not None and fit.past.has_mlp)

    @property
    def hidden(self) -> tuple[int, ...]:
        """The hidden units of each MLP that is trained.

        A new MLP is the mean of two: both have learned from all queries, or one from those that
        were not held out, where they were once.
        """
        h = self.settings.n_hidden
        is_mean = self.settings.guard and not self.has_begun and h > 1
        return (h // 2, h - h // 2) if is_mean else (h,)

    def first(self, h: int) -> ResidualAdaptor:
        """Return what is trained: the MLP of the first stage or of the past, or else a new one."""
        adaptor = self.fit.adaptor
        if adaptor.has_mlp:
            return moved(adaptor.replace(P=None), self.backend)
        past = carried(self.fit.past, adaptor.P)
        if past is not None:
            return moved(past, self.backend)
        documents = self.judged.documents
        return initial_mlp(documents.shape[1], h, self.settings, self.generator, documents)

    def train(self, known: list[ResidualAdaptor], strength: float) -> None:
        """Train on all queries; `known` are MLPs that have learned from nearly all of them."""
        fit, P, hidden = self.fit, self.fit.adaptor.P, self.hidden
        learned = known[: len(hidden) - 1]
        losses: list[float] = []
        for h in hidden[len(learned) :]:
            first = self.first(h)
            with self.backend.training():
                one, history = learn_from_queries(
                    self.judged, first, self.settings, self.generator, run=self.runs("stage 2", P)
                )
            losses = losses or history.losses
            fit.interrupted = history.interrupted
            if not (fit.interrupted and learned):
                learned.append(one)  # what is whole is better than its mean with a beginning
            if fit.interrupted:
                break
        both = learned[0] if len(learned) == 1 else averaged(*learned)
        fit.adaptor = composed(P, scaled(both, strength), self.backend)
        fit.losses = fit.losses + losses

    def cross_validated(self) -> CrossValidation | None:
        """Train on folds; None where judgments have nothing to do with the embedding."""
        first = self.first(self.hidden[0])
        # An MLP of the past is compared with what there is without it.
        is_past = self.has_begun and not self.fit.adaptor.has_mlp
        reference = ResidualAdaptor() if is_past else first
        if not _labels_agree(self.judged, reference, self.generator):
            return None
        with self.backend.training():
            return cross_validate(
                self.folds(),
                first,
                self.settings,
                self.generator,
                strengths=(1.0,) if self.has_begun else STRENGTHS,
                reference=reference,
            )

    def folds(self) -> Iterator[Fold]:
        """Hold out the queries that the first stage held out, behind what it learned without them.

        Behind a rotation that has seen a query, unlabeled, its short prefixes find more than those
        of a new query will. Where the first stage kept nothing, or goes on from the past, the
        queries are drawn here.
        """
        fit, numbers = self.fit, self.data.judged
        without = [(np.flatnonzero(np.isin(numbers, rows)), one) for rows, one in fit.without]
        if self.has_begun or not all(len(held_out) for held_out, _ in without):
            without = []
        if not without:
            drawn = folds_of(len(numbers), self.settings.validation_fraction, self.generator)
            without = [(held_out, fit.adaptor) for held_out in drawn]
        for held_out, adaptor in without:
            is_last = adaptor.P is fit.adaptor.P
            corpus = self.judged if is_last else self.rotated(adaptor.P)
            yield Fold(held_out, corpus, self.runs("stage 2, cv", adaptor.P))

    def kept(self, result: CrossValidation) -> float | None:
        """Ask the guard, write down what held-out queries found; return the strength, or None."""
        passing = passing_strengths(result)
        strength = result.best(passing or result.after)
        fit = self.fit
        kept = "supervised" if passing else "start" if fit.adaptor is fit.start else "adaptor"
        comparison = self.compared(result, result.after[strength])
        fit.table = comparison.table(METRIC, kept)
        fit.held_out = comparison.held_out(METRIC, kept)
        return strength if passing else None

    def compared(self, result: CrossValidation, after: np.ndarray) -> Comparison:
        """Return the scores of the queries that were held out."""
        rows, asked, data = result.held_out, self.queries, self.data
        qrels = asked.qrels[rows]
        comparison = Comparison.of(
            lambda prefixes, dims: query_ndcg(qrels, prefixes, dims),
            HeldOut(
                asked.queries[rows],
                data.documents,
                asked.frozen_queries[rows],
                data.frozen_documents,
            ),
            self.settings.dims,
            {"start": self.fit.start.transform},
        )
        comparison.scores.update(adaptor=result.before, supervised=after)
        return comparison


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
