"""What the pictures of curves share: colours, axes, grid and legend."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from sklearn.utils import Bunch

from madapt.exceptions import InvalidTypeError, InvalidValueError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure
    from matplotlib.lines import Line2D

__all__ = ["CurveDisplay", "ScoresDisplay", "axes_for", "by_name"]

# Told apart by the colour-blind, too, and by the markers in print (M. Okabe, K. Ito).
_COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
_FROZEN_COLOR = "#666666"


class CurveDisplay:
    """Draw one curve a method, over a logarithmic axis where there are ticks.

    Subclasses say where a curve's points lie (`_points`), the ticks, and the axes' labels.
    """

    #: Label of the horizontal axis.
    _xlabel: ClassVar[str]
    #: Whether points are marked.
    _marked: ClassVar[bool] = True

    metric: str
    scores: Mapping[str, np.ndarray]
    ax_: Axes
    figure_: Figure | SubFigure
    lines_: dict[str, Line2D]

    def _points(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Return places and heights of a method's curve."""
        raise NotImplementedError

    @property
    def _ticks(self) -> list[int] | None:
        """Ticks of a logarithmic axis; None leaves a linear one to Matplotlib."""
        return None

    @property
    def _ylabel(self) -> str:
        return self.metric.replace("ndcg", "nDCG")

    def plot(self, ax: Axes | None = None) -> Self:
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib.axes.Axes or None, default=None
            Where to draw; None makes a new figure.

        Returns
        -------
        CurveDisplay
            This display, with ``ax_``, ``figure_`` and ``lines_``.

        Raises
        ------
        ImportError
            If Matplotlib is not installed.
        """
        self.ax_ = axes_for(self, ax, figsize=(7.2, 4.2))
        self.figure_ = self.ax_.figure
        curves = [name for name in self.scores if name != "frozen"]
        self.lines_ = {name: self._curve(name, place) for place, name in enumerate(curves)}
        if "frozen" in self.scores:
            self.lines_["frozen"] = self._reference()
        self._dress()
        return self

    def _curve(self, name: str, place: int) -> Line2D:
        (line,) = self.ax_.plot(
            *self._points(name),
            label=name,
            color=_COLORS[place % len(_COLORS)],
            marker=_MARKERS[place % len(_MARKERS)] if self._marked else None,
            markersize=5,
            linewidth=1.8,
        )
        return line

    def _reference(self) -> Line2D:
        (line,) = self.ax_.plot(
            *self._points("frozen"),
            label="frozen, all dims",
            color=_FROZEN_COLOR,
            linestyle=(0, (5, 3)),
            linewidth=1.3,
            zorder=1.5,
        )
        return line

    def _dress(self) -> None:
        """Set the axes, the grid and the legend."""
        ax = self.ax_
        if self._ticks is not None:
            self._set_ticks(self._ticks)
        ax.set_xlabel(self._xlabel)
        ax.set_ylabel(self._ylabel)
        ax.grid(True, color="#DDDDDD", linewidth=0.7)
        ax.set_axisbelow(True)
        for side in ("top", "right"):
            ax.spines[side].set_visible(False)
        # From top to bottom as the curves lie.
        ranked = sorted(
            self.lines_, key=lambda name: float(np.mean(self._points(name)[1])), reverse=True
        )
        ax.legend(
            handles=[self.lines_[name] for name in ranked],
            loc="upper left",
            bbox_to_anchor=(1.01, 1.0),
            borderaxespad=0.0,
            frameon=False,
        )

    def _set_ticks(self, ticks: list[int]) -> None:
        from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

        self.ax_.set_xscale("log", base=2)
        self.ax_.xaxis.set_major_locator(FixedLocator(ticks))
        self.ax_.xaxis.set_major_formatter(FixedFormatter([str(tick) for tick in ticks]))
        self.ax_.xaxis.set_minor_locator(NullLocator())


class ScoresDisplay(CurveDisplay):
    """Draw scores that `dimension_curve` or `byte_curve` has returned.

    Subclasses say under which name the results hold the curves' places.
    """

    #: Name of the places in the results.
    _places: ClassVar[str]

    def __init__(
        self, places: np.ndarray, scores: Mapping[str, np.ndarray], *, metric: str = "ndcg@10"
    ) -> None:
        self.scores = scores
        self.metric = metric

    @classmethod
    def from_results(
        cls, results: Bunch, metric: str | None = None, *, ax: Axes | None = None
    ) -> Self:
        """Draw what was measured.

        Parameters
        ----------
        results : Bunch
            From `dimension_curve` for a curve of dims, from `byte_curve` for one of bytes.
        metric : str or None, default=None
            Which metric to draw; None is the first.
        ax : matplotlib.axes.Axes or None, default=None
            Where to draw; None makes a new figure.

        Returns
        -------
        DimensionCurveDisplay or ByteCurveDisplay
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
        return cls(results[cls._places], scores, metric=metric).plot(ax)

    @classmethod
    def _drawn(
        cls,
        measure: Callable[..., Bunch],
        methods: Any,
        data: tuple[Any, ...],
        metric: str,
        ax: Any,
    ) -> Self:
        """Measure methods by one metric, and draw; `data` is what `measure` takes in between."""
        if not isinstance(metric, str):
            raise InvalidTypeError(f"metric must be one name, got {metric!r}")
        return cls.from_results(measure(methods, *data, metric), ax=ax)


def by_name(estimator: Any) -> dict[str, Any]:
    """Return estimators by name; a single one is called by its class."""
    if isinstance(estimator, Mapping):
        return dict(estimator)
    return {type(estimator).__name__: estimator}


def axes_for(display: Any, ax: Axes | None, figsize: tuple[float, float]) -> Axes:
    """Return where to draw: the axes given, or those of a new figure."""
    try:
        from matplotlib import pyplot
    except ImportError as error:
        raise ImportError(
            f"{type(display).__name__} needs Matplotlib: pip install 'madapt[plot]'"
        ) from error
    if ax is None:
        _, ax = pyplot.subplots(figsize=figsize, layout="constrained")
    return ax
