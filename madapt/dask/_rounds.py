"""The first stage on a cluster: rounds of steps on shards, and the mean after each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from madapt._rows import unit_rows
from madapt.adaptor import ResidualAdaptor
from madapt.backends import Backend
from madapt.dask._averaging import State, mean_state, shard_inputs, trained
from madapt.dask._reading import drawn_rows, rows_at, within_blocks
from madapt.dask._work import Work
from madapt.training import Fit, Settings, TrainingData
from madapt.training.first_stage import Train, base_of, first_state
from madapt.training.loop import History
from madapt.training.runs import Runs
from madapt.training.splitting import Split

__all__ = ["AveragedTraining", "Shard", "shards_of"]


@dataclass(frozen=True)
class Shard:
    """Documents that are trained on together.

    Parameters
    ----------
    at : ndarray of int
        Their indices among all documents, rising.
    rows : Delayed
        The documents as they came.
    """

    at: np.ndarray
    rows: Any


def shards_of(
    blocks: list[Any], lengths: np.ndarray, n_shards: int, most: int, seed: int
) -> list[Shard]:
    """Return up to so many shards, each a uniform sample of successive blocks.

    They depend on the blocks and the seed, not on the number of workers.

    Parameters
    ----------
    blocks : list of Delayed
    lengths : ndarray of int
        Rows of each.
    n_shards : int
        How many shards, fewer where there are fewer blocks.
    most : int
        Rows of one shard.
    seed : int
        Of what is drawn.
    """
    from dask import delayed

    shards = []
    edges = np.concatenate([[0], np.cumsum(lengths)])
    parts = np.array_split(np.arange(len(blocks)), min(n_shards, len(blocks)))
    for place, part in enumerate(parts):
        generator = np.random.default_rng([seed, place])
        n = int(lengths[part].sum())
        at = drawn_rows(n, most, np.arange(0), generator)
        within = within_blocks(at, lengths[part])
        pieces = [
            delayed(rows_at)(blocks[i], i, index)
            for i, index in zip(part.tolist(), within, strict=True)
        ]
        shards.append(Shard(at + edges[part[0]], delayed(np.concatenate)(pieces)))
    return shards


class AveragedTraining:
    """What trains the first stage on shards; calling it gives the guard's `train`.

    Parameters
    ----------
    shards : list of Shard
    sampled : ndarray of int
        Indices among all documents of those that the guard may hold out.
    work : Work
        Where the tasks run.
    n_rounds : int
        How often shards' states are averaged.
    normalize : bool
        Whether documents get unit length first.
    mean : ndarray of shape (d,) or None
        What each then loses.
    """

    def __init__(
        self,
        shards: list[Shard],
        sampled: np.ndarray,
        work: Work,
        n_rounds: int,
        normalize: bool,
        mean: np.ndarray | None,
    ) -> None:
        from dask import delayed

        self.shards, self.sampled, self.work, self.n_rounds = shards, sampled, work, n_rounds
        tasks = [delayed(_prepared)(shard.rows, normalize, mean) for shard in shards]
        self.rows = work.persist(tasks)

    def __call__(
        self,
        fit: Fit,
        data: TrainingData,
        settings: Settings,
        generator: np.random.Generator,
        backend: Backend,
        runs: Runs,
    ) -> Train:
        """Return what trains on all shards but held-out rows, in rounds."""
        base = base_of(fit, settings)

        def train(k: int, split: Split) -> tuple[ResidualAdaptor, History]:
            like = np.zeros((1, k), dtype=data.documents.dtype)
            first = first_state(fit, backend.asarray(like), settings, generator, backend)
            arrays = {name: backend.to_numpy(W) for name, W in first.parameters.items()}
            first = first.replace(**arrays)
            seed = int(generator.integers(2**63))
            inputs, sizes = self._inputs(data, split, base[:, :k], settings)
            report = runs.report(f"stage 1, {k} dims, {len(inputs)} shards")
            return self._rounds(inputs, sizes, first, settings, seed, backend.name, report)

        return train

    def _inputs(
        self, data: TrainingData, split: Split, base: np.ndarray, settings: Settings
    ) -> tuple[list[Any], np.ndarray]:
        """Return each shard's inputs, where they are, and its number of documents."""
        from dask import delayed

        held_out = self.sampled[split.held_out_documents]
        kept = [np.flatnonzero(~np.isin(shard.at, held_out)) for shard in self.shards]
        queries = data.queries
        if queries is not None:
            queries = queries[split.queries - len(data.documents)]
        shared = [delayed(value, traverse=False) for value in (queries, np.ascontiguousarray(base))]
        tasks, sizes = [], []
        for rows, index in zip(self.rows, kept, strict=True):
            if len(index) > 1:
                unit = settings.is_rotation_learned
                tasks.append(delayed(shard_inputs, nout=3)(rows, index, *shared, unit))
                sizes.append(len(index))
        return self.work.persist(tasks), np.array(sizes)

    def _rounds(
        self,
        inputs: list[Any],
        sizes: np.ndarray,
        first: ResidualAdaptor,
        settings: Settings,
        seed: int,
        backend: str,
        report: Any,
    ) -> tuple[ResidualAdaptor, History]:
        """Train, and average, round by round; after Ctrl-C the last mean is what there is."""
        from dask import delayed

        state, history = State(first, {}, []), History()
        edges = np.linspace(0, settings.unsupervised.max_iter, self.n_rounds + 1).astype(int)
        began = delayed(first, traverse=False)
        try:
            for start, stop in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
                if start == stop:
                    continue
                common = (began, delayed(state, traverse=False), settings, (start, stop))
                tasks = [
                    delayed(trained)(shard, *common, (seed, place, start), backend)
                    for place, shard in enumerate(inputs)
                ]
                state = mean_state(self.work.compute(tasks), sizes / sizes.sum())
                history.losses += state.losses
                history.kept = stop
                if report is not None:
                    report(stop, state.losses[-1])
        except KeyboardInterrupt:
            history.interrupted = True
        return state.adaptor, history


def _prepared(rows: np.ndarray, normalize: bool, mean: np.ndarray | None) -> np.ndarray:
    X: np.ndarray = unit_rows(rows) if normalize else rows
    return X if mean is None else X - mean.astype(X.dtype)
