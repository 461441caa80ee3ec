"""Without labels: learn the rotation, or the MLP of a fixed one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from array_api_compat import array_namespace, device

from madapt.adaptor import ResidualAdaptor
from madapt.backends import Backend
from madapt.losses import Objective
from madapt.neighbors import top_k
from madapt.training.guard import neighbor_ndcg
from madapt.training.loop import History
from madapt.training.runs import Run, plain_run
from madapt.training.sampling import DocumentBatch, DocumentSampler
from madapt.training.settings import Settings
from madapt.training.splitting import Split
from madapt.training.tasks import DocumentTask, Updater

__all__ = ["initial_mlp", "learn_from_documents"]

#: Held-out rows and documents of the loss that early stopping looks at.
CHECK_ROWS, CHECK_COLUMNS = 256, 2048


def learn_from_documents(
    U: Any,
    T: Any,
    adaptor: ResidualAdaptor,
    settings: Settings,
    generator: np.random.Generator,
    *,
    split: Split,
    run: Run = plain_run,
    backend: Backend,
) -> tuple[ResidualAdaptor, History]:
    """Train an adaptor on documents and unlabeled queries, without labels.

    Parameters
    ----------
    U : array of shape (n + n_queries, k)
        Inputs: the leading k coordinates of the rotated documents, then of the queries.
    T : array of shape (n + n_queries, d)
        Unit rows whose cosines are the targets.
    adaptor : ResidualAdaptor
        The start: a rotation P of shape (k, k), or an MLP on k coordinates.
    settings : Settings
        Of the fit.
    generator : numpy.random.Generator
        Draws the batches.
    split : Split
        The state in which held-out rows find their neighbours best is kept; of an MLP, the
        one in which their loss is lowest. Without held-out rows, and where they are one fold
        of several, it is the last: what is trained on all rows cannot stop at a better one.
    run : callable
        What runs the loop.
    backend : Backend
        Where U and T live.

    Returns
    -------
    adaptor : ResidualAdaptor
        The state that `split` says.
    history : History
        Of the steps and of the checks.
    """
    stage = settings.unsupervised
    xp = array_namespace(U)
    at = xp.asarray(np.concatenate([split.documents, split.queries]), device=device(U))
    objective = replace(_objective(settings, U.shape[1]), kernels=backend.kernels)
    targets = backend.to_numpy(T)
    check_batch = _check_batch(targets, split, settings)
    if settings.dim_weights == "relative" and settings.is_rotation_learned:
        objective = _weighed(objective, DocumentTask(U, T, objective), adaptor, check_batch)
    task = DocumentTask(
        xp.take(U, at, axis=0),
        xp.take(T, at, axis=0),
        objective,
        _sampler(targets, split, settings, generator),
        settings.reconstruction_weight,
    )
    updater = Updater(stage.learning_rate, stage.max_iter, backend.kernels)

    def step(state: ResidualAdaptor, done: int) -> tuple[float, ResidualAdaptor]:
        loss, gradients = task.gradients(state)
        return loss, updater.update(state, gradients, done)

    check = None
    if settings.early_stopping and split.is_only and len(split.held_out_documents) > 1:
        check = _held_out_check(U, T, objective, check_batch, settings, backend)
    return run(
        adaptor,
        step,
        generator=generator,
        updater=updater,
        max_iter=stage.max_iter,
        check=check,
        check_every=max(15, stage.max_iter // 40),
        n_iter_no_change=settings.n_iter_no_change,
    )


def initial_mlp(
    d: int, h: int, settings: Settings, generator: np.random.Generator, like: Any
) -> ResidualAdaptor:
    """Return an adaptor with an MLP of h hidden units on d coordinates and no rotation.

    The entries of W1 and W2 are independent and normal, with `init_scale` over the square
    root of the layer's width of input as standard deviation; biases are zero.
    """
    xp = array_namespace(like)
    first, last = settings.init_scale
    W1 = generator.standard_normal((d, h)) * (first / np.sqrt(d))
    W2 = generator.standard_normal((h, d)) * (last / np.sqrt(h))

    def as_like(W: np.ndarray) -> Any:
        return xp.asarray(W, dtype=like.dtype, device=device(like))

    adaptor = ResidualAdaptor(activation=settings.activation)
    return adaptor.with_mlp(as_like(W1), as_like(W2))


def _objective(settings: Settings, k: int) -> Objective:
    """Train the prefixes that k coordinates can change."""
    return Objective(
        tuple(m for m in settings.dims if m < k or not settings.is_rotation_learned),
        listwise_weight=settings.listwise_weight,
        topk_weight=settings.topk_weight,
        pairwise_weight=settings.pairwise_weight,
        neighbor_temperature=settings.unsupervised.temperature,
        prefix_temperature=settings.unsupervised.prefix_temperature,
        n_neighbors=settings.n_neighbors,
        weights=_given(settings, k),
    )


def _given(settings: Settings, k: int) -> tuple[float, ...] | None:
    """Return the user's weights of the prefixes that are trained."""
    if settings.dim_weights is None or isinstance(settings.dim_weights, str):
        return None
    pairs = zip(settings.dims, settings.dim_weights, strict=True)
    return tuple(w for m, w in pairs if m < k or not settings.is_rotation_learned)


