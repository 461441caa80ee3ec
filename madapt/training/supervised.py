"""Stage 2, with labels: train the MLP on judged queries, on a fixed rotation."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from array_api_compat import array_namespace, device
from scipy.sparse import csr_array

from madapt._rows import unit_rows
from madapt.adaptor import ResidualAdaptor
from madapt.backends import Backend
from madapt.losses import Objective
from madapt.neighbors import top_k
from madapt.training.guard import query_ndcg
from madapt.training.loop import History
from madapt.training.runs import Run, plain_run
from madapt.training.sampling import QuerySampler
from madapt.training.settings import Settings
from madapt.training.tasks import QueryTask, Updater

__all__ = [
    "STRENGTHS",
    "CrossValidation",
    "Fold",
    "JudgedCorpus",
    "averaged",
    "cross_validate",
    "folds_of",
    "learn_from_queries",
    "scaled",
]

#: How many of a query's most similar documents its hard negatives are drawn from.
N_HARD = 100
#: Documents, about, that stand for the corpus where its middle is wanted.
N_SPREAD = 1000
#: Held-out queries the guard wants to see; fewer queries are held out in more folds.
WANTED_HELD_OUT, MOST_FOLDS = 100, 3
#: What the learned residual is multiplied by, for the guard to let one pass.
STRENGTHS = (0.5, 1.0)


@dataclass(frozen=True)
class JudgedCorpus:
    """What stage 2 learns from.

    Parameters
    ----------
    queries : array of shape (n_queries, d)
        Rotated queries.
    documents : array of shape (n_documents, d)
        Rotated documents.
    T : array of shape (n_documents, d)
        Unit rows whose cosines are the documents' targets.
    query_targets : array of shape (n_queries, d)
        The queries' unit rows.
    qrels : csr_array of shape (n_queries, n_documents)
        Grades; each query has a positive.
    backend : Backend
        Where the arrays live.
    """

    queries: Any
    documents: Any
    T: Any
    query_targets: Any
    qrels: csr_array
    backend: Backend

    def subset(self, index: np.ndarray) -> JudgedCorpus:
        """Return the same with some of the queries only."""
        xp = array_namespace(self.queries)
        at = xp.asarray(index, device=device(self.queries))
        rows, targets = (xp.take(A, at, axis=0) for A in (self.queries, self.query_targets))
        return replace(self, queries=rows, query_targets=targets, qrels=self.qrels[index])

    def ndcg(self, adaptor: ResidualAdaptor, dims: tuple[int, ...]) -> np.ndarray:
        """Return nDCG@10 of each query at each dim, shape (L, n_queries)."""
        both = (self.queries, self.documents)
        Q, D = (self.backend.to_numpy(adaptor.transform(X)) for X in both)
        return query_ndcg(self.qrels, lambda m: (Q[:, :m], D[:, :m]), dims)

    def far(self, adaptor: ResidualAdaptor) -> np.ndarray:
        """Return the share of each query's positives that are less like it than half of the corpus.

        The half is that of about a thousand documents; shape (n_queries,).
        """
        both = (self.queries, self.documents)
        Q, D = (unit_rows(self.backend.to_numpy(adaptor.transform(X))) for X in both)
        middle = np.median(Q @ D[:: max(1, len(D) // N_SPREAD)].T, axis=1)
        shares = np.empty(len(Q))
        for i, query in enumerate(Q):
            row = slice(*self.qrels.indptr[i : i + 2])
            positives = self.qrels.indices[row][self.qrels.data[row] > 0]
            shares[i] = (D[positives] @ query < middle[i]).mean()
        return shares


@dataclass(frozen=True)
class Fold:
    """Some of the judged queries, to be held out.

    Parameters
    ----------
    held_out : ndarray of shape (n_held_out,)
        Their indices.
    data : JudgedCorpus
        All of them, rotated by what was learned without those.
    run : callable
        What runs the loop.
    """

    held_out: np.ndarray
    data: JudgedCorpus
    run: Run = plain_run


@dataclass(frozen=True)
class CrossValidation:
    """What training on some queries did for the others."""

    #: Indices of the queries that were held out, shape (n_held_out,).
    held_out: np.ndarray
    #: Their nDCG@10 at each dim before, and after by strength, shape (L, n_held_out).
    before: np.ndarray
    after: dict[float, np.ndarray]
    #: What was learned in each fold.
    learned: list[ResidualAdaptor]

    def best(self, strengths: Collection[float]) -> float:
        """Return the strength with the best mean, or a larger one within a standard error of it.

        What is trained on all queries can bear more of what it has learned than what was
        measured, which has learned from fewer.
        """
        means = {strength: self.after[strength].mean(axis=0) for strength in strengths}
        best = max(means, key=lambda strength: means[strength].mean())
        for strength in sorted(strengths, reverse=True):
            difference = means[best] - means[strength]
            if difference.mean() <= difference.std() / np.sqrt(max(len(difference), 1)):
                return strength
        return best


def learn_from_queries(
    data: JudgedCorpus,
    adaptor: ResidualAdaptor,
    settings: Settings,
    generator: np.random.Generator,
    *,
    run: Run = plain_run,
) -> tuple[ResidualAdaptor, History]:
    """Train the MLP of an adaptor on judged queries.

    Parameters
    ----------
    data : JudgedCorpus
        Queries, documents and grades.
    adaptor : ResidualAdaptor
        The start: an MLP without a rotation.
    settings : Settings
        Of the second stage.
    generator : numpy.random.Generator
        Draws the batches and the noise.
    run : callable
        What runs the loop.

    Returns
    -------
    adaptor : ResidualAdaptor
        Of the last step.
    history : History
        Of the steps that were done.
    """
    stage, backend = settings.supervised, data.backend
    hard, _ = top_k(backend.to_numpy(data.queries), backend.to_numpy(data.documents), N_HARD)
    sampler = QuerySampler(data.qrels, stage.batch_size, settings.batch_documents, hard, generator)
    task = QueryTask(
        data.queries,
        data.documents,
        data.T,
        replace(_objective(settings), kernels=backend.kernels),
        sampler,
        generator,
        settings.ranking_weight,
        settings.reconstruction_weight,
        settings.input_noise,
        query_targets=data.query_targets,
        fidelity=replace(_fidelity(settings), kernels=backend.kernels),
        fidelity_weight=settings.fidelity_weight,
    )
    updater = Updater(stage.learning_rate, stage.max_iter, backend.kernels)

    def step(state: ResidualAdaptor, done: int) -> tuple[float, ResidualAdaptor]:
        loss, gradients = task.gradients(state)
        return loss, updater.update(state, gradients, done)

    return run(adaptor, step, generator=generator, updater=updater, max_iter=stage.max_iter)


def cross_validate(
    folds: Iterable[Fold],
    adaptor: ResidualAdaptor,
    settings: Settings,
    generator: np.random.Generator,
    *,
    strengths: tuple[float, ...] = STRENGTHS,
    reference: ResidualAdaptor | None = None,
) -> CrossValidation:
    """Train on some queries and measure on the others, fold by fold.

    `strengths` are tried for what was learned; `reference` is what `before` is measured with,
    None the adaptor itself. Other parameters as for `learn_from_queries`.
    """
    reference = adaptor if reference is None else reference
    held_out, before, after, models = [], [], [], []
    for fold in folds:
        data = fold.data
        rest = np.setdiff1d(np.arange(data.qrels.shape[0]), fold.held_out)
        learned, history = learn_from_queries(
            data.subset(rest), adaptor, settings, generator, run=fold.run
        )
        if history.interrupted:
            raise KeyboardInterrupt
        models.append(learned)
        outside = data.subset(fold.held_out)
        held_out.append(fold.held_out)
        before.append(outside.ndcg(reference, settings.dims))
        candidates = [scaled(learned, strength) for strength in strengths]
        after.append([outside.ndcg(candidate, settings.dims) for candidate in candidates])
    scores = [np.concatenate(parts, axis=1) for parts in zip(*after, strict=True)]
    return CrossValidation(
        np.concatenate(held_out),
        np.concatenate(before, axis=1),
        dict(zip(strengths, scores, strict=True)),
        models,
    )


def averaged(one: ResidualAdaptor, other: ResidualAdaptor) -> ResidualAdaptor:
    """Return U + (MLP_1(U) + MLP_2(U)) / 2, which is one MLP with the hidden units of both."""
    xp = array_namespace(one.W1)
    return one.replace(
        W1=xp.concat([one.W1, other.W1], axis=1),
        b1=xp.concat([one.b1, other.b1]),
        W2=0.5 * xp.concat([one.W2, other.W2], axis=0),
        b2=0.5 * (one.b2 + other.b2),
    )


def scaled(adaptor: ResidualAdaptor, strength: float) -> ResidualAdaptor:
    """Return U + strength * MLP(U): with less than 1 closer to the rotation."""
    if strength == 1.0:
        return adaptor
    return adaptor.replace(W2=strength * adaptor.W2, b2=strength * adaptor.b2)


def folds_of(n: int, fraction: float, generator: np.random.Generator) -> list[np.ndarray]:
    """Return disjoint sets of queries to hold out.

    With many queries one fold of `fraction` of them; with few there are up to three folds, so
    that about a hundred queries, or all, are held out in turn.
    """
    order = generator.permutation(n)
    n_folds = min(MOST_FOLDS, n, max(1, round(WANTED_HELD_OUT / max(fraction * n, 1))))
    if n_folds == 1:
        return [order[: max(1, round(fraction * n))]]
    share = max(fraction, 1 / n_folds) if n_folds == MOST_FOLDS else fraction
    size = max(1, int(share * n))
    return [order[i * size : (i + 1) * size] for i in range(n_folds)]


def _fidelity(settings: Settings) -> Objective:
    """Return the listwise loss of the first stage, on the prefixes of the second."""
    stage = settings.unsupervised
    return Objective(
        settings.dims,
        neighbor_temperature=stage.temperature,
        prefix_temperature=stage.prefix_temperature,
        # Long prefixes have most to gain from judgments, short ones most to forget.
        weights=tuple(1.0 / m for m in settings.dims),
    )


def _objective(settings: Settings) -> Objective:
    return Objective(
        settings.dims,
        listwise_weight=settings.listwise_weight,
        topk_weight=settings.topk_weight,
        pairwise_weight=settings.pairwise_weight,
        relevance=settings.ranking_loss,
        neighbor_temperature=settings.supervised_neighbor_temperature,
        relevance_temperature=settings.supervised.temperature,
        prefix_temperature=settings.supervised.prefix_temperature,
        n_neighbors=settings.n_neighbors,
        weights=None if isinstance(settings.dim_weights, str) else settings.dim_weights,
    )
