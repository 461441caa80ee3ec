"""`fit` on a Dask array: one pass for moments and a sample, and the training after it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import csr_array
from sklearn.utils import check_random_state
from sklearn.utils.validation import validate_data

from madapt._checks import check_bool, check_integer
from madapt._fit_data import FitData, check_queries, refuse_two_dimensional
from madapt._parameters import check_center, settings_of
from madapt._row_source import working_dtype
from madapt._trained import Start, beginning_of
from madapt.backends import get_backend
from madapt.dask._reading import (
    Moments,
    add_moments,
    check_moments,
    drawn_rows,
    moments_of,
    rows_at,
    within_blocks,
)
from madapt.dask._rounds import AveragedTraining, shards_of
from madapt.dask._work import Work, added, blocks_of, check_dask_rows, is_dask_array, lengths_of
from madapt.exceptions import InvalidValueError
from madapt.training import Trainer, trainer_here

__all__ = ["DaskFitMixin"]


class DaskFitMixin:
    """Adds `_fit_blocks` to the estimator."""

    client: Any
    n_shards: int | None
    n_rounds: int

    def _fit_blocks(self: Any, X: Any, y: Any, **given: Any) -> None:
        """Learn from a Dask array X; `given` are queries, judgments and their names."""
        work = Work(self.client)
        n_shards, n_rounds = self._shards()
        is_further = check_bool(self.warm_start, "warm_start") and hasattr(self, "adaptor_")
        with self._columns_kept():
            rows = check_dask_rows(X, "X")
            validate_data(self, rows, reset=not is_further, skip_check_array=True)
            blocks = blocks_of(rows)
            lengths = lengths_of(rows, blocks, work)
            data = _asked(rows, int(lengths.sum()), y, work, given)
            settings = settings_of(self, rows.shape[1], *data.label_counts, data.n_queries, data.n)
            center = check_center(self.center, data.queries is not None)
            max_rows = check_integer(self.max_fit_rows, "max_fit_rows", low=1)
            backend, unit = get_backend(self.backend), bool(self.normalize)
            seed = check_random_state(self.random_state).randint(np.iinfo(np.int32).max)
            generator = np.random.default_rng(seed)
            at = drawn_rows(data.n, max_rows, data.judged_documents, generator)
            moments, documents = _read(blocks, lengths, at, unit, work)
            sample = data.with_documents(at, documents).sample_queries(max_rows, generator)
            begun = beginning_of(
                self, seed, sample, settings, center, max_rows, unit, n_shards, n_rounds
            )
            if begun.seed != seed:  # an interrupted fit of all rows, for which nothing was drawn
                generator = np.random.default_rng(begun.seed)

            def rotation(middle: np.ndarray | None) -> np.ndarray | None:
                mean = None if middle is None else middle[0]
                fixed = settings.rotation == "identity"
                return None if fixed else moments.rotation(mean, documents.dtype)

            def trainer(middle: np.ndarray | None) -> Trainer:
                if n_shards is None:
                    return trainer_here
                shards = shards_of(blocks, lengths, n_shards, max_rows, begun.seed)
                mean = None if middle is None else middle[0]
                return AveragedTraining(shards, at, work, n_rounds, unit, mean)

            start = Start(begun, generator, settings, center, backend)
            self._learn_from(sample, start, X, y, rotation, trainer)

    def _shards(self) -> tuple[int | None, int]:
        """Return the numbers of shards and of rounds, checked."""
        n_rounds = check_integer(self.n_rounds, "n_rounds", low=1)
        if self.n_shards is None:
            return None, n_rounds
        return check_integer(self.n_shards, "n_shards", low=1), n_rounds


@dataclass(frozen=True)
class _Asked(FitData):
    """What `fit` was given beside the documents, of which only the number is known yet."""

    n: int = 0

    @property
    def judged_documents(self) -> np.ndarray:
        """Indices of documents with a judgment, rising."""
        return np.arange(0) if self.qrels is None else np.unique(self.qrels.indices)

    def with_documents(self, at: np.ndarray, documents: np.ndarray) -> FitData:
        """Return what is trained on: these documents alone."""
        qrels = self.qrels
        if qrels is not None and len(at) < self.n:
            qrels = csr_array(qrels[:, at])
        return FitData(documents, self.queries, qrels)


def _asked(X: Any, n: int, y: Any, work: Work, given: dict[str, Any]) -> _Asked:
    """Check what `fit` was given beside a Dask array X of n rows."""
    if n == 0:
        raise InvalidValueError(f"X must have rows, got {len(X.chunks[0])} chunks without any")
    refuse_two_dimensional(y)
    if is_dask_array(given["queries"]):
        given = given | {"queries": work.compute([given["queries"]])[0]}
    queries, qrels = check_queries((n, X.shape[1]), **given)
    return _Asked(np.empty((0, X.shape[1]), working_dtype(X)), queries, qrels, n=n)


def _read(
    blocks: list[Any], lengths: np.ndarray, at: np.ndarray, unit: bool, work: Work
) -> tuple[Moments, np.ndarray]:
    """Read all blocks once; return the moments of all rows, and the rows that were asked for."""
    from dask import delayed

    moments = added([delayed(moments_of)(b, i, unit) for i, b in enumerate(blocks)], add_moments)
    within = within_blocks(at, lengths)
    pieces = [delayed(rows_at)(blocks[i], i, part) for i, part in enumerate(within) if len(part)]
    found, *rows = work.compute([moments, *pieces])
    return check_moments(found), np.concatenate(rows)
