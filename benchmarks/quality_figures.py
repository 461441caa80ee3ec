"""Figures of the quality study: curves by dims with intervals, and curves by judged queries."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from _plots import INK, STYLE
from quality_methods import FREE, JUDGED, PAPER_MEAN, ROTATIONS, WITH_QUERIES
from quality_statistics import bootstrap_interval
from quality_store import Store
from quality_tables import View, views

matplotlib.use("agg")
from matplotlib import pyplot

#: method -> (colour, line style, marker); ours are the strong lines.
LINES = {
    JUDGED: ("#e8710a", "-", "o"),
    WITH_QUERIES: ("#c2410c", "-", "s"),
    FREE: ("#3b82f6", "-", "o"),
    "SVD": ("#16a34a", "--", "^"),
    "PCA": ("#a855f7", "--", "v"),
    "truncation": (INK, ":", ""),
    next(iter(ROTATIONS)): ("#a16207", ":", ""),
    "SearchAdaptor": ("#16a34a", "--", "^"),
    "SMEC": ("#a855f7", "--", "v"),
    "DIVE": ("#db2777", "--", "D"),
    PAPER_MEAN: ("#0d9488", "-.", "x"),
    "frozen": (INK, "-", ""),
}
OURS = (FREE, WITH_QUERIES, JUDGED)
_SAVED = {"dpi": 120, "transparent": True, "metadata": {"Software": None}}
#: Dims whose curves by judged queries are drawn, beside all of them.
_SCARCE_DIMS = (16, 64)


def draw(store: Store, folder: Path) -> list[str]:
    """Draw what was measured into a folder; return the names of the files."""
    folder.mkdir(parents=True, exist_ok=True)
    free = ("frozen", "truncation", next(iter(ROTATIONS)), "PCA", "SVD", PAPER_MEAN, FREE)
    judged = ("frozen", "SearchAdaptor", "SMEC", "DIVE", PAPER_MEAN, FREE, JUDGED)
    drawn = {
        "quality-curves.png": lambda: _curves(_with_seen_queries(store), (*free, WITH_QUERIES)),
        "quality-labels.png": lambda: _curves(
            [dict.fromkeys(judged, view) for view in views(store, "labels")], judged
        ),
        "quality-scarce.png": lambda: _scarce(store),
    }
    names = []
    with matplotlib.rc_context(STYLE):
        for name, make in drawn.items():
            figure = make()
            if figure is not None:
                figure.savefig(folder / name, **_SAVED)
                pyplot.close(figure)
                names.append(name)
    return names


def _with_seen_queries(store: Store) -> list[dict[str, View]]:
    """Return where each method's curve lies, a panel a pair: with queries is another part."""
    queries = {view.pair: view for view in views(store, "queries")}
    panels = []
    for view in views(store, "labelfree"):
        panel = dict.fromkeys(LINES, view)
        if view.pair in queries:
            panel[WITH_QUERIES] = queries[view.pair]
        panels.append(panel)
    return panels


def _curves(panels: list[dict[str, View]], methods: Sequence[str]) -> Any:
    """Draw nDCG@10 against dims, a panel a pair."""
    if not panels:
        return None
    figure, axes = _grid(len(panels), columns=2)
    labelled: dict[str, Any] = {}
    for axis, panel in zip(axes, panels, strict=False):
        for method in methods:
            view = panel[method]
            scores = view.scores(method)
            if scores is not None:
                labelled[method] = _line(axis, method, view.dims, np.nanmean(scores, axis=1))
                if method in OURS:
                    low, high = bootstrap_interval(scores)
                    colour = LINES[method][0]
                    axis.fill_between(view.dims, low, high, color=colour, alpha=0.15, lw=0)
        _dress(axis, panel[methods[0]].pair, panel[methods[0]].dims, "dims kept")
    return _finished(figure, axes, labelled, len(panels))


def _scarce(store: Store) -> Any:
    """Draw nDCG@10 against the number of judged queries, a panel a pair and dim."""
    panels = [
        (view, m)
        for view in views(store, "scarce")
        for m in view.dims
        if m in (*_SCARCE_DIMS, view.dims[-1])
    ]
    counted = [pair for pair in panels if any(store.settings("scarce", pair[0].pair))]
    if not counted:
        return None
    figure, axes = _grid(len(counted), columns=3)
    labelled: dict[str, Any] = {}
    for axis, (view, m) in zip(axes, counted, strict=False):
        settings = filter(None, store.settings("scarce", view.pair))
        counts = sorted(int(setting.split()[0]) for setting in settings)
        for method in ("truncation", FREE, "SearchAdaptor", "SMEC", "DIVE", PAPER_MEAN, JUDGED):
            line = _by_count(axis, view, method, m, counts)
            if line is not None:
                labelled[method] = line
        _dress(axis, f"{view.pair}, {m} dims", counts, "judged queries")
    return _finished(figure, axes, labelled, len(counted))


def _by_count(axis: Any, view: View, method: str, m: int, counts: list[int]) -> Any:
    """Draw one method's mean over draws, and the range of draws around ours."""
    place, store = view.dims.index(m), view.store
    rows = {}
    for n in counts:
        cells = store.seeds("scarce", view.pair, f"{n} queries", method)
        cells = cells or store.seeds("scarce", view.pair, "", method)
        if cells:
            rows[n] = [cell["mean"][place] for cell in cells]
    if not rows:
        return None
    if method in OURS:
        low, high = [min(row) for row in rows.values()], [max(row) for row in rows.values()]
        axis.fill_between(list(rows), low, high, color=LINES[method][0], alpha=0.15, lw=0)
    return _line(axis, method, list(rows), [np.mean(row) for row in rows.values()])


def _line(axis: Any, method: str, x: Sequence[int], y: Any) -> Any:
    colour, style, marker = LINES[method]
    width = 2.0 if method in OURS else 1.2
    (line,) = axis.plot(x, y, color=colour, ls=style, marker=marker, markersize=4, lw=width)
    return line


def _grid(n: int, columns: int) -> tuple[Any, Any]:
    rows = -(-n // columns)
    shape = {"figsize": (8.4, 0.9 + 2.9 * rows), "layout": "constrained"}
    figure, axes = pyplot.subplots(rows, columns, squeeze=False, **shape)
    return figure, axes.ravel()


def _dress(axis: Any, title: str, ticks: Sequence[int], label: str) -> None:
    axis.set_xscale("log")
    axis.set_xticks(ticks, [str(tick) for tick in ticks], fontsize=8)
    axis.set_xticks([], minor=True)
    axis.set_title(title, fontsize=10, color=INK)
    axis.set_xlabel(label)
    axis.set_ylabel("nDCG@10")
    axis.grid(visible=True)


def _finished(figure: Any, axes: Any, labelled: dict[str, Any], n: int) -> Any:
    for axis in axes[n:]:
        axis.set_visible(False)
    ordered = [method for method in LINES if method in labelled]
    lines = [labelled[method] for method in ordered]
    figure.legend(lines, ordered, loc="outside upper center", ncols=3)
    return figure
