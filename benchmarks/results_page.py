"""Writes docs/results.md from the figures of benchmarks/results.py."""

from __future__ import annotations

import textwrap
from typing import Any

COMMAND = "python benchmarks/results.py --data ../shared/data"

_INTRODUCTION = """\
nDCG@10 (trec_eval's: linear gain, ideal over all judged documents) on test judgments, written by
`{command}` on: {machine}. madapt rows are means of {seeds} seeds, all with the default
parameters. The SciFact, NFCorpus and CISI vectors and judgments are for evaluation only
and not part of the package. *frozen* is the whole vector at every dim. The mean of the queries
comes from queries that are not scored: the train queries, or, where a collection has none, each
half of the queries for the other half. The paper's reconstruction loss is a sum over coordinates;
its second row reads it as a mean. How long a fit takes stands in performance.md."""

#: nDCG@10 the project set itself before the first line of code, at 8, 16, 32, 64, 128 dims.
GOALS = {
    "scifact minilm": (0.14, 0.32, 0.47, 0.57, 0.633),
    "nfcorpus minilm": (0.080, 0.150, 0.215, 0.275, 0.300),
    "cranfield mpnet": (0.22, 0.29, 0.335, 0.365, 0.383),
}
#: With all train judgments of SciFact, by dim.
GOALS_LABELS = {8: 0.45, 16: 0.61, 32: 0.72, 64: 0.78, 128: 0.81, 384: 0.825}


def markdown(report: dict[str, Any]) -> str:
    """Return the page."""
    machine = ", ".join(f"{name} {value}" for name, value in report["machine"].items())
    parts = [
        "# Results",
        "",
        *textwrap.wrap(
            _INTRODUCTION.format(command=COMMAND, machine=machine, seeds=report["seeds"]), 100
        ),
        "",
        "## Without labels",
        "",
    ]
    for name, found in report["collections"].items():
        parts += _collection(name, found)
    for name, found in report.get("labels", {}).items():
        parts += _labels(name, found)
    return "\n".join(parts)


def _collection(name: str, found: dict[str, Any]) -> list[str]:
    lines = [f"### {name}", "", *_table(found["dims"], found["curves"], found["madapt"]["std"])]
    change = found["madapt"]["largest_cosine_change"]
    lines += [
        "",
        "Largest change of any query-document cosine at full dim, without queries, against the "
        f"frozen embedding: {change:.1e}.",
        "",
    ]
    if name in GOALS:
        reached = _verdict(dict(zip(found["dims"], GOALS[name], strict=False)), found, "madapt")
        lines += [reached, ""]
    return lines


def _labels(name: str, found: dict[str, Any]) -> list[str]:
    lines = [f"## With labels: {name}", "", *_table(found["dims"], found["curves"]), ""]
    return [*lines, _verdict(GOALS_LABELS, found, "madapt, all queries"), ""]


def _table(dims: list[int], curves: dict[str, list[float]], std: list[float] | None = None):
    yield "| dims | " + " | ".join(str(m) for m in dims) + " |"
    yield "| --- |" + " --- |" * len(dims)
    for name, scores in curves.items():
        cells = [f"{score:.3f}" for score in scores]
        if name == "madapt" and std is not None:
            cells = [f"{cell} ± {s:.3f}" for cell, s in zip(cells, std, strict=True)]
        yield f"| {name} | " + " | ".join(cells) + " |"


def _verdict(goals: dict[int, float], found: dict[str, Any], method: str) -> str:
    scores = dict(zip(found["dims"], found["curves"][method], strict=True))
    missed = [
        f"{m} dims: {scores[m]:.4f} for {goal}" for m, goal in goals.items() if scores[m] < goal
    ]
    wanted = ", ".join(f"{goal} at {m}" for m, goal in goals.items())
    return f"Goal: {wanted}. " + ("Missed: " + "; ".join(missed) if missed else "Reached.")
