"""The training loop: steps, held-out checks, early stopping, interruption."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

__all__ = ["History", "minimise"]


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


def minimise(
    state: Any,
    step: Callable[[Any, int], tuple[float, Any]],
    *,
    max_iter: int,
    check: Callable[[Any], float] | None = None,
    check_every: int = 25,
    n_iter_no_change: int | None = None,
    report: Callable[[int, float], None] | None = None,
) -> tuple[Any, History]:
    """Run `step` up to max_iter times and return the state that is best held out.

    Parameters
    ----------
    state : object
        Parameters and whatever else a step needs; never changed in place.
    step : callable
        (state, number of steps done) -> (loss of the batch, new state).
    max_iter : int
        Most steps.
    check : callable or None, default=None
        state -> held-out loss. None keeps the last state.
    check_every : int, default=25
        Steps between checks; one comes before the first step, one after the last.
    n_iter_no_change : int or None, default=None
        Stop after that many steps without a better check; None never stops early.
    report : callable or None, default=None
        (steps done, loss) -> None, after each step.

    Returns
    -------
    state : object
        The one of the best check, or the last one without checks. Ctrl-C ends the run and
        keeps what there is; a loss that is not finite ends it, too, and takes back the step
        that led to it.
    history : History
    """
    history = History()
    best, best_loss = state, math.inf
    before, done = state, 0
    try:
        while True:
            if check is not None and (done % check_every == 0 or done == max_iter):
                held_out = check(state)
                history.checks.append((done, held_out))
                if held_out < best_loss:
                    best, best_loss, history.kept = state, held_out, done
                elif n_iter_no_change is not None and done - history.kept >= n_iter_no_change:
                    break
            if done == max_iter:
                break
            loss, new_state = step(state, done)
            if not math.isfinite(loss):
                # The step before is what led here.
                state, done = before, max(done - 1, 0)
                break
            before, state, done = state, new_state, done + 1
            history.losses.append(loss)
            if report is not None:
                report(done, loss)
    except KeyboardInterrupt:
        history.interrupted = True
    if check is None or not history.checks:
        best, history.kept = state, done
    return best, history
