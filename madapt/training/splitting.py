"""Which documents and queries are trained on, and which are held out, without labels."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from madapt.training.data import TrainingData
from madapt.training.settings import Settings

__all__ = ["Split", "everything", "splits_of"]

#: Most rows of each side that are held out at once.
MOST_HELD_OUT = 1000
#: So many rows of each side are to be held out in all, in so many folds at most.
WANTED_DOCUMENTS, WANTED_QUERIES, MOST_FOLDS = 200, 100, 3
#: The same for documents, queries with judgments and queries without.
WANTED = (WANTED_DOCUMENTS, WANTED_QUERIES, WANTED_QUERIES)

_NONE = np.arange(0)


class Split(NamedTuple):
    """Rows that are trained on and rows that are held out, as indices.

    Queries are numbered after the documents.
    """

    documents: np.ndarray
    queries: np.ndarray
    held_out_documents: np.ndarray = _NONE
    held_out_queries: np.ndarray = _NONE
    #: False for one of several folds.
    is_only: bool = True

    @property
    def held_out(self) -> np.ndarray:
        """Return documents, then queries."""
        return np.concatenate([self.held_out_documents, self.held_out_queries])


def everything(data: TrainingData, settings: Settings) -> Split:
    """Return the split that holds nothing out."""
    n = len(data.documents)
    return Split(np.arange(n), np.arange(n, n + _n_queries(data, settings)))


def splits_of(
    data: TrainingData, settings: Settings, generator: np.random.Generator
) -> list[Split]:
    """Draw what is held out: once, or in up to three disjoint folds where that would be few.

    Parameters
    ----------
    data : TrainingData
        Whose rows.
    settings : Settings
        `validation_fraction` of the documents, of the judged queries and of the others is held
        out, and in all, where there are folds, 200 documents and 100 queries if there are as
        many. Nothing is where nothing would look at it.
    generator : numpy.random.Generator
        Draws them.

    Returns
    -------
    list of Split
        One a fold.
    """
    looks = settings.guard or settings.early_stopping
    groups = _groups(data, settings)
    shares = [_size(len(rows), settings.validation_fraction) if looks else 0 for rows in groups]
    n_folds = _n_folds(groups, shares) if settings.guard and shares[0] > 1 else 1
    drawn: list[list[np.ndarray]] = []
    for rows, most, share in zip(groups, WANTED, shares, strict=True):
        enough = max(share, -(-most // n_folds))
        size = share if n_folds == 1 else min(enough, len(rows) // n_folds)
        order = rows[generator.permutation(len(rows))]
        drawn.append([order[i * size : (i + 1) * size] for i in range(n_folds)])
    whole = everything(data, settings)
    return [
        Split(
            np.setdiff1d(whole.documents, documents),
            np.setdiff1d(whole.queries, queries := np.concatenate([judged, others])),
            np.sort(documents),
            np.sort(queries),
            n_folds == 1,
        )
        for documents, judged, others in zip(*drawn, strict=True)
    ]


def _groups(data: TrainingData, settings: Settings) -> list[np.ndarray]:
    """Return documents, queries with judgments and queries without, of which each is drawn."""
    whole = everything(data, settings)
    first = len(whole.documents)
    judged = first + data.judged if len(whole.queries) else _NONE
    return [whole.documents, judged, np.setdiff1d(whole.queries, judged)]


def _n_folds(groups: list[np.ndarray], shares: list[int]) -> int:
    """Return how many folds hold out as many rows as are wanted; judged queries come first."""
    needed = [most / max(share, 1) for most, share in zip(WANTED, shares, strict=True)]
    queries = 1 if len(groups[1]) else 2
    wanted = math.ceil(needed[0])
    if len(groups[queries]):
        wanted = max(wanted, round(needed[queries]))
    return min(MOST_FOLDS, wanted)


def _n_queries(data: TrainingData, settings: Settings) -> int:
    return data.n_queries if settings.query_share else 0


def _size(n: int, fraction: float) -> int:
    return min(int(fraction * n), MOST_HELD_OUT)
