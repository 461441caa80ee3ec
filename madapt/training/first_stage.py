"""The first stage: learn from documents, and keep what the guard lets pass."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from madapt._rows import unit_rows
from madapt.adaptor import ResidualAdaptor
from madapt.backends import Backend
from madapt.training.comparison import Comparison, HeldOut
from madapt.training.composition import carried, composed, moved
from madapt.training.data import Fit, TrainingData
from madapt.training.guard import LEVEL, NEIGHBOR_MARGIN, is_no_worse, neighbor_ndcg
from madapt.training.loop import History
from madapt.training.runs import Runs
from madapt.training.settings import Settings
from madapt.training.splitting import Split, everything, splits_of
from madapt.training.unsupervised import initial_mlp, learn_from_documents

__all__ = ["Train", "Trainer", "base_of", "first_state", "learn_without_labels", "trainer_here"]

#: What the guard measures.
METRIC = "neighbor ndcg@10"
#: Fewer held-out queries say less than the documents, which then speak alone.
FEWEST_QUERIES = 20

#: (k, part of the rows) -> adaptor on the leading k coordinates, and how it was learned.
Train = Callable[[int, Split], tuple[ResidualAdaptor, History]]
#: The arguments of `learn_without_labels` -> what trains, here or on other machines.
Trainer = Callable[
    [Fit, TrainingData, Settings, np.random.Generator, Backend, Runs],
    Train,
]


def trainer_here(
    fit: Fit,
    data: TrainingData,
    settings: Settings,
    generator: np.random.Generator,
    backend: Backend,
    runs: Runs,
) -> Train:
    """Return what trains a rotation of the leading k coordinates, or the MLP of a fixed one."""
    rows = data.rows
    targets = unit_rows(rows)
    T = backend.asarray(targets)
    # A rotation moves no cosine by the length of its rows: unit ones cannot overflow.
    rows = targets if settings.is_rotation_learned else rows
    base = base_of(fit, settings)

    def train(k: int, split: Split) -> tuple[ResidualAdaptor, History]:
        U = backend.asarray(rows @ base[:, :k])
        with backend.training():
            return learn_from_documents(
                U,
                T,
                first_state(fit, U, settings, generator, backend),
                settings,
                generator,
                split=split,
                run=runs(f"stage 1, {k} dims", base),
                backend=backend,
            )

    return train


def learn_without_labels(
    fit: Fit,
    data: TrainingData,
    settings: Settings,
    generator: np.random.Generator,
    backend: Backend,
    runs: Runs,
    folds: list[Split] | None = None,
    trainer: Trainer = trainer_here,
) -> None:
    """Train on documents and unlabeled queries; keep the first result that the guard lets pass.

    A rotation of fewer leading coordinates changes less: where one fails, the next
    smaller one is tried. Where the rows held out once would be too few to tell, there are
    several folds, and what is kept is trained on all rows. `folds` says which rows those are;
    None draws them. `trainer` says where it is trained.
    """
    folds = splits_of(data, settings, generator) if folds is None else folds
    if not _has_work(fit, settings) or len(folds[0].documents) < 2:
        return
    if settings.guard and len(folds[0].held_out_documents) < 2:
        return  # nothing could show that a candidate is no worse
    train = trainer(fit, data, settings, generator, backend, runs)
    tries = settings.rotation_dims if settings.is_rotation_learned else (data.documents.shape[1],)
    for k in tries:
        candidates = _candidates(fit, folds, k, train, settings, backend)
        fit.candidate, fit.candidate_dims = candidates[0], k
        if not settings.guard:
            fit.adaptor = candidates[0]
            return
        level = LEVEL / len(tries)  # each try is another test
        if _is_kept(fit, candidates, data, settings, folds[: len(candidates)], level):
            fit.adaptor = candidates[0]
            fit.without = [
                (fold.held_out_queries - len(data.documents), candidate)
                for fold, candidate in zip(folds, candidates, strict=False)
            ]
            if len(folds) > 1 and not fit.interrupted:
                _train_on_all(fit, k, train, data, settings, backend)
            return
        if fit.interrupted:
            return


def _candidates(
    fit: Fit, folds: list[Split], k: int, train: Train, settings: Settings, backend: Backend
) -> list[ResidualAdaptor]:
    """Return what is learned without each fold; after Ctrl-C as many as there are."""
    candidates = []
    for fold in folds:
        learned, history = train(k, fold)
        fit.losses, fit.interrupted = history.losses, history.interrupted
        candidates.append(composed(base_of(fit, settings), learned, backend))
        if fit.interrupted:
            break
    return candidates


def _train_on_all(
    fit: Fit, k: int, train: Train, data: TrainingData, settings: Settings, backend: Backend
) -> None:
    """Train on all rows; after Ctrl-C the first fold's, which was measured, stays."""
    learned, history = train(k, everything(data, settings))
    fit.interrupted = history.interrupted
    if not fit.interrupted:
        fit.losses = history.losses
        fit.adaptor = composed(base_of(fit, settings), learned, backend)


