"""A stream of documents: their second moments, a sample of them, and what was learned."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from madapt._linalg import components_of, second_moments
from madapt.adaptor import ResidualAdaptor
from madapt.backends import Backend
from madapt.training.data import Fit, TrainingData
from madapt.training.first_stage import learn_without_labels
from madapt.training.progress import Report
from madapt.training.runs import Runs
from madapt.training.settings import Settings
from madapt.training.splitting import MOST_HELD_OUT, WANTED_DOCUMENTS, Split
from madapt.training.spread import spread_share

__all__ = ["Stream", "learn_from_stream"]

#: It is learned anew where that many times the documents of the last time have been seen; sooner
#: where the guard refuses what there is.
GROWTH, GROWTH_REFUSED = 1.5, 1.1
#: The most of a small sample that is held out.
MOST_SHARE = 1 / 3


@dataclass(frozen=True)
class Stream:
    """What is remembered of the documents seen.

    Parameters
    ----------
    products : ndarray of shape (d, d), float64
        The sum of x x^T over all rows x seen.
    rows : ndarray of shape (n, d)
        A uniform sample of them, all while there are few.
    draws : ndarray of shape (n, 2)
        Two random numbers for each row of the sample: the rows with the smallest first ones
        stay, and the smallest second ones are held out. A row that has been trained on is never
        held out later, for their share does not rise.
    n_seen : int
        Number of rows seen.
    seed : int
        Of everything that is drawn.
    n_learned : int
        Number of rows seen when it was learned last.
    candidate : ResidualAdaptor or None
        What was learned then, whether the guard let it pass or not.
    candidate_dims : int
        How many leading coordinates that turns.
    is_kept : bool
        Whether the guard let it pass when it was measured last.
    """

    products: np.ndarray
    rows: np.ndarray
    draws: np.ndarray
    n_seen: int
    seed: int
    n_learned: int = 0
    candidate: ResidualAdaptor | None = None
    candidate_dims: int = 0
    is_kept: bool = True

    @classmethod
    def empty(cls, like: np.ndarray, seed: int) -> Stream:
        """Return a stream of rows in shape and dtype like those, of which it has seen none."""
        d = like.shape[1]
        return cls(np.zeros((d, d)), like[:0].copy(), np.zeros((0, 2)), 0, seed)

    def followed_by(self, X: np.ndarray, max_rows: int) -> Stream:
        """Return the stream after further rows; it does not depend on how they are batched."""
        bits = np.random.PCG64(self.seed)
        bits.advance(2 * self.n_seen)  # two numbers a row
        draws = np.concatenate([self.draws, np.random.Generator(bits).random((len(X), 2))])
        rows = np.concatenate([self.rows, X.astype(self.rows.dtype, copy=False)])
        with np.errstate(over="ignore", invalid="ignore"):  # the caller looks at what comes
            products = self.products + second_moments(X)
        kept = np.sort(np.argsort(draws[:, 0], kind="stable")[:max_rows])
        return replace(
            self,
            products=products,
            rows=rows[kept],
            draws=draws[kept],
            n_seen=self.n_seen + len(X),
        )

    @property
    def is_due(self) -> bool:
        """Whether there is so much more that it is learned anew."""
        growth = GROWTH if self.is_kept else GROWTH_REFUSED
        return self.n_seen >= growth * self.n_learned

    def split(self, settings: Settings) -> Split:
        """Return which rows of the sample are trained on, and which measured."""
        share, few = 0.0, False
        if settings.guard or settings.early_stopping:
            share = settings.validation_fraction
            few = share * len(self.rows) < WANTED_DOCUMENTS
        if few:
            share = max(share, min(MOST_SHARE, WANTED_DOCUMENTS / len(self.rows)))
        second = self.draws[:, 1]
        held_out = np.flatnonzero(second < share)
        training = np.flatnonzero(second >= share)
        held_out = np.sort(held_out[np.argsort(second[held_out])[:MOST_HELD_OUT]])
        none = np.arange(0)
        return Split(training, none, held_out, none, is_only=not few)


def learn_from_stream(
    stream: Stream, settings: Settings, backend: Backend, *, report: Report = lambda name: None
) -> tuple[Fit, Stream]:
    """Take the SVD rotation of all rows seen, and learn on the sample where that is due.

    Parameters
    ----------
    stream : Stream
        What has been seen.
    settings : Settings
        Of the first stage; there are no labels.
    backend : Backend
        Where the training runs; the stream is NumPy and so is the result.
    report : callable
        Name of a run -> callable of (steps done, loss), or None.

    Returns
    -------
    fit : Fit
        Its adaptor is what the guard lets pass, or the SVD rotation.
    stream : Stream
        With what was learned, whether it passed or not.

    Notes
    -----
    Where nothing is due, what was learned is carried along: a rotation within the leading k dims
    of an SVD rotation that further rows have turned meanwhile becomes the one that comes nearest
    to it within the new ones, R = W V^T for the singular value decomposition
    P_k^T L_k = W S V^T, with P_k and L_k the leading k columns of the new SVD rotation and of what
    was learned. So prefixes of k dims and more have the cosines that the SVD of all rows gives
    them. The guard measures it again.
    """
    X = stream.rows
    settings = settings.narrowed(spread_share(X))
    P = np.eye(X.shape[1], dtype=X.dtype)
    if settings.rotation != "identity":
        P = np.ascontiguousarray(components_of(stream.products).T, dtype=X.dtype)
    start = ResidualAdaptor(P, activation=settings.activation)
    fit = Fit(start, start)
    if not stream.is_due:
        settings = replace(settings, unsupervised=replace(settings.unsupervised, max_iter=0))
        if stream.candidate is not None:
            fit.past = stream.candidate
            if settings.is_rotation_learned:
                k = stream.candidate_dims
                settings = replace(settings, rotation_dims=(k,))
                fit.past = _within(P, stream.candidate, k)
    generator = np.random.default_rng([stream.seed, stream.n_seen])
    data, folds = TrainingData(X, X), [stream.split(settings)]
    try:
        runs = Runs(backend, report)
        learn_without_labels(fit, data, settings, generator, backend, runs, folds)
    except KeyboardInterrupt:
        fit.interrupted = True
    found: dict[str, Any] = {"is_kept": fit.adaptor is not start}
    if stream.is_due and not fit.interrupted:
        found["n_learned"] = stream.n_seen
        found["candidate"], found["candidate_dims"] = fit.candidate, fit.candidate_dims
    return fit, replace(stream, **found)


def _within(P: np.ndarray, learned: ResidualAdaptor, k: int) -> ResidualAdaptor:
    """Return what comes nearest to a learned rotation by turning the leading k columns of P."""
    W, _, Vt = np.linalg.svd(P[:, :k].T.astype(np.float64) @ learned.P[:, :k])
    R = (W @ Vt).astype(P.dtype)  # (k, k)
    return ResidualAdaptor(
        np.concatenate([P[:, :k] @ R, P[:, k:]], axis=1), activation=learned.activation
    )
