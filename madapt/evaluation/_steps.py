"""Transform queries and documents through whatever scikit-learn puts around an adaptor."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from inspect import Parameter, signature
from typing import Any

from sklearn import get_config
from sklearn.utils.metadata_routing import get_routing_for_object

from madapt._checks import check_dims
from madapt.exceptions import InvalidTypeError, InvalidValueError

__all__ = ["Steps"]


class Steps:
    """The steps of a fitted estimator, each called by hand.

    Every step that takes `side` is told it, and the last one that takes `dim` returns prefixes.
    So queries are centred as queries in a `Pipeline`, with metadata routing or without.

    Parameters
    ----------
    estimator : object
        Fitted: a transformer, a `Pipeline` of them, however nested, or a search that was refit.
    dims : sequence of int or None
        Prefix lengths; None is what the estimator returns without being asked.

    Raises
    ------
    InvalidTypeError
        If something has no transform, or dims are given and nothing takes `dim`.
    InvalidValueError
        If dims lie beyond the number of features, or `side` cannot reach a step.
    """

    def __init__(self, estimator: Any, dims: Sequence[int] | None) -> None:
        self.steps = list(_flat(estimator))
        self.taken = [_taken(step) for step in self.steps]
        self.dims: Sequence[int | None] = [None] if dims is None else dims
        self.first = 0
        if dims is None:
            return
        takers = [place for place, names in enumerate(self.taken) if "dim" in names]
        if not takers:
            raise InvalidTypeError(
                "dims must be None unless estimator, or a step of its Pipeline, has "
                f"transform(X, dim=); got dims={list(dims)} and {type(estimator).__name__}"
            )
        self.first = takers[-1]
        d = getattr(self.steps[self.first], "n_features_in_", None)
        if d is not None:
            check_dims(dims, d)

    def transform(self, X: Any, side: str) -> Iterator[Any]:
        """Yield X transformed, once for each of dims.

        Parameters
        ----------
        X : array-like of shape (n, d)
            What the first step takes.
        side : {"document", "query"}
            What X holds.

        Yields
        ------
        array-like of shape (n, m)
        """
        X = self._through(X, side, 0, self.first)
        for m in self.dims:
            yield self._through(X, side, self.first, len(self.steps), m)

    def _through(self, X: Any, side: str, start: int, stop: int, m: int | None = None) -> Any:
        for place in range(start, stop):
            options: dict[str, Any] = {"side": side} if "side" in self.taken[place] else {}
            if m is not None and place == self.first:
                options["dim"] = m
            X = self.steps[place].transform(X, **options)
        return X


def _flat(estimator: Any) -> Iterator[Any]:
    """Yield the steps; a pipeline in a pipeline gives its own."""
    from sklearn.pipeline import Pipeline  # on first use: importing madapt stays light

    found = getattr(estimator, "best_estimator_", estimator)
    if isinstance(found, Pipeline):
        for _, step in found.steps:
            yield from _flat(step)
    elif found is not None and found != "passthrough":
        if not callable(getattr(found, "transform", None)):
            raise InvalidTypeError(f"estimator must have a transform, got {found!r}")
        yield found


def _taken(step: Any) -> set[str]:
    """Return which of `dim` and `side` a step's transform can be given."""
    parameters = signature(step.transform).parameters
    names = {"dim", "side"} & set(parameters)
    if "side" in names or not hasattr(step, "get_params"):
        return names
    # A FeatureUnion or a ColumnTransformer. `dim` would be that of each of its parts.
    routes = any(one.kind is Parameter.VAR_KEYWORD for one in parameters.values())
    if routes and get_config()["enable_metadata_routing"]:
        names |= get_routing_for_object(step).consumes("transform", ["side"])
    lost = [] if "side" in names else [part for part in step.get_params().values() if _sided(part)]
    if lost:
        how = "only with sklearn.set_config(enable_metadata_routing=True)" if routes else "nowhere"
        raise InvalidValueError(
            f"estimator must let side='query' through to {type(lost[0]).__name__}, got a "
            f"{type(step).__name__}, which hands it on {how}"
        )
    return names


def _sided(part: Any) -> bool:
    """Tell whether a parameter is a transformer that takes `side`."""
    transform = None if isinstance(part, type) else getattr(part, "transform", None)
    return callable(transform) and "side" in signature(transform).parameters
