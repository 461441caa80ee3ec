"""The summary of the quality study: gains over all pairs, losses, shares of the whole vector."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from _page import paragraph, table
from quality_methods import FREE, NOT_CENTRED, WITH_QUERIES
from quality_statistics import verdict
from quality_store import Store
from quality_tables import View, signed, smallest, views

#: Points over the best of truncation, PCA and SVD, mean of pairs, that the project set itself.
GOALS_FREE = {8: 3.0, 16: 3.0, 32: 2.5, 64: 1.0, 128: 0.0}
GOALS_QUERIES = {8: 4.5, 16: 4.0, 32: 3.5, 64: 1.5, 128: 0.5}
#: Share of the whole vector's nDCG@10, in percent, at d over so much.
GOALS_SHARE = {6: 92.0, 3: 97.0}
#: Points over the same that no cell may fall short of where the corpus is small.
GOAL_SMALL = -0.5
#: Points that centring may cost at most.
MOST_LOST_BY_CENTRING = 0.5


def summary(store: Store) -> list[str]:
    """Return the section that says what all pairs come to."""
    lines = gains(views(store, "labelfree"), FREE, GOALS_FREE)
    lines += gains(views(store, "queries"), WITH_QUERIES, GOALS_QUERIES)
    lines += _shares(store)
    return ["## Summary", "", *lines] if lines else []


def gains(of: list[View], method: str, goals: Mapping[int, float] | float) -> list[str]:
    """Return mean and worst gain over the pairs at each dim, held against the goals.

    `goals` are of the mean, by dim; a number is the goal of the worst cell at every dim.
    """
    found = {view.pair: (view, view.gain(method)) for view in of}
    found = {pair: both for pair, both in found.items() if both[1] is not None}
    if not found:
        return []
    rows = []
    for m in sorted({m for view, _ in found.values() for m in view.dims}):
        cells = [
            (gain[view.dims.index(m)], pair)
            for pair, (view, gain) in found.items()
            if m in view.dims
        ]
        mean = float(np.mean([gain for gain, _ in cells]))
        if isinstance(goals, Mapping):
            goal, reached = goals.get(m), mean
        else:
            goal, reached = goals, min(cells)[0]
        said = ["", ""] if goal is None else [signed(goal), verdict(reached, goal)]
        rows.append([str(m), signed(mean), smallest(cells), *said])
    lines = paragraph(
        f"`{method}`: points of nDCG@10 over the best of truncation, PCA and SVD in each cell, "
        f"pairs measured: {len(found)}."
    )
    header = "goal" if isinstance(goals, Mapping) else "goal of the worst"
    lines += table(["dims", "mean", "worst cell", header, ""], rows)
    return lines + paragraph(largest_loss(of, method))


def largest_loss(of: Sequence[View], method: str) -> str:
    """Say where a method falls furthest below its start, as a mean and in a single fit."""
    means, fits = [], []
    for view in of:
        over = view.over_start(method)
        for place, m in enumerate(view.dims if len(over) else []):
            where = ", ".join(filter(None, (view.pair, view.setting, f"{m} dims")))
            means.append((float(over[:, place].mean()), where))
            fits.append((float(over[:, place].min()), where))
    if not means:
        return ""
    return (
        f"Lowest difference from its start: {smallest(means)} as a mean of seeds, "
        f"{smallest(fits)} in a single fit."
    )


def _shares(store: Store) -> list[str]:
    """Return how much of the whole vector's quality a sixth and a third of the dims keep."""
    columns = [
        (f"{method}, d/{part}", name, method, part)
        for part in GOALS_SHARE
        for name, method in (("labelfree", FREE), ("queries", WITH_QUERIES))
    ]
    shares = {
        label: {view.pair: _share(view, method, part) for view in views(store, name)}
        for label, name, method, part in columns
    }
    pairs = [view.pair for view in views(store, "labelfree") or views(store, "queries")]
    rows = [[pair, *(_percent(shares[c[0]].get(pair)) for c in columns)] for pair in pairs]
    lowest, verdicts = ["lowest"], ["goal, on every pair"]
    for label, _, _, part in columns:
        known = [share for share in shares[label].values() if share is not None]
        lowest.append(_percent(min(known)) if known else "")
        goal = GOALS_SHARE[part]
        said = verdict(min(known), goal) if known else "not measured"
        verdicts.append(f"{goal:.0f} %: {said}")
    if not any(lowest[1:]):
        return []
    lines = paragraph("Share of the whole frozen vector's nDCG@10 that fewer dims keep.")
    return lines + table(["", *(c[0] for c in columns)], [*rows, lowest, verdicts])


def _share(view: View, method: str, part: int) -> float | None:
    m, curve, frozen = view.dims[-1] // part, view.curve(method), view.curve("frozen")
    if m not in view.dims or curve is None or frozen is None:
        return None
    return float(100 * curve[view.dims.index(m)] / frozen[-1])


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.1f} %"


def cost_of_centring(store: Store) -> list[str]:
    """Say how far centring falls below none, over all pairs and dims."""
    cells = []
    for view in views(store, "queries"):
        centred, plain = view.curve(WITH_QUERIES), view.curve(NOT_CENTRED)
        if centred is not None and plain is not None:
            for m, points in zip(view.dims, 100 * (centred - plain), strict=True):
                cells.append((float(points), f"{view.pair}, {m} dims"))
    if not cells:
        return []
    said = verdict(min(cells)[0], -MOST_LOST_BY_CENTRING)
    return paragraph(
        f'`center="auto"` less `center=None`: mean {signed(np.mean([c[0] for c in cells]))} '
        f"points, lowest {smallest(cells)}. Goal, never more than {MOST_LOST_BY_CENTRING} "
        f"points below: {said}."
    )
