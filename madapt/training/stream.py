"""A stream of documents: their second moments, a sample of them, and what was learned."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from madapt._linalg import components_of, second_moments
from madapt.adaptor import ResidualAdaptor
from madapt.backends import Backend
from madapt.training.data import Fit, TrainingData
from madapt.training.first_stage import learn_without_labels
from madapt.training.progress import Report
from madapt.training.runs import Runs
from madapt.training.settings import Settings
from madapt.training.splitting import MOST_HELD_OUT, Split

__all__ = ["Stream", "learn_from_stream"]


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
        stay, and a small second one holds a row out of the training, as long as it stays.
    n_seen : int
        Number of rows seen.
    seed : int
        Of everything that is drawn.
    candidate : ResidualAdaptor or None
        What was learned, whether the guard let it pass or not.
    """

    products: np.ndarray
    rows: np.ndarray
    draws: np.ndarray
    n_seen: int
    seed: int
    candidate: ResidualAdaptor | None = None

    @classmethod
    def empty(cls, like: np.ndarray, seed: int, candidate: ResidualAdaptor | None) -> Stream:
        """Return a stream of rows in shape and dtype like those, of which it has seen none."""
        d = like.shape[1]
        return cls(np.zeros((d, d)), like[:0].copy(), np.zeros((0, 2)), 0, seed, candidate)

    def followed_by(self, X: np.ndarray, max_rows: int) -> Stream:
        """Return the stream after further rows; it does not depend on how they are batched."""
        bits = np.random.PCG64(self.seed)
        bits.advance(2 * self.n_seen)  # two numbers a row
        draws = np.concatenate([self.draws, np.random.Generator(bits).random((len(X), 2))])
        rows = np.concatenate([self.rows, X.astype(self.rows.dtype, copy=False)])
        kept = np.sort(np.argsort(draws[:, 0], kind="stable")[:max_rows])
        return replace(
            self,
            products=self.products + second_moments(X),
            rows=rows[kept],
            draws=draws[kept],
            n_seen=self.n_seen + len(X),
        )

    def split(self, settings: Settings) -> Split:
        """Return which rows of the sample are trained on, and which measured."""
        looks = settings.guard or settings.early_stopping
        second = self.draws[:, 1]
        is_held_out = second < (settings.validation_fraction if looks else 0.0)
        held_out = np.flatnonzero(is_held_out)
        held_out = np.sort(held_out[np.argsort(second[held_out])[:MOST_HELD_OUT]])
        none = np.arange(0)
        return Split(np.flatnonzero(~is_held_out), none, held_out, none)


def learn_from_stream(
    stream: Stream, settings: Settings, backend: Backend, *, report: Report = lambda name: None
) -> tuple[Fit, Stream]:
    """Take the SVD rotation of all rows seen, and a few steps from what was learned.

    Parameters
    ----------
    stream : Stream
    settings : Settings
        With the number of steps; only the first of `rotation_dims` counts.
    backend : Backend
    report : callable
        Name of a run -> callable of (steps done, loss), or None.

    Returns
    -------
    fit : Fit
        Its adaptor is what the guard lets pass, or the SVD rotation.
    stream : Stream
        With what was learned, from which the next steps start in either case.

    Notes
    -----
    What was learned is a rotation within the leading k dims of an SVD rotation that further
    rows have turned meanwhile. It goes on from the rotation R that comes nearest to it within
    the new ones: R = W V^T for the singular value decomposition P_k^T L_k = W S V^T, with P_k and
    L_k the leading k columns of the new SVD rotation and of what was learned. So prefixes of k dims
    and more have the cosines that the SVD of all rows gives them.
    """
    X = stream.rows
    P = np.eye(X.shape[1], dtype=X.dtype)
    if settings.rotation != "identity":
        P = np.ascontiguousarray(components_of(stream.products).T, dtype=X.dtype)
    settings = replace(settings, rotation_dims=settings.rotation_dims[:1])
    start = ResidualAdaptor(P, activation=settings.activation)
    fit = Fit(start, start)
    if stream.candidate is not None:
        fit.past = stream.candidate
        if settings.is_rotation_learned:
            fit.past = _within(P, stream.candidate, settings.rotation_dims[0])
    generator = np.random.default_rng([stream.seed, stream.n_seen])
    runs = Runs(backend, report)
    split = stream.split(settings)
    try:
        learn_without_labels(
            fit, TrainingData(X, X), settings, generator, backend, runs, folds=[split]
        )
    except KeyboardInterrupt:
        fit.interrupted = True
    learned = fit.past if fit.candidate is None else fit.candidate
    return fit, replace(stream, candidate=learned)


def _within(P: np.ndarray, learned: ResidualAdaptor, k: int) -> ResidualAdaptor:
    """Return what comes nearest to a learned rotation by turning the leading k columns of P."""
    W, _, Vt = np.linalg.svd(P[:, :k].T.astype(np.float64) @ learned.P[:, :k])
    R = (W @ Vt).astype(P.dtype)  # (k, k)
    return ResidualAdaptor(
        np.concatenate([P[:, :k] @ R, P[:, k:]], axis=1), activation=learned.activation
    )
