"""Progress of a fit, printed."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from madapt.adaptor import ResidualAdaptor

__all__ = ["Report", "Watcher", "printer"]

#: Name of a stage -> callable of (steps done, loss), or None to say nothing.
Report = Callable[[str], Callable[[int, float], None] | None]


class Watcher(Protocol):
    """Who watches the runs of a fit, and may end it."""

    def begin_run(self, name: str, max_iter: int) -> None:
        """A run begins."""

    def begin_step(self) -> None:
        """A step begins."""

    def end_step(self, adaptor: Callable[[], ResidualAdaptor]) -> bool:
        """A step has ended with such an adaptor; return whether to stop."""

    def end_run(self, adaptor: Callable[[], ResidualAdaptor]) -> bool:
        """A run has ended with such an adaptor; return whether to stop."""


def printer(
    verbose: int, name: str = "MatryoshkaAdaptor"
) -> Callable[[str], Callable[[int, float], None] | None]:
    """Return stage -> callable of (steps done, loss) that prints about once a second."""

    def report(stage: str) -> Callable[[int, float], None] | None:
        if not verbose:
            return None
        began = last = time.monotonic()

        def show(done: int, loss: float) -> None:
            nonlocal last
            now = time.monotonic()
            if done == 1 or now - last > 1.0:
                last = now
                line = f"[{name}] {stage}: step {done}, loss {float(loss):.4f}"
                print(f"{line}, {now - began:.1f} s", flush=True)

        return show

    return report
