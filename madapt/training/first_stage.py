"""The first stage: learn from documents, and keep what the guard lets pass."""

from __future__ import annotations

from typing import Any

import numpy as np

from madapt._rows import unit_rows
from madapt.adaptor import ResidualAdaptor
from madapt.backends import Backend
from madapt.training.comparison import Comparison, HeldOut
from madapt.training.composition import composed
from madapt.training.data import Fit, TrainingData
from madapt.training.guard import LEVEL, NEIGHBOR_MARGIN, is_no_worse, neighbor_ndcg
from madapt.training.progress import Report
from madapt.training.settings import Settings
from madapt.training.unsupervised import Split, initial_mlp, learn_from_documents

__all__ = ["learn_without_labels"]

#: What the guard measures.
METRIC = "neighbor ndcg@10"
#: Most rows of each side that are held out.
MOST_HELD_OUT = 1000
#: Fewer held-out queries say less than the documents, which then speak alone.
FEWEST_QUERIES = 20


def learn_without_labels(
    fit: Fit,
    data: TrainingData,
    settings: Settings,
    generator: np.random.Generator,
    backend: Backend,
    report: Report,
) -> None:
    """Train on documents and unlabeled queries; keep the first result that the guard lets pass.

    A rotation of fewer leading coordinates changes less: where one fails, the next
    smaller one is tried.
    """
    start, split = fit.start, _split(data, settings, generator)
    if not _has_work(settings) or len(split.documents) < 2:
        return
    if settings.guard and len(split.held_out_documents) < 2:
        return  # nothing could show that a candidate is no worse
    rows = data.rows
    targets = unit_rows(rows)
    T = backend.asarray(targets)
    # A rotation moves no cosine by the length of its rows: unit ones cannot overflow.
    rows = targets if settings.is_rotation_learned else rows
    tries = settings.rotation_dims if settings.is_rotation_learned else (rows.shape[1],)
    for k in tries:
        U = backend.asarray(rows @ start.P[:, :k])
        with backend.training():
            learned, history = learn_from_documents(
                U,
                T,
                _first_state(U, settings, generator, backend),
                settings,
                generator,
                split=split,
                report=report(f"stage 1, {k} dims"),
                kernels=backend.kernels,
            )
        fit.losses, fit.interrupted = history.losses, history.interrupted
        candidate = composed(start.P, learned, backend)
        if not settings.guard:
            fit.adaptor = candidate
            return
        level = LEVEL / len(tries)  # each try is another test
        comparison = _compared(start, candidate, data, settings, split)
        scores, weights = comparison.scores, comparison.weights
        passes = is_no_worse(
            scores["start"], scores["adaptor"], NEIGHBOR_MARGIN, level=level, weights=weights
        )
        kept = "adaptor" if passes else "start"
        fit.adaptor = candidate if passes else start
        fit.table = comparison.table(METRIC, kept)
        fit.held_out = comparison.held_out(METRIC, kept)
        if passes or fit.interrupted:
            return


def _compared(
    start: ResidualAdaptor,
    candidate: ResidualAdaptor,
    data: TrainingData,
    settings: Settings,
    split: Split,
) -> Comparison:
    """Return what held-out rows find with the start, with the candidate and without either."""
    if len(split.held_out_queries) < FEWEST_QUERIES:
        split = split._replace(held_out_queries=split.held_out_queries[:0])
    held_out = HeldOut(
        data.rows[split.held_out],
        data.documents[split.documents],
        data.frozen_rows[split.held_out],
        data.frozen_documents[split.documents],
    )
    similarities = unit_rows(held_out.rows) @ unit_rows(held_out.corpus).T
    return Comparison.of(
        lambda prefixes, dims: neighbor_ndcg(similarities, prefixes, dims),
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


def _split(data: TrainingData, settings: Settings, generator: np.random.Generator) -> Split:
    """Draw the rows that are not trained on; none where nothing looks at them."""
    parts: list[np.ndarray] = []
    looks = settings.guard or settings.early_stopping
    first = 0
    for n in (len(data.documents), data.n_queries if settings.query_share else 0):
        size = min(int(settings.validation_fraction * n), MOST_HELD_OUT) if looks else 0
        held_out = first + np.sort(generator.permutation(n)[:size])
        parts += [np.setdiff1d(np.arange(first, first + n), held_out), held_out]
        first += n
    documents, held_out_documents, queries, held_out_queries = parts
    return Split(documents, queries, held_out_documents, held_out_queries)


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
    return initial_mlp(U.shape[1], settings.hidden_dim, settings, generator, U)
