"""The page of what check_vectors.py measured, docs/check-vectors.md."""

from __future__ import annotations

from typing import Any

import numpy as np
from _page import paragraph, table

from madapt._vector_check import MIN_STABILITY

#: Of each sample.
ROWS = 20


def _lowest(run: dict[str, Any], start: str, end: str = "") -> str:
    found = [v[1] for k, v in run["same"].items() if k.startswith(start) and k.endswith(end)]
    return f"{min(found):.2f}" if found else ""


def introduction(report: dict[str, Any]) -> list[str]:
    """Return what is compared, and what was found in all."""
    told = [run for run in report["runs"] if run["stability"] >= MIN_STABILITY]
    counts = {g: sum(v[0] for run in told for v in run[g].values()) for g in ("same", "other")}
    alarms, missed = (sum(run[name] for run in told) for name in ("alarms", "missed"))
    lowest = min(v[1] for run in told for v in run["same"].values())
    highest = max(v[3] for run in told for v in run["other"].values())
    lines = ["# Are these vectors of the same model?", ""]
    lines += paragraph(
        "Vectors of another model with as many coordinates go through `transform` like any "
        "others, and what comes out is of no use. `adaptor.check_vectors(X)` says whether X looks "
        "like what the adaptor was fitted on, and `transform` looks at 20 to 50 rows, where X has "
        "20 or more, and warns."
    )
    lines += paragraph(
        "What is compared: the mean squares of unit rows along the d coordinates of the rotation, "
        "by Spearman's rank correlation with those of the documents of `fit`. A model leaves the "
        "same directions nearly empty whatever the texts are about, so other collections agree; "
        "another model, a rotation or permuted columns know nothing of these directions. The "
        "mean direction, a first idea, does not tell: between two collections of one model its "
        "cosine lies between -.2 and .2, as between models. The share of the leading "
        "directions is topical, too: Cranfield and NFCorpus share little more than chance would."
    )
    lines += paragraph(
        "Below a similarity of .25 vectors are another model's. Nothing is said below 64 "
        "coordinates, for fewer than 20 distinct rows, or where halves of the rows of `fit` agree "
        "by less than .85 (*stability*; a few hundred documents are too few). The check cannot "
        "tell a model from a fine-tuned version of it that kept its directions."
    )
    lines += paragraph(
        f"Measured with samples of {ROWS} rows where there is a verdict: {alarms} false alarms in "
        f"{counts['same']:,} samples of the same model, the lowest similarity {lowest:.2f}; "
        f"{missed} misses in {counts['other']:,} samples of others, the highest {highest:.2f}. "
        "*Topic*: the 20 vectors nearest to one of them. *Others*: another model cut to d "
        "coordinates, permuted and reversed columns, random rotations. Threshold and least "
        "stability were chosen on these collections. ada-002's learned rows came before "
        "temperatures followed [the spread of the cosines](narrow.md). Written by `python "
        "benchmarks/check_vectors.py --data ../shared/data`."
    )
    return lines


def table_of_runs(runs: list[dict[str, Any]]) -> list[str]:
    """Return the table of extremes, a row a fit."""
    head = ["fitted on", "rotation", "rows", "stability", "own", "other collections", "topic"]
    rows = [
        [
            f"{run['collection']} {run['model']}",
            run["rotation"],
            f"{run['rows']:,}",
            f"{run['stability']:.2f}",
            _lowest(run, "own"),
            _lowest(run, "other"),
            _lowest(run, "", "one topic"),
            f"{max(v[3] for v in run['other'].values()):.2f}",
            f"{run['alarms']} and {run['missed']}"
            if run["stability"] >= MIN_STABILITY
            else "no verdict",
        ]
        for run in runs
    ]
    lines = ["Lowest similarities of the same model, and the highest of others:", ""]
    return lines + table([*head, "others", "alarms, misses"], rows)


def topic_section(found: list[dict[str, Any]]) -> list[str]:
    """Return the section on single topics."""
    lines = ["## Every topic, as `transform` looks", ""]
    lines += paragraph(
        "`transform` compares the first and the last 128 coordinates alone. Here each document and "
        "query of every collection with the same model, with its nearest 19, is a topic of its "
        "own, the hardest that 20 rows can be; *others* are 20 rows of another model or permuted. "
        "Rotation: the SVD's."
    )
    rows = [
        [
            f"{one['collection']} {one['model']}",
            f"{one['rows']:,}",
            f"{one['stability']:.2f}",
            f"{one['same'][0]:,}",
            f"{one['same'][1]:.2f}",
            f"{one['other'][0]:,}",
            f"{one['other'][3]:.2f}",
            f"{one['same'][4]} and {one['other'][4]}"
            if one["stability"] >= MIN_STABILITY
            else "no verdict",
        ]
        for one in found
    ]
    head = ["fitted on", "rows", "stability", "topics", "lowest", "others", "highest"]
    return lines + table([*head, "alarms, misses"], rows)


def cost_section(report: dict[str, Any]) -> list[str]:
    """Return the section on time."""
    lines = ["## Cost", ""]
    lines += paragraph(
        "Milliseconds of the look, and its share of `transform`; 384 coordinates, float32, one "
        f"thread of {report['machine']['processor']}. Fewer than 20 rows are not looked at."
    )
    dims = list(next(iter(report["cost"].values())))
    shares = [
        [
            f"{int(n):,}",
            f"{1e3 * np.median([look for look, _ in by_dim.values()]):.2f}",
            *(f"{100 * look / whole:.2f} %" for look, whole in by_dim.values()),
        ]
        for n, by_dim in report["cost"].items()
    ]
    return lines + table(["rows", "ms", *(f"dim {dim}" for dim in dims)], shares)


def page(report: dict[str, Any]) -> list[str]:
    """Return the page's lines."""
    lines = introduction(report) + table_of_runs(report["runs"])
    return lines + topic_section(report["topics"]) + cost_section(report)
