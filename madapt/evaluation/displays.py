"""The dimension curve as a picture."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.utils import Bunch

from madapt.evaluation.curve import dimension_curve
from madapt.exceptions import InvalidTypeError, InvalidValueError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure
    from matplotlib.lines import Line2D

__all__ = ["DimensionCurveDisplay"]

# Told apart by the colour-blind, too, and by the markers in print (M. Okabe, K. Ito).
_COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
_FROZEN_COLOR = "#666666"


class DimensionCurveDisplay:
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

    ax_: Axes
    figure_: Figure | SubFigure
    lines_: dict[str, Line2D]

    def __init__(
        self, dims: np.ndarray, scores: Mapping[str, np.ndarray], *, metric: str = "ndcg@10"
    ) -> None:
        self.dims = dims
        self.scores = scores
        self.metric = metric

    @classmethod
    def from_results(
        cls, results: Bunch, metric: str | None = None, *, ax: Axes | None = None
    ) -> Self:
        """Draw what `dimension_curve` has returned.

        Parameters
        ----------
        results : Bunch
            With ``dims``, ``metrics`` and ``scores``.
        metric : str or None, default=None
            Which metric to draw; None is the first.
        ax : matplotlib.axes.Axes or None, default=None
            Where to draw; None makes a new figure.

        Returns
        -------
        DimensionCurveDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If the metric is not in the results.
        ImportError
            If Matplotlib is not installed.
        """
        if metric is None:
            metric = results.metrics[0]
        if metric not in results.metrics:
            listed = ", ".join(repr(name) for name in results.metrics)
            raise InvalidValueError(f"metric must be one of {listed}, got {metric!r}")
        scores = {name: table[metric] for name, table in results.scores.items()}
        return cls(results.dims, scores, metric=metric).plot(ax)

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
        if not isinstance(metric, str):
            raise InvalidTypeError(f"metric must be one name, got {metric!r}")
        methods = estimator
        if not isinstance(estimator, Mapping):
            methods = {type(estimator).__name__: estimator}
        methods = {**methods, "frozen": methods.get("frozen")}
        results = dimension_curve(methods, corpus, queries, qrels, dims, metric)
        return cls.from_results(results, ax=ax)

    def plot(self, ax: Axes | None = None) -> Self:
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib.axes.Axes or None, default=None
            Where to draw; None makes a new figure.

        Returns
        -------
        DimensionCurveDisplay
            This display, with ``ax_``, ``figure_`` and ``lines_``.

        Raises
        ------
        ImportError
            If Matplotlib is not installed.
        """
        try:
            from matplotlib import pyplot
        except ImportError as error:
            raise ImportError(
                "DimensionCurveDisplay needs Matplotlib: pip install 'madapt[plot]'"
            ) from error
        if ax is None:
            _, ax = pyplot.subplots(figsize=(7.2, 4.2), layout="constrained")
        self.ax_, self.figure_ = ax, ax.figure
        curves = [name for name in self.scores if name != "frozen"]
        self.lines_ = {name: self._curve(name, place) for place, name in enumerate(curves)}
        if "frozen" in self.scores:
            self.lines_["frozen"] = self._reference()
        self._dress()
        return self

    def _curve(self, name: str, place: int) -> Line2D:
        (line,) = self.ax_.plot(
            self.dims,
            self.scores[name],
            label=name,
            color=_COLORS[place % len(_COLORS)],
            marker=_MARKERS[place % len(_MARKERS)],
            markersize=5,
            linewidth=1.8,
        )
        return line

    def _reference(self) -> Line2D:
        (line,) = self.ax_.plot(
            self.dims,
            self.scores["frozen"],
            label="frozen, all dims",
            color=_FROZEN_COLOR,
            linestyle=(0, (5, 3)),
            linewidth=1.3,
            zorder=1.5,
        )
        return line

    def _dress(self) -> None:
        """Set the axes, the grid and the legend."""
        from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

        ax = self.ax_
        ax.set_xscale("log", base=2)
        ax.xaxis.set_major_locator(FixedLocator([int(m) for m in self.dims]))
        ax.xaxis.set_major_formatter(FixedFormatter([str(m) for m in self.dims]))
        ax.xaxis.set_minor_locator(NullLocator())
        ax.set_xlabel("dims kept")
        ax.set_ylabel(self.metric.replace("ndcg", "nDCG"))
        ax.grid(True, color="#DDDDDD", linewidth=0.7)
        ax.set_axisbelow(True)
        for side in ("top", "right"):
            ax.spines[side].set_visible(False)
        # From top to bottom as the curves lie.
        ranked = sorted(
            self.lines_, key=lambda name: float(np.mean(self.scores[name])), reverse=True
        )
        ax.legend(
            handles=[self.lines_[name] for name in ranked],
            loc="upper left",
            bbox_to_anchor=(1.01, 1.0),
            borderaxespad=0.0,
            frameon=False,
        )
