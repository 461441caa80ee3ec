"""Tables of the quality study: methods by dims with tests, and gains over all pairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from _page import table
from quality_data import PAIRS
from quality_methods import CENTRED, LINEAR
from quality_statistics import LEVEL, best_of, bootstrap_interval, paired_test, query_mean
from quality_store import Store

#: The whole vector at every dim: no rival for the best of a column.
WHOLE = ("frozen", *CENTRED)
BETTER, WORSE = "*", "†"


@dataclass(frozen=True)
class View:
    """What was found in one part, on one pair, in one setting."""

    store: Store
    part: str
    pair: str
    setting: str = ""

    @property
    def dims(self) -> list[int]:
        """The prefixes that were scored."""
        return self.store.pairs(self.part)[self.pair]

    def scores(self, method: str) -> np.ndarray | None:
        """Return each query's score, shape (L, n_queries); those without a setting serve all."""
        found = self.store.scores(self.part, self.pair, self.setting, method)
        return found if found is not None or not self.setting else self.plain.scores(method)

    def curve(self, method: str) -> np.ndarray | None:
        """Return the mean at each dim, shape (L,), None if it was not run."""
        scores = self.scores(method)
        return None if scores is None else query_mean(scores)

    def best(self, methods: Sequence[str] = LINEAR) -> np.ndarray | None:
        """Return the best of some methods at each dim, None unless all were run."""
        curves = {method: self.curve(method) for method in methods}
        return best_of(curves) if all(c is not None for c in curves.values()) else None

    def gain(self, method: str) -> np.ndarray | None:
        """Return the points gained over the best of truncation, PCA and SVD."""
        curve, best = self.curve(method), self.best()
        return None if curve is None or best is None else 100 * (curve - best)

    def over_start(self, method: str) -> np.ndarray:
        """Return the points gained over the start of each fit, shape (n_seeds, L)."""
        cells = self.store.seeds(self.part, self.pair, self.setting, method)
        fits = [cell for cell in cells if "start" in cell]
        return 100 * np.array([np.subtract(cell["mean"], cell["start"]) for cell in fits])

    def start(self, method: str) -> np.ndarray | None:
        """Return what a method's fits started at, mean over seeds."""
        cells = self.store.seeds(self.part, self.pair, self.setting, method)
        fits = [cell["start"] for cell in cells if "start" in cell]
        return np.mean(fits, axis=0) if fits else None

    @property
    def plain(self) -> View:
        """The same pair without a setting."""
        return replace(self, setting="")


def views(store: Store, part: str, setting: str = "") -> list[View]:
    """Return a view of each measured pair, in the order of the study."""
    measured = store.pairs(part)
    known = [" ".join(pair) for pair in PAIRS]
    ordered = [pair for pair in known if pair in measured]
    return [View(store, part, pair, setting) for pair in ordered]


def method_table(view: View, methods: Sequence[str], subjects: Sequence[str]) -> list[str]:
    """Return methods by dims; the first subject that was run is what rivals are tested against.

    Parameters
    ----------
    view : View
    methods : sequence of str
        In the order of the rows; those that were not run are left out.
    subjects : sequence of str
        Ours: each gets its interval and its gains below.
    """
    methods = [method for method in methods if view.scores(method) is not None]
    subjects = [method for method in subjects if method in methods]
    if not methods:
        return []
    reducers = [method for method in methods if method not in WHOLE]
    best = best_of({m: np.round(view.curve(m), 3) for m in reducers}) if reducers else None
    rows = [_row(view, method, subjects, None if method in WHOLE else best) for method in methods]
    for subject in subjects:
        rows += _below(view, subject, full=subject == subjects[0])
    return table(["dims", *map(str, view.dims)], rows)


def _row(view: View, method: str, subjects: list[str], best: np.ndarray | None) -> list[str]:
    curve = view.curve(method)
    cells = [f"{value:.3f}" for value in curve]
    if best is not None:
        is_best = np.round(curve, 3) == best
        cells = [f"**{cell}**" if is_best[i] else cell for i, cell in enumerate(cells)]
    if subjects and method not in subjects:
        found = marks(view, method, subjects[0])
        cells = [f"{c}{mark}" for c, mark in zip(cells, found, strict=True)]
    return [method, *cells]


def marks(view: View, rival: str, subject: str) -> list[str]:
    """Mark the dims where the rival is significantly worse (*) or better (†) than the subject."""
    one, other = view.scores(subject), view.scores(rival)
    p = paired_test(one, other)
    ahead = query_mean(one) > query_mean(other)
    return [
        (BETTER if a else WORSE) if value < LEVEL else "" for value, a in zip(p, ahead, strict=True)
    ]


def _below(view: View, subject: str, full: bool) -> list[list[str]]:
    """Return the rows of a subject's interval and gains."""
    rows = []
    if full:
        low, high = bootstrap_interval(view.scores(subject))
        spans = [f"{a:.3f} to {b:.3f}" for a, b in zip(low, high, strict=True)]
        rows.append([f"95 % interval of {subject}", *spans])
        start = view.start(subject)
        if start is not None:
            rows.append([f"start of {subject}", *(f"{value:.3f}" for value in start)])
    gain = view.gain(subject)
    if gain is not None:
        rows.append([f"{subject} - best of {_listed(LINEAR)}", *map(signed, gain)])
    over = view.over_start(subject)
    if len(over):
        rows.append([f"{subject} - its start", *map(signed, over.mean(axis=0))])
    return rows


def signed(points: float) -> str:
    """Write points with a sign; a loss like a gain."""
    return "0.0" if abs(points) < 0.05 else f"{points:+.1f}"


def smallest(values: list[tuple[float, str]]) -> str:
    """Write the smallest of some points and where it is."""
    value, where = min(values)
    return f"{signed(value)} ({where})"


def _listed(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"
