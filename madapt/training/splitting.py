"""Which documents and queries are trained on, and which are held out, without labels."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from madapt.training.data import TrainingData
from madapt.training.settings import Settings

__all__ = ["Split", "everything", "splits_of"]

#: Most rows of each side that are held out at once.
MOST_HELD_OUT = 1000
#: So many rows of each side are to be held out in all, in so many folds at most.
WANTED_DOCUMENTS, WANTED_QUERIES, MOST_FOLDS = 200, 50, 3

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
        `validation_fraction` of the documents and of the queries is held out, and in all,
        where there are folds, 200 documents and 50 queries if there are as many. Nothing
        is where nothing would look at it.
    generator : numpy.random.Generator
        Draws them.

    Returns
    -------
    list of Split
        One a fold.
    """
    sizes = (len(data.documents), _n_queries(data, settings))
    wanted = (WANTED_DOCUMENTS, WANTED_QUERIES)
    looks = settings.guard or settings.early_stopping
    shares = [_size(n, settings.validation_fraction) if looks else 0 for n in sizes]
    n_folds = 1
    if settings.guard and shares[0] > 1:
        needed = [-(-most // max(share, 1)) for most, share in zip(wanted, shares, strict=True)]
        n_folds = min(MOST_FOLDS, max(needed if sizes[1] else needed[:1]))
    drawn = []
    first = 0
    for n, most, share in zip(sizes, wanted, shares, strict=True):
        enough = max(share, -(-most // n_folds))
        size = share if n_folds == 1 else min(enough, n // n_folds)
        order = first + generator.permutation(n)
        drawn.append([np.sort(order[i * size : (i + 1) * size]) for i in range(n_folds)])
        first += n
    whole = everything(data, settings)
    return [
        Split(
            np.setdiff1d(whole.documents, documents),
            np.setdiff1d(whole.queries, queries),
            documents,
            queries,
            n_folds == 1,
        )
        for documents, queries in zip(*drawn, strict=True)
    ]


def _n_queries(data: TrainingData, settings: Settings) -> int:
    return data.n_queries if settings.query_share else 0


def _size(n: int, fraction: float) -> int:
    return min(int(fraction * n), MOST_HELD_OUT)
