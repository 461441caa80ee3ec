"""scikit-learn's callbacks, where it has them (1.9 and later); nothing happens before."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from madapt.adaptor import ResidualAdaptor
from madapt.training import Fit, Watcher

__all__ = ["HAS_CALLBACKS", "CallbackMixin"]

try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks

    HAS_CALLBACKS = True
except ImportError:  # before scikit-learn 1.9
    HAS_CALLBACKS = False
    Method = TypeVar("Method", bound=Callable[..., Any])

    def with_callbacks(method: Method) -> Method:
        """Return the method as it is."""
        return method

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Stand in for scikit-learn's; there is nothing to support."""


#: Fitted attributes of an estimator that has such an adaptor.
Attributes = Callable[[ResidualAdaptor], dict[str, Any]]


class CallbackMixin(CallbackSupportMixin):
    """Tell callbacks of a training's runs and steps; a callback can end it."""

    @with_callbacks
    def _watched(
        self, X: Any, y: Any, attributes: Attributes, train: Callable[[Watcher | None], Fit]
    ) -> Fit:
        """Return what `train` does while callbacks look on.

        Parameters
        ----------
        X : ndarray of shape (n, d)
        y : object
            What callbacks are told it is trained on.
        attributes : callable
            Adaptor -> what a fitted estimator with it needs for `transform` and `score`.
        train : callable
            Who looks on, or None -> Fit.
        """
        if not HAS_CALLBACKS:
            return train(None)
        # How many runs there will be depends on what the guard says of each.
        root = self._init_callback_context(task_name="fit", max_subtasks=None)
        root.call_on_fit_task_begin(estimator=self, X=X, y=y)
        watcher = (
            _Tasks(self, root, {"X": X, "y": y}, attributes)
            if getattr(self, "_skl_callbacks", None)
            else None
        )
        fit = train(watcher)
        root.call_on_fit_task_end(
            estimator=self, X=X, y=y, reconstruction_attributes=lambda: attributes(fit.adaptor)
        )
        return fit


class _Tasks:
    """Runs and steps as the tasks that callbacks know: fit, its runs, their steps."""

    def __init__(
        self, estimator: Any, root: Any, data: dict[str, Any], attributes: Attributes
    ) -> None:
        self.estimator, self.root, self.data = estimator, root, data
        self.attributes = attributes
        self._run: Any = None
        self._step: Any = None

    def begin_run(self, name: str, max_iter: int) -> None:
        # Callbacks take a task of 0 subtasks for a step.
        self._run = self.root.subcontext(task_name=name, max_subtasks=max_iter or None)
        self._run.call_on_fit_task_begin(estimator=self.estimator, **self.data)

    def begin_step(self) -> None:
        self._step = self._run.subcontext(task_name="step")
        self._step.call_on_fit_task_begin(estimator=self.estimator, **self.data)

    def end_step(self, adaptor: Callable[[], ResidualAdaptor]) -> bool:
        return self._end(self._step, adaptor)

    def end_run(self, adaptor: Callable[[], ResidualAdaptor]) -> bool:
        return self._end(self._run, adaptor)

    def _end(self, task: Any, adaptor: Callable[[], ResidualAdaptor]) -> bool:
        stop: bool = task.call_on_fit_task_end(
            estimator=self.estimator,
            **self.data,
            reconstruction_attributes=lambda: self.attributes(adaptor()),
        )
        return stop