def _is_kept(
    fit: Fit,
    candidates: list[ResidualAdaptor],
    data: TrainingData,
    settings: Settings,
    folds: list[Split],
    level: float,
) -> bool:
    """Ask the guard, and write down what held-out rows found."""
    few = sum(len(fold.held_out_queries) for fold in folds) < FEWEST_QUERIES
    parts = []
    for candidate, fold in zip(candidates, folds, strict=True):
        at = fold._replace(held_out_queries=fold.held_out_queries[:0]) if few else fold
        parts.append(_compared(fit.start, candidate, data, settings, at))
    comparison = Comparison.joined(parts)
    scores = comparison.scores
    passes = is_no_worse(
        scores["start"],
        scores["adaptor"],
        NEIGHBOR_MARGIN,
        level=level,
        weights=comparison.weights,
    )
    kept = "adaptor" if passes else "start"
    fit.table = comparison.table(METRIC, kept)
    fit.held_out = comparison.held_out(METRIC, kept)
    return passes


def _compared(
    start: ResidualAdaptor,
    candidate: ResidualAdaptor,
    data: TrainingData,
    settings: Settings,
    split: Split,
) -> Comparison:
    """Return what held-out rows find with the start, with the candidate and without either."""
    held_out = HeldOut(
        data.rows[split.held_out],
        data.documents[split.documents],
        data.frozen_rows[split.held_out],
        data.frozen_documents[split.documents],
    )
    similarities = unit_rows(held_out.rows) @ unit_rows(held_out.corpus).T
    return Comparison.of(
        lambda prefixes, dims: neighbor_ndcg(
            similarities, prefixes, dims, temperature=settings.grade_temperature
        ),
        held_out,
        settings.dims,
        {"start": start.transform, "adaptor": candidate.transform},
        _row_weights(split, settings),
    )


def _row_weights(split: Split, settings: Settings) -> np.ndarray:
    """Weigh held-out documents and queries as the loss does, shape (n_held_out,)."""
    sizes = np.array([len(split.held_out_documents), len(split.held_out_queries)])
    shares = np.array([1 - settings.query_share, settings.query_share]) * (sizes > 0)
    return np.repeat(shares / shares.sum() / np.maximum(sizes, 1), sizes)


def base_of(fit: Fit, settings: Settings) -> np.ndarray:
    """Return the rotation, shape (d, d), behind which stage 1 trains."""
    before = fit.start if fit.past is None or not settings.is_rotation_learned else fit.past
    P: np.ndarray = before.P
    return P


def _has_work(fit: Fit, settings: Settings) -> bool:
    """Say whether stage 1 has anything to train, or to measure."""
    if settings.unsupervised.max_iter == 0 and fit.past is None:
        return False
    if not settings.is_rotation_learned:
        return settings.hidden_dim is not None
    return any(m < settings.rotation_dims[0] for m in settings.dims)


def first_state(
    fit: Fit, U: Any, settings: Settings, generator: np.random.Generator, backend: Backend
) -> ResidualAdaptor:
    """Return what stage 1 trains: a rotation of its inputs, or an MLP on them."""
    if settings.is_rotation_learned:
        identity = np.eye(U.shape[1], dtype=backend.to_numpy(U[:1, :]).dtype)
        return ResidualAdaptor(backend.asarray(identity))
    past = carried(fit.past, fit.start.P)
    if past is not None:
        return moved(past, backend)
    return initial_mlp(U.shape[1], settings.n_hidden, settings, generator, U)
