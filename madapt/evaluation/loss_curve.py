"""The losses of a training as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from madapt.evaluation._curves import CurveDisplay, by_name
from madapt.exceptions import InvalidTypeError, InvalidValueError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["LossCurveDisplay"]


class LossCurveDisplay(CurveDisplay):
    """Draw the loss of each training step.

    Make one with `from_estimator` or `from_values`; what they draw can be drawn again with
    `plot`.

    Parameters
    ----------
    losses : dict of str to ndarray of shape (n_steps,)
        One curve a fit.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        Where the curves are drawn.
    figure_ : matplotlib.figure.Figure
        The figure around it.
    lines_ : dict of str to matplotlib.lines.Line2D
        The curves, by name.

    Notes
    -----
    Where labels were given, the losses of the first stage and those of the second follow one
    another; they are different losses, and the curve leaps between them.
    """

    _xlabel = "step"
    _ylabel = "loss"
    _marked = False

    def __init__(self, losses: Mapping[str, np.ndarray]) -> None:
        self.scores = losses

    @property
    def losses(self) -> Mapping[str, np.ndarray]:
        """The curves, by name."""
        return self.scores

    @classmethod
    def from_estimator(cls, estimator: Any, *, ax: Axes | None = None) -> Self:
        """Draw the `loss_curve_` of one or several fitted estimators.

        Parameters
        ----------
        estimator : object or dict of str to object
            One, called by its class, or several by name.
        ax : matplotlib.axes.Axes or None, default=None
            Where to draw; None makes a new figure.

        Returns
        -------
        LossCurveDisplay
            The display, drawn.

        Raises
        ------
        NotFittedError
            If an estimator has no `loss_curve_`.
        ValueError
            If there is none, or one has not made a step.
        ImportError
            If Matplotlib is not installed.

        Examples
        --------
        >>> from madapt import MatryoshkaAdaptor
        >>> from madapt.datasets import load_cranfield
        >>> from madapt.evaluation import LossCurveDisplay
        >>> adaptor = MatryoshkaAdaptor(max_iter=20).fit(load_cranfield().corpus)
        >>> display = LossCurveDisplay.from_estimator(adaptor)
        >>> len(display.losses["MatryoshkaAdaptor"])
        20
        """
        estimators = by_name(estimator)
        for one in estimators.values():
            check_is_fitted(one, "loss_curve_")
        return cls.from_values({name: one.loss_curve_ for name, one in estimators.items()}, ax=ax)

    @classmethod
    def from_values(
        cls, losses: Sequence[float] | Mapping[str, Sequence[float]], *, ax: Axes | None = None
    ) -> Self:
        """Draw losses.

        Parameters
        ----------
        losses : sequence of float, or dict of str to sequence of float
            The losses of one training, called "loss", or of several by name.
        ax : matplotlib.axes.Axes or None, default=None
            Where to draw; None makes a new figure.

        Returns
        -------
        LossCurveDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If there is no training, or one has no losses.
        TypeError
            If losses are not numbers.
        ImportError
            If Matplotlib is not installed.
        """
        named = losses if isinstance(losses, Mapping) else {"loss": losses}
        if not named:
            raise InvalidValueError("losses must be of one training at least, got none")
        return cls({name: _checked(name, values) for name, values in named.items()}).plot(ax)

    def _points(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        values = self.scores[name]
        return np.arange(1, len(values) + 1), values


def _checked(name: str, values: Sequence[float]) -> np.ndarray:
    try:
        array = np.asarray(values, np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidTypeError(
            f"losses must be numbers, one a step, got {values!r} for {name!r}"
        ) from error
    if array.ndim != 1 or not len(array):
        raise InvalidValueError(
            f"losses must be one number a step and at least one, got shape {array.shape} for "
            f"{name!r}"
        )
    return array