def _sampler(
    T: np.ndarray, split: Split, settings: Settings, generator: np.random.Generator
) -> DocumentSampler:
    """Draw from the training rows, with their neighbours where the top-k loss needs them."""
    n, n_queries = len(split.documents), len(split.queries)
    neighbors = None
    if settings.topk_weight and n > 1:
        rows = T[split.documents]
        neighbors, _ = top_k(rows, rows, settings.n_neighbors, exclude_self=True)
        if n_queries:
            of_queries, _ = top_k(T[split.queries], rows, neighbors.shape[1])
            neighbors = np.concatenate([neighbors, of_queries])
    batch = settings.unsupervised.batch_size
    columns = batch if settings.support_size is None else settings.support_size
    return DocumentSampler(
        n,
        batch,
        columns,
        generator,
        neighbors,
        n_queries=n_queries,
        query_share=settings.query_share,
    )


def _check_batch(T: np.ndarray, split: Split, settings: Settings) -> DocumentBatch:
    """Return held-out rows (training rows where there are none) against training documents."""
    queries = split.held_out_queries[: round(settings.query_share * CHECK_ROWS)]
    documents = split.held_out_documents if len(split.held_out_documents) > 1 else split.documents
    rows = documents[: CHECK_ROWS - len(queries)]
    others = np.setdiff1d(split.documents, rows)
    others = others[:: max(1, len(others) // CHECK_COLUMNS)]
    columns = np.concatenate([rows, others])
    if not settings.topk_weight:
        return DocumentBatch(rows, columns, None, queries)
    # One neighbour more than wanted: each document finds itself first.
    both = T[np.concatenate([rows, queries])]
    nearest, _ = top_k(both, T[columns], settings.n_neighbors + 1)
    neighbors = np.zeros((len(both), len(columns)), dtype=bool)
    np.put_along_axis(neighbors, nearest, True, axis=1)
    np.fill_diagonal(neighbors[: len(rows)], False)
    return DocumentBatch(rows, columns, neighbors, queries)


def _held_out_check(
    U: Any,
    T: Any,
    objective: Objective,
    batch: DocumentBatch,
    settings: Settings,
    backend: Backend,
) -> Callable[[ResidualAdaptor], float]:
    """Return what early stopping looks at: lower is better."""
    if settings.is_rotation_learned:
        return _lost_neighbors(U, T, objective.dims, batch, backend, settings.grade_temperature)
    task = DocumentTask(U, T, objective, None, settings.reconstruction_weight)
    return lambda state: task.evaluate(state, batch)[0]


def _lost_neighbors(
    U: Any,
    T: Any,
    dims: tuple[int, ...],
    batch: DocumentBatch,
    backend: Backend,
    temperature: float,
) -> Callable[[ResidualAdaptor], float]:
    """Return what the guard will measure, negated, on a sample: mean over rows and dims."""
    rows = np.concatenate([batch.rows, batch.queries])
    others = batch.columns[len(batch.rows) :]
    inputs, targets = backend.to_numpy(U), backend.to_numpy(T)
    similarities = targets[rows] @ targets[others].T
    one, other = inputs[rows], inputs[others]

    def lost(state: ResidualAdaptor) -> float:
        P = backend.to_numpy(state.P)
        Q, D = one @ P, other @ P
        scores = neighbor_ndcg(
            similarities, lambda m: (Q[:, :m], D[:, :m]), dims, temperature=temperature
        )
        return -float(scores.mean())

    return lost


def _weighed(
    objective: Objective, task: DocumentTask, adaptor: ResidualAdaptor, batch: DocumentBatch
) -> Objective:
    """Weigh each dim by the inverse of its loss at the start.

    The longest prefixes are nearly lossless at the start; unweighed, they would pay for
    the shortest, whose losses are a hundred times larger.
    """
    losses = []
    for m in objective.dims:
        alone = replace(objective, dims=(m,))
        losses.append(float(replace(task, objective=alone).evaluate(adaptor, batch)[0]))
    floor = 1e-6 * max(losses)
    if not floor > 0:
        return objective
    return replace(objective, weights=tuple(1.0 / max(loss, floor) for loss in losses))
