"""The runs of a fit, one after the other: watched, written down, and gone on with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from madapt.adaptor import ResidualAdaptor
from madapt.backends import Backend
from madapt.training.composition import composed
from madapt.training.loop import History, Position, minimise
from madapt.training.progress import Report, Watcher
from madapt.training.tasks import Updater

__all__ = ["Run", "Runs", "plain_run"]

#: `minimise` with `generator` and `updater`, which a step changes in place.
Run = Callable[..., tuple[ResidualAdaptor, History]]

#: The parts of a position that are adaptors.
_STATES = ("state", "before", "best")


@dataclass(frozen=True)
class _Open:
    """An unfinished run between two steps."""

    place: int
    position: Position
    moments: dict[str, dict[str, Any]]
    generator: dict[str, Any]


class Runs:
    """The runs of a fit: each is reported, and can be gone on with after an interruption.

    Training is a sequence of runs of the loop, in an order that data, settings and seed
    determine, with measurements between them that draw nothing from elsewhere. A fit that is
    resumed therefore walks the same way again: a run that was finished is not trained, its
    result is taken and the generator set to where it was afterwards; the run that was
    interrupted goes on from the last position that was kept; and from there on all is as it
    would have been.

    Parameters
    ----------
    backend : Backend
        Where they run.
    report : callable
        Name of a run -> callable of (steps done, loss), or None.
    watcher : Watcher or None, default=None
        Who else looks at each step, and may end the training.
    checkpoint : mapping or None, default=None
        What `checkpoint` has returned after an interruption.

    Attributes
    ----------
    is_new : bool
        Whether a step was done that is not in the checkpoint it began with.
    """

    def __init__(
        self,
        backend: Backend,
        report: Report = lambda name: None,
        watcher: Watcher | None = None,
        checkpoint: Mapping[str, Any] | None = None,
    ) -> None:
        self.backend, self.report, self.watcher = backend, report, watcher
        self.finished: list[dict[str, Any]] = [] if checkpoint is None else [*checkpoint["runs"]]
        self._written = None if checkpoint is None else checkpoint["open"]
        self._open: _Open | None = None
        self._place = 0
        self.is_new = False

    def __call__(self, name: str, P: np.ndarray) -> Run:
        """Return what runs the loop under a name, for adaptors behind the rotation P."""

        def run(
            state: ResidualAdaptor,
            step: Callable[[ResidualAdaptor, int], tuple[float, ResidualAdaptor]],
            *,
            generator: np.random.Generator,
            updater: Updater,
            **options: Any,
        ) -> tuple[ResidualAdaptor, History]:
            place, self._place = self._place, self._place + 1
            if place < len(self.finished):
                return self._recalled(place, state, generator)
            start = self._reopened(place, state, generator, updater)

            def keep(at: Position) -> None:
                drawn = dict(generator.bit_generator.state)
                self._open = _Open(place, at.copy(), updater.moments(), drawn)

            watched = _Watched(self, name, P, step, options["max_iter"])
            learned, history = minimise(
                state, watched.step, report=watched.report, keep=keep, start=start, **options
            )
            if not history.interrupted:
                self._finish(learned, history, generator)
            watched.end(learned, history)
            return learned, history

        return run

    def checkpoint(self) -> dict[str, Any]:
        """Return, in plain arrays and numbers, what a fit needs to go on from here."""
        opened = self._written
        if self._open is not None:
            opened = self._noted(self._open)
        if opened is not None and opened["place"] != len(self.finished):
            opened = None  # the run was finished meanwhile
        return {"runs": self.finished, "open": opened}

    def arrays(self, adaptor: ResidualAdaptor) -> dict[str, np.ndarray]:
        """Return copies of an adaptor's arrays in NumPy."""
        parameters = adaptor.parameters.items()
        return {name: np.array(self.backend.to_numpy(array)) for name, array in parameters}

    def _finish(
        self, learned: ResidualAdaptor, history: History, generator: np.random.Generator
    ) -> None:
        self.finished.append(
            {
                "adaptor": self.arrays(learned),
                "history": asdict(history),
                "generator": generator.bit_generator.state,
            }
        )

    def _recalled(
        self, place: int, like: ResidualAdaptor, generator: np.random.Generator
    ) -> tuple[ResidualAdaptor, History]:
        record = self.finished[place]
        generator.bit_generator.state = record["generator"]
        return self._adaptor(record["adaptor"], like), History(**record["history"]).copy()

    def _reopened(
        self,
        place: int,
        like: ResidualAdaptor,
        generator: np.random.Generator,
        updater: Updater,
    ) -> Position | None:
        """Return where an interrupted run stood, its optimisers and generator set to there."""
        written = self._written
        if written is None or written["place"] != place:
            return None
        generator.bit_generator.state = written["generator"]
        asarray = self.backend.asarray
        updater.restore(
            {
                name: {
                    "mean": asarray(moments["mean"]),
                    "square": asarray(moments["square"]),
                    "steps": moments["steps"],
                }
                for name, moments in written["moments"].items()
            }
        )
        state, before, best = (self._adaptor(written[name], like) for name in _STATES)
        return Position(
            state,
            before,
            best,
            best_loss=written["best_loss"],
            done=written["done"],
            history=History(**written["history"]).copy(),
        )

    def _noted(self, opened: _Open) -> dict[str, Any]:
        at, to_numpy = opened.position, self.backend.to_numpy
        return {
            "place": opened.place,
            **{name: self.arrays(getattr(at, name)) for name in _STATES},
            "best_loss": at.best_loss,
            "done": at.done,
            "history": asdict(at.history),
            "moments": {
                name: {
                    "mean": to_numpy(moments["mean"]),
                    "square": to_numpy(moments["square"]),
                    "steps": moments["steps"],
                }
                for name, moments in opened.moments.items()
            },
            "generator": opened.generator,
        }

    def _adaptor(self, arrays: Mapping[str, Any], like: ResidualAdaptor) -> ResidualAdaptor:
        here = {name: self.backend.asarray(array) for name, array in arrays.items()}
        return ResidualAdaptor(activation=like.activation, **here)


class _Watched:
    """A run whose steps are reported, to the printer and to the watcher."""

    def __init__(
        self, runs: Runs, name: str, P: np.ndarray, step: Callable[..., Any], max_iter: int
    ) -> None:
        self.runs, self.watcher, self._step = runs, runs.watcher, step
        self._P = P
        self._state: Any = None
        self._show = runs.report(name)
        if self.watcher is not None:
            self.watcher.begin_run(name, max_iter)

    def step(self, state: ResidualAdaptor, done: int) -> tuple[float, ResidualAdaptor]:
        if self.watcher is not None:
            self.watcher.begin_step()
        loss, self._state = self._step(state, done)
        return loss, self._state

    def report(self, done: int, loss: float) -> bool:
        self.runs.is_new = True
        if self._show is not None:
            self._show(done, loss)
        if self.watcher is None:
            return False
        state = self._state
        return self.watcher.end_step(lambda: self._composed(state))

    def end(self, learned: ResidualAdaptor, history: History) -> None:
        if self.watcher is not None and self.watcher.end_run(lambda: self._composed(learned)):
            history.interrupted = True

    def _composed(self, state: ResidualAdaptor) -> ResidualAdaptor:
        """Return the rotation and what has been trained behind it as one adaptor."""
        return composed(self._P, state, self.runs.backend)


def plain_run(
    state: Any,
    step: Callable[..., Any],
    *,
    generator: Any = None,
    updater: Any = None,
    **options: Any,
) -> tuple[Any, History]:
    """Run the loop and write nothing down."""
    return minimise(state, step, **options)
