"""The training loop: steps, held-out checks, early stopping, interruption."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

__all__ = ["History", "Position", "minimise"]

#: Steps between two positions that are kept, so that an interrupted run can go on.
KEEP_EVERY = 20


@dataclass
class History:
    """What a run of the loop leaves behind."""

    #: Loss of each step's batch.
    losses: list[float] = field(default_factory=list)
    #: (steps done, held-out loss) at each check.
    checks: list[tuple[int, float]] = field(default_factory=list)
    #: Whether Ctrl-C ended it.
    interrupted: bool = False
    #: Steps behind the state that was kept.
    kept: int = 0

    def copy(self) -> History:
        """Return one that later steps leave alone."""
        return replace(self, losses=list(self.losses), checks=list(self.checks))


@dataclass
class Position:
    """Where a run of the loop stands between two steps."""

    state: Any
    #: The state one step earlier.
    before: Any
    #: The state of the best check, and its held-out loss.
    best: Any
    best_loss: float = math.inf
    #: Steps done.
    done: int = 0
    history: History = field(default_factory=History)

    def copy(self) -> Position:
        """Return one that later steps leave alone; states are never changed in place."""
        return replace(self, history=self.history.copy())


@dataclass
class _Unread:
    """Losses of steps that nobody has looked at: on a device, looking is waiting."""

    at: Position
    #: Each with the state before the one that it is the loss of, and the steps done by then.
    losses: list[tuple[Any, Any, int]] = field(default_factory=list)

    def read(self) -> bool:
        """Write them down; take back what led to the first that is not finite, and say False."""
        losses, self.losses = self.losses, []
        for loss, before, done in losses:
            number = float(loss)
            if not math.isfinite(number):
                # The step before is what led here.
                self.at.state, self.at.done = before, max(done - 1, 0)
                return False
            self.at.history.losses.append(number)
        return True


def minimise(
    state: Any,
    step: Callable[[Any, int], tuple[float, Any]],
    *,
    max_iter: int,
    check: Callable[[Any], float] | None = None,
    check_every: int = 25,
    n_iter_no_change: int | None = None,
    report: Callable[[int, float], bool | None] | None = None,
    keep: Callable[[Position], None] | None = None,
    start: Position | None = None,
) -> tuple[Any, History]:
    """Run `step` up to max_iter times and return the state that is best held out.

    Parameters
    ----------
    state : object
        Parameters and whatever else a step needs; never changed in place.
    step : callable
        (state, number of steps done) -> (loss of the batch, new state). A loss that is no
        float, a number on a device, is read with those of other steps, so that the device is
        not waited for at each of them.
    max_iter : int
        Most steps.
    check : callable or None, default=None
        state -> held-out loss. None keeps the last state.
    check_every : int, default=25
        Steps between checks; one comes before the first step, one after the last.
    n_iter_no_change : int or None, default=None
        Stop after that many steps without a better check; None never stops early.
    report : callable or None, default=None
        (steps done, loss as it came) -> whether to stop, after each step.
    keep : callable or None, default=None
        Is handed the position every 20 steps, and where `report` stops the run, at a time when
        a run that starts there goes on as this one does.
    start : Position or None, default=None
        Where to go on; None begins with `state`.

    Returns
    -------
    state : object
        The one of the best check, or the last one without checks. Ctrl-C ends the run and
        keeps what there is; a loss that is not finite ends it, too, and takes back the step
        that led to it.
    history : History
        Of the steps and of the checks.
    """
    at = Position(state, state, state) if start is None else start.copy()
    history, unread = at.history, _Unread(at)
    try:
        while True:
            is_checked = check is not None and (at.done % check_every == 0 or at.done == max_iter)
            is_kept = at.done % KEEP_EVERY == 0
            if (is_checked or is_kept or at.done == max_iter) and not unread.read():
                break
            if keep is not None and is_kept:
                keep(at)
            if check is not None and is_checked:
                held_out = float(check(at.state))
                history.checks.append((at.done, held_out))
                if held_out < at.best_loss:
                    at.best, at.best_loss, history.kept = at.state, held_out, at.done
                elif n_iter_no_change is not None and at.done - history.kept >= n_iter_no_change:
                    break
            if at.done == max_iter:
                break
            # OpenBLAS 0.3.31 now and then calls a right product invalid; what is wrong shows
            # in the loss.
            with np.errstate(invalid="ignore"):
                loss, new_state = step(at.state, at.done)
            unread.losses.append((loss, at.before, at.done))
            if isinstance(loss, float) and not unread.read():
                break
            at.before, at.state, at.done = at.state, new_state, at.done + 1
            if report is not None and report(at.done, loss):
                if unread.read() and keep is not None:
                    keep(at)
                history.interrupted = True
                break
    except KeyboardInterrupt:
        history.interrupted = True
    unread.read()
    if check is None or not history.checks:
        at.best, history.kept = at.state, at.done
    return at.best, history
