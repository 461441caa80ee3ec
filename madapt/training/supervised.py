"""Stage 2, with labels: train the MLP on judged queries, on a fixed rotation."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

import numpy as np
from array_api_compat import array_namespace

from madapt.adaptor import ResidualAdaptor
from madapt.losses import Objective
from madapt.neighbors import top_k
from madapt.training.judged import JudgedCorpus
from madapt.training.loop import History
from madapt.training.runs import Run, plain_run
from madapt.training.sampling import QuerySampler
from madapt.training.settings import Settings
from madapt.training.tasks import QueryTask, Updater

__all__ = [
    "STRENGTHS",
    "CrossValidation",
    "Fold",
    "averaged",
    "cross_validate",
    "folds_of",
    "learn_from_queries",
    "scaled",
]

#: How many of a query's most similar documents its hard negatives are drawn from.
N_HARD = 100
#: Held-out queries the guard wants to see; fewer queries are held out in more folds.
WANTED_HELD_OUT, MOST_FOLDS = 100, 3
#: What the learned residual is multiplied by, for the guard to let one pass.
STRENGTHS = (0.5, 1.0)


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
    #: The same by the judgments alone that the embedding can believe, of as many queries or fewer.
    near_before: np.ndarray
    near_after: dict[float, np.ndarray]
    #: What was learned in each fold.
    learned: list[ResidualAdaptor]

    def best(self, strengths: Collection[float]) -> float:
        """Return the strength with the best mean."""
        return max(strengths, key=lambda strength: self.after[strength].mean())


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
    held_out, models = [], []
    before: list[np.ndarray] = []
    after: list[list[np.ndarray]] = []
    near_before: list[np.ndarray] = []
    near_after: list[list[np.ndarray]] = []
    for fold in folds:
        data = fold.data
        rest = np.setdiff1d(np.arange(data.qrels.shape[0]), fold.held_out)
        learned, history = learn_from_queries(
            data.subset(rest), adaptor, settings, generator, run=fold.run
        )
        if history.interrupted:
            raise KeyboardInterrupt
        models.append(learned)
        held_out.append(fold.held_out)
        outside = data.subset(fold.held_out)
        candidates = [scaled(learned, strength) for strength in strengths]
        for judged, one, others in (
            (outside, before, after),
            (outside.near(reference), near_before, near_after),
        ):
            one.append(judged.ndcg(reference, settings.dims))
            others.append([judged.ndcg(candidate, settings.dims) for candidate in candidates])
    return CrossValidation(
        np.concatenate(held_out),
        np.concatenate(before, axis=1),
        _by_strength(strengths, after),
        np.concatenate(near_before, axis=1),
        _by_strength(strengths, near_after),
        models,
    )


def _by_strength(
    strengths: tuple[float, ...], folds: list[list[np.ndarray]]
) -> dict[float, np.ndarray]:
    """Put the scores of all folds side by side, strength by strength."""
    scores = [np.concatenate(parts, axis=1) for parts in zip(*folds, strict=True)]
    return dict(zip(strengths, scores, strict=True))


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
