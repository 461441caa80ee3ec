"""One round of averaged training: steps on one shard, and the mean of what shards have learned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from madapt._rows import unit_rows
from madapt.adaptor import ResidualAdaptor
from madapt.backends import get_backend
from madapt.training.loop import History
from madapt.training.settings import Settings
from madapt.training.splitting import Split
from madapt.training.unsupervised import learn_from_documents

__all__ = ["State", "mean_state", "polar_factor", "shard_inputs", "trained"]


@dataclass(frozen=True)
class State:
    """What a round begins with, and what comes of it; NumPy.

    Parameters
    ----------
    adaptor : ResidualAdaptor
        A rotation of the leading k coordinates, or an MLP.
    moments : mapping
        Those of Adam, by parameter, as `Updater` has them; empty before the first step.
    losses : list of float
        Of each step of the round.
    """

    adaptor: ResidualAdaptor
    moments: Mapping[str, Mapping[str, Any]]
    losses: list[float]


def shard_inputs(
    rows: np.ndarray, kept: np.ndarray, queries: np.ndarray | None, base: np.ndarray, unit: bool
) -> tuple[np.ndarray, np.ndarray, int]:
    """Return what a shard trains on.

    Parameters
    ----------
    rows : ndarray of shape (n, d)
        The shard's documents, normalised and centred.
    kept : ndarray of int
        Those that are not held out.
    queries : ndarray of shape (n_queries, d) or None
        Unlabeled queries that are not held out, likewise.
    base : ndarray of shape (d, k)
        The leading columns of the rotation behind which is trained.
    unit : bool
        Whether inputs are made unit rows first, as they may be before a rotation.

    Returns
    -------
    U : ndarray of shape (n_kept + n_queries, k)
        Inputs, documents first.
    T : ndarray of shape (n_kept + n_queries, d)
        Unit rows.
    n : int
        Number of documents among them.
    """
    both = rows[kept] if queries is None else np.concatenate([rows[kept], queries])
    T = unit_rows(both)
    return (T if unit else both) @ base, T, len(kept)


def trained(
    inputs: tuple[np.ndarray, np.ndarray, int],
    first: ResidualAdaptor,
    state: State,
    settings: Settings,
    steps: tuple[int, int],
    seed: Sequence[int],
    backend: str,
) -> State:
    """Return the state after some steps on a shard.

    Parameters
    ----------
    inputs : tuple
        Of `shard_inputs`.
    first : ResidualAdaptor
        What training began with, before any round: the losses are weighed by it.
    state : State
        What this round begins with.
    settings : Settings
        Of the fit.
    steps : tuple of int
        The first of all the training's steps that is done here, and the first that is not.
    seed : sequence of int
        Of the batches.
    backend : str
        Where it is trained; results are NumPy.
    """
    U, T, n = inputs
    there = get_backend(backend)

    def round_of(
        _: ResidualAdaptor, step: Any, *, generator: Any, updater: Any, **__: Any
    ) -> tuple[ResidualAdaptor, History]:
        updater.restore(_mapped(there.asarray, state.moments))
        adaptor, losses = _moved(there.asarray, state.adaptor), []
        for done in range(*steps):
            loss, adaptor = step(adaptor, done)
            losses.append(loss)
        moments.update(_mapped(there.to_numpy, updater.moments()))
        return adaptor, History([float(loss) for loss in losses])

    moments: dict[str, dict[str, Any]] = {}
    with there.training():
        adaptor, history = learn_from_documents(
            there.asarray(U),
            there.asarray(T),
            _moved(there.asarray, first),
            settings,
            np.random.default_rng(list(seed)),
            split=Split(np.arange(n), np.arange(n, len(U))),
            run=round_of,
            backend=there,
        )
    return State(_moved(there.to_numpy, adaptor), moments, history.losses)


def mean_state(states: Sequence[State], weights: np.ndarray) -> State:
    """Return the mean of what shards have learned from one start.

    Parameters
    ----------
    states : sequence of State
        One a shard.
    weights : ndarray of shape (n_shards,)
        Their shares, of sum 1.

    Notes
    -----
    The mean R = sum_s w_s P_s of rotations is none; its polar factor, U V^T for the singular value
    decomposition R = U S V^T, is the rotation that comes nearest to it, and has the least
    weighted sum of squared distances to the P_s. An MLP's parameters and the
    moments of Adam, which live on tangents carried along with the rotations, are averaged as they
    are.
    """

    def mean(arrays: Sequence[Any]) -> Any:
        found = sum(w * np.asarray(a, np.float64) for w, a in zip(weights, arrays, strict=True))
        return np.asarray(found, dtype=arrays[0].dtype)

    arrays = {
        name: mean([getattr(state.adaptor, name) for state in states])
        for name in states[0].adaptor.parameters
    }
    if "P" in arrays:
        P = sum(w * s.adaptor.P.astype(np.float64) for w, s in zip(weights, states, strict=True))
        arrays["P"] = polar_factor(P).astype(states[0].adaptor.P.dtype)
    moments = {
        name: {
            "mean": mean([state.moments[name]["mean"] for state in states]),
            "square": mean([state.moments[name]["square"] for state in states]),
            "steps": one["steps"],
        }
        for name, one in states[0].moments.items()
    }
    losses = np.array([state.losses for state in states]).T @ weights
    return State(states[0].adaptor.replace(**arrays), moments, losses.tolist())


def polar_factor(R: np.ndarray) -> np.ndarray:
    """Return the orthogonal matrix nearest to a square one in the Frobenius norm."""
    W, _, Vt = np.linalg.svd(R)
    nearest: np.ndarray = W @ Vt
    return nearest


def _moved(move: Any, adaptor: ResidualAdaptor) -> ResidualAdaptor:
    return adaptor.replace(**{name: move(W) for name, W in adaptor.parameters.items()})


def _mapped(move: Any, moments: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    return {
        name: {"mean": move(one["mean"]), "square": move(one["square"]), "steps": one["steps"]}
        for name, one in moments.items()
    }
