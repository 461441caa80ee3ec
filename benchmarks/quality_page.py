"""Writes docs/quality.md from what benchmarks/quality.py found."""

from __future__ import annotations

import numpy as np
from _page import machine_of, paragraph, table
from quality_cells import PARTS
from quality_labels import adversarial_section, labels_section, scarce_section
from quality_methods import (
    CENTRED,
    FREE,
    LINEAR,
    NOT_CENTRED,
    PAPER,
    PAPER_MEAN,
    ROTATIONS,
    WITH_QUERIES,
)
from quality_statistics import LEVEL, RESAMPLES
from quality_store import Store
from quality_summary import GOAL_SMALL, GOALS_QUERIES, cost_of_centring, gains, summary
from quality_tables import WORSE, method_table, signed, views

_INTRODUCTION = f"""\
nDCG@10 (trec_eval's: linear gain, ideal over all judged documents) on test judgments, of every
method with its default parameters; nothing was chosen here. What is drawn at random is a mean of
seeds. The intervals hold 95 % of {RESAMPLES:,} resamples of the queries. A figure with {WORSE} is
significantly above the madapt row that has the interval in its table, one with an asterisk
significantly below: a paired sign-flip permutation test over queries, {RESAMPLES:,} patterns,
p < {LEVEL}, not corrected for the number of comparisons. Bold is
the best of those that keep m dims. *frozen* is the whole vector at every dim. Differences are
points of nDCG@10 (hundredths). The *start* is the SVD rotation after the same centring as the
fit's. Each query's scores are kept in benchmarks/results/quality.npz, and the commands that
measured them are at the end.
"""
_CAPTIONS = {
    "quality-curves.png": "Without labels, by the dims kept; the band is the 95 % interval",
    "quality-labels.png": "With judged queries, by the dims kept; the band is the 95 % interval",
    "quality-scarce.png": "By the number of judged queries, mean of draws and their range",
}


def markdown(store: Store, figures: list[str]) -> str:
    """Return the page; `figures` are the names of the files under images."""
    shown = {name: f"![{_CAPTIONS[name]}](images/{name})" for name in figures}
    sections = (
        ["# Quality", "", *paragraph(_INTRODUCTION)],
        summary(store),
        _label_free(store, shown),
        _queries(store),
        _cut(store),
        labels_section(store, shown.get("quality-labels.png")),
        scarce_section(store, shown.get("quality-scarce.png")),
        adversarial_section(store),
        _commands(store),
    )
    return "\n".join(line for section in sections for line in section).rstrip() + "\n"


def _commands(store: Store) -> list[str]:
    """Say how and where each part was measured."""
    said: dict[str, dict[str, list[str]]] = {}
    for part, runs in store.report["parts"].items():
        for run in runs:
            there = said.setdefault(machine_of(run), {})
            there.setdefault(run["command"], []).append(part)
    lines = ["## Commands", "", *paragraph(_COMMANDS)]
    for machine, commands in said.items():
        lines += paragraph(f"On {machine}:")
        for command, parts in commands.items():
            chosen = "" if set(parts) == set(PARTS) else f" --parts {','.join(parts)}"
            lines.append(f"- `{command}{chosen}`")
        lines.append("")
    return lines


_COMMANDS = """\
What each part was measured by. Where two commands measure the same cell, the later one counts.
"""


def _label_free(store: Store, shown: dict[str, str]) -> list[str]:
    order = (
        "frozen",
        *("truncation", "random rotation", "PCA", "SVD"),
        *ROTATIONS,
        *(PAPER, PAPER_MEAN),
        FREE,
    )
    found = views(store, "labelfree")
    if not found:
        return []
    lines = ["## Without queries and labels", "", *paragraph(_LABEL_FREE)]
    if "quality-curves.png" in shown:
        lines += [shown["quality-curves.png"], ""]
    for view in found:
        lines += [f"### {view.pair}", "", *method_table(view, order, [FREE])]
    return lines


_LABEL_FREE = """\
`from_paper()` sums its reconstruction loss over the coordinates, as published, which holds it near
truncation; the second row reads the loss as a mean.
"""


def _queries(store: Store) -> list[str]:
    order = ("frozen", *CENTRED, *LINEAR, NOT_CENTRED, WITH_QUERIES)
    found = views(store, "queries")
    if not found:
        return []
    lines = ["## With unlabeled queries", "", *paragraph(_QUERIES)]
    lines += cost_of_centring(store) + _counts(store)
    for view in found:
        lines += [f"### {view.pair}, with queries", ""]
        lines += method_table(view, order, [WITH_QUERIES, NOT_CENTRED])
    return lines


_QUERIES = """\
The queries that a fit sees are never scored: the train queries of SciFact and NFCorpus; Cranfield
and CISI have only test queries, of which each half is seen where the other is scored. *Centred
frozen* takes c times its own mean from each side of the whole vector.
"""


def _counts(store: Store) -> list[str]:
    """Return the gain by how many queries were seen, mean of the pairs that have so many."""
    plain = views(store, "queries")
    settings = {setting for view in plain for setting in store.settings("queries", view.pair)}
    rows, dims = [], list(GOALS_QUERIES)
    for setting in sorted(settings - {""}, key=_first_number):
        gains_of = [
            (view.gain(WITH_QUERIES), view.plain.gain(WITH_QUERIES), view.dims)
            for view in views(store, "queries", setting)
            if store.seeds("queries", view.pair, setting, WITH_QUERIES)
        ]
        cells = [_mean_at(m, gains_of) for m in dims]
        rows.append([setting, str(len(gains_of)), *cells])
    if not rows:
        return []
    text = (
        "Points over the best of truncation, PCA and SVD where only so many queries are seen, "
        "mean of the pairs that have them; in brackets, less what all queries give on these pairs."
    )
    return paragraph(text) + table(["seen", "pairs", *map(str, dims)], rows)


def _mean_at(m: int, gains_of: list[tuple]) -> str:
    """Return mean gain at m dims and, in brackets, the mean difference from all queries."""
    known = [
        (some[dims.index(m)], some[dims.index(m)] - every[dims.index(m)])
        for some, every, dims in gains_of
        if m in dims and some is not None and every is not None
    ]
    return "{} ({})".format(*map(signed, np.mean(known, axis=0))) if known else ""


def _first_number(setting: str) -> int:
    return int(setting.split()[0])


def _cut(store: Store) -> list[str]:
    settings = sorted(
        {s for view in views(store, "cut") for s in store.settings("cut", view.pair)},
        key=_first_number,
    )
    if not settings:
        return []
    lines = ["## Small corpora", "", *paragraph(_CUT)]
    order = ("frozen", *LINEAR, WITH_QUERIES, FREE)
    for setting in settings:
        found = views(store, "cut", setting)
        lines += [f"### {setting}", ""]
        lines += gains(found, FREE, GOAL_SMALL) + gains(found, WITH_QUERIES, GOAL_SMALL)
        for view in found:
            shown = method_table(view, order, [FREE, WITH_QUERIES])
            lines += [f"**{view.pair}**", "", *shown] if shown else []
    return lines


_CUT = """\
Corpora cut down: the positives of the test queries first, other documents at random, another cut
for each seed; test queries without a positive left are not scored.
"""
