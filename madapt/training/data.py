"""What training is given, and what it leaves behind."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from madapt.adaptor import ResidualAdaptor
from madapt.training.settings import Settings

__all__ = ["Fit", "HeldOutScores", "JudgedQueries", "TrainingData"]

_NONE = np.arange(0)


@dataclass(frozen=True)
class JudgedQueries:
    """The queries that have a positive, of the same form as the documents.

    Parameters
    ----------
    queries, frozen_queries : ndarrays of shape (n_judged, d)
        As they enter the rotation, and without centring.
    qrels : csr_array of shape (n_judged, n)
        Their grades.
    """

    queries: np.ndarray
    frozen_queries: np.ndarray
    qrels: csr_array


@dataclass(frozen=True)
class TrainingData:
    """What an adaptor is trained on, all rows normalised.

    Parameters
    ----------
    documents : ndarray of shape (n, d)
        As they enter the rotation: centred where centring is on.
    frozen_documents : ndarray of shape (n, d)
        The same without centring.
    queries, frozen_queries : ndarrays of shape (n_queries, d) or None
        All queries, likewise.
    judged : ndarray of shape (n_judged,), int
        Rows of the queries that have a positive.
    qrels : csr_array of shape (n_judged, n) or None
        The grades of those.
    """

    documents: np.ndarray
    frozen_documents: np.ndarray
    queries: np.ndarray | None = None
    frozen_queries: np.ndarray | None = None
    judged: np.ndarray = field(default_factory=lambda: _NONE)
    qrels: csr_array | None = None

    @property
    def n_queries(self) -> int:
        """Number of queries, judged or not."""
        return 0 if self.queries is None else len(self.queries)

    @property
    def judged_queries(self) -> JudgedQueries | None:
        """The queries that have a positive, None without any."""
        if self.queries is None or self.frozen_queries is None or self.qrels is None:
            return None
        return JudgedQueries(
            self.queries[self.judged], self.frozen_queries[self.judged], self.qrels
        )

    @property
    def rows(self) -> np.ndarray:
        """Documents, then queries, shape (n + n_queries, d)."""
        return _stacked(self.documents, self.queries)

    @property
    def frozen_rows(self) -> np.ndarray:
        """The same without centring."""
        return _stacked(self.frozen_documents, self.frozen_queries)


@dataclass(frozen=True)
class HeldOutScores:
    """Scores of the adaptor that was kept, on rows that were not trained on.

    Parameters
    ----------
    metric : {"ndcg@10", "neighbor ndcg@10"}
        By judgments, or by the original similarities.
    dims : tuple of L int
        Prefix lengths.
    scores : ndarray of shape (L, n)
        One row a dim.
    full : ndarray of shape (n,)
        The frozen embedding's, at all d.
    weights : ndarray of shape (n,)
        Of the columns in a mean, of sum 1.
    """

    metric: str
    dims: tuple[int, ...]
    scores: np.ndarray
    full: np.ndarray
    weights: np.ndarray


@dataclass
class Fit:
    """What training leaves behind, in NumPy."""

    #: The adaptor before any training.
    start: ResidualAdaptor
    #: The adaptor that was kept.
    adaptor: ResidualAdaptor
    #: Loss of each step of the final runs, stage 1 then stage 2.
    losses: list[float] = field(default_factory=list)
    #: Held-out scores, one list a column.
    table: dict[str, list[Any]] = field(default_factory=dict)
    #: Held-out scores of what was kept, row by row; None without a guard.
    held_out: HeldOutScores | None = None
    #: Whether Ctrl-C or a callback ended it.
    interrupted: bool = False
    #: What training starts from instead of `start`, whose measures stay what they are.
    past: ResidualAdaptor | None = None
    #: What stage 1 has learned, whether the guard let it pass or not.
    candidate: ResidualAdaptor | None = None
    #: How many leading coordinates that turns.
    candidate_dims: int = 0
    #: Rows of queries that were held out, and what stage 1 has learned without them; nothing
    #: where it was not kept.
    without: list[tuple[np.ndarray, ResidualAdaptor]] = field(default_factory=list)
    #: What an interrupted fit needs to go on.
    checkpoint: dict[str, Any] | None = None
    #: Whether a step was done that was not known from such a checkpoint.
    is_new: bool = False

    def has_refused_judgments(self, settings: Settings) -> bool:
        """Say whether the second stage was to be trained, and the guard kept what was before."""
        if not settings.guard or settings.hidden_dim is None or not settings.supervised.max_iter:
            return False
        kept: str = self.table.get("kept", ["start"])[0]
        return kept != "supervised"


def _stacked(documents: np.ndarray, queries: np.ndarray | None) -> np.ndarray:
    return documents if queries is None else np.concatenate([documents, queries])
