"""The curves of dims and of bytes as pictures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from madapt.evaluation._curves import ScoresDisplay, by_name
from madapt.evaluation.byte_curve import byte_curve
from madapt.evaluation.curve import dimension_curve

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["ByteCurveDisplay", "DimensionCurveDisplay"]


class DimensionCurveDisplay(ScoresDisplay):
    """Draw retrieval quality against the number of dims that are kept.

    Make one with `from_results` or `from_estimator`; what they draw can be drawn again with
    `plot`.

    Parameters
    ----------
    dims : ndarray of shape (L,), int
        Prefix lengths, rising.
    scores : dict of str to ndarray of shape (L,)
        One curve a method. The one called "frozen" is drawn as a reference line.
    metric : str
        Name of what was measured.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        Where the curves are drawn.
    figure_ : matplotlib.figure.Figure
        The figure around it.
    lines_ : dict of str to matplotlib.lines.Line2D
        The curves, by method.
    """

    _xlabel = "dims kept"
    _places = "dims"

    def __init__(
        self, dims: np.ndarray, scores: Mapping[str, np.ndarray], *, metric: str = "ndcg@10"
    ) -> None:
        super().__init__(dims, scores, metric=metric)
        self.dims = dims

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        corpus: Any,
        queries: Any,
        qrels: Any,
        *,
        dims: Iterable[int] | None = None,
        metric: str = "ndcg@10",
        ax: Axes | None = None,
    ) -> Self:
        """Measure one or several fitted estimators beside the frozen embedding, and draw.

        Parameters
        ----------
        estimator : object or dict of str to object
            One with ``transform(X, dim=)``, called by its class, or several by name as in
            `dimension_curve`. "frozen" is added where it is missing.
        corpus : array-like of shape (n_docs, d)
            Document embeddings.
        queries : array-like of shape (n_queries, d)
            Query embeddings.
        qrels : sparse array or matrix of shape (n_queries, n_docs), or dicts
            Grades, as in `retrieval_scores`.
        dims : iterable of int or None, default=None
            Rising prefix lengths in 1..d. None: 8, 16, 32, ... below d, then d.
        metric : str, default="ndcg@10"
            "ndcg@k" or "recall@k".
        ax : matplotlib.axes.Axes or None, default=None
            Where to draw; None makes a new figure.

        Returns
        -------
        DimensionCurveDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If the metric cannot be read, or shapes or dims do not fit.
        TypeError
            If an argument has the wrong type.
        ImportError
            If Matplotlib is not installed.
        """
        methods = by_name(estimator)
        methods.setdefault("frozen", None)
        return cls._drawn(dimension_curve, methods, (corpus, queries, qrels, dims), metric, ax)

    def _points(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        return self.dims, self.scores[name]

    @property
    def _ticks(self) -> list[int]:
        return [int(m) for m in self.dims]


class ByteCurveDisplay(ScoresDisplay):
    """Draw retrieval quality against the bytes a vector takes.

    Each method's curve goes through the settings that no smaller one of its own beats (the
    Pareto front). Make one with `from_results` or `from_estimator`; what they draw can be
    drawn again with `plot`.

    Parameters
    ----------
    sizes : ndarray of shape (S,), int
        Bytes of each setting, rising.
    scores : dict of str to ndarray of shape (S,)
        Of each method, NaN where there is none.
    metric : str
        Name of what was measured.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        Where the curves are drawn.
    figure_ : matplotlib.figure.Figure
        The figure around it.
    lines_ : dict of str to matplotlib.lines.Line2D
        The curves, by method.
    """

    _xlabel = "bytes per vector"
    _places = "bytes"

    def __init__(
        self, sizes: np.ndarray, scores: Mapping[str, np.ndarray], *, metric: str = "ndcg@10"
    ) -> None:
        super().__init__(sizes, scores, metric=metric)
        self.sizes = sizes

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        corpus: Any,
        queries: Any,
        qrels: Any,
        *,
        settings: Iterable[tuple[int, str]] | None = None,
        metric: str = "ndcg@10",
        ax: Axes | None = None,
    ) -> Self:
        """Measure one or several fitted estimators, and draw.

        Parameters
        ----------
        estimator : object or dict of str to object
            One, called by its class, or several by name as in `byte_curve`.
        corpus : array-like of shape (n_docs, d)
            Document embeddings.
        queries : array-like of shape (n_queries, d)
            Query embeddings.
        qrels : sparse array or matrix of shape (n_queries, n_docs), or dicts
            Grades, as in `retrieval_scores`.
        settings : iterable of (int, str) or None, default=None
            Dims and precisions, as in `byte_curve`.
        metric : str, default="ndcg@10"
            "ndcg@k" or "recall@k".
        ax : matplotlib.axes.Axes or None, default=None
            Where to draw; None makes a new figure.

        Returns
        -------
        ByteCurveDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If the metric cannot be read, or shapes or settings do not fit.
        TypeError
            If an argument has the wrong type.
        ImportError
            If Matplotlib is not installed.
        """
        data = (corpus, queries, qrels, settings)
        return cls._drawn(byte_curve, by_name(estimator), data, metric, ax)

    def _points(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        front, best = [], -np.inf
        scores = np.asarray(self.scores[name], np.float64)
        for size in np.unique(self.sizes):
            at = np.flatnonzero((self.sizes == size) & ~np.isnan(scores))
            if len(at) and scores[at].max() > best:
                front.append(at[np.argmax(scores[at])])
                best = scores[front[-1]]
        return np.asarray(self.sizes)[front], scores[front]

    @property
    def _ticks(self) -> list[int]:
        low = int(min(self.sizes)).bit_length() - 1
        high = (int(max(self.sizes)) - 1).bit_length()
        return [2**power for power in range(low, high + 1)]
