"""Tables of docs/scale.md: rates and the model, sample sizes, drift.

Part of ``python benchmarks/scale.py``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from _page import paragraph, table, thousands
from scale_plan import bytes_shown
from scale_quality import DIMS, MARGIN, METHODS

OVERHEADS = {
    "transform, memory": "2 n d m / F + 4 n (d + m) / B, rows in memory",
    "transform, memmap": "the same, rows of a cached memory map",
    "X^T X": "2 n d^2 / F, with all that goes through each row",
    "decomposition": "d^3 / F",
    "steps": "2 * 256 * 4096 (d + 3 * 256) / F, a step",
    "guard": "6 * 1000 n d / F",
    "search": "2 q n m / F, exact ten nearest",
}
WAYS = {"old": "old", "anew": "fitted anew", "gone on": "warm start", "SVD anew": "SVD anew"}


def rates_lines(found: dict[str, Any]) -> list[str]:
    """Return rates, constants, and how far the model is from what it was not fitted to."""
    rates = found["constants"]
    rows = [
        ["products of `transform`, F", f"{rates['products'] / 1e9:.3g} 10^9 operations"],
        ["memory, a copy, B", bytes_shown(rates["memory"])],
        ["disk, read, nothing cached", bytes_shown(rates["read"])],
        ["disk, written and flushed", bytes_shown(rates["write"])],
    ]
    lines = ["### The cost model", ""]
    lines += paragraph(
        "Rates a second. F is the median over "
        f"{', '.join(found['products'])} dims ({spread_of(found['products'])} 10^9); of the disk, "
        "which other work used, too, the best of three."
    )
    lines += table(["rate", "a second"], rows)
    lines += paragraph(
        "What is counted, and how many times longer it takes. Each factor has measurements of its "
        "own: transforms, starts alone, steps and guard as differences of fits, searches."
    )
    lines += table(
        ["part", "seconds counted", "times"],
        ([name, f"`{words}`", f"{rates[name]:.3g}"] for name, words in OVERHEADS.items()),
    )
    lines += transform_lines(found["transforms"])
    lines += held_lines(found["held against"])
    return lines + message_lines(found["messages"])


def spread_of(products: dict[str, float]) -> str:
    """Write the least and the largest of rates."""
    return f"{min(products.values()) / 1e9:.3g} to {max(products.values()) / 1e9:.3g}"


def transform_lines(runs: list[dict[str, Any]]) -> list[str]:
    """Return vectors a second of `transform`."""
    speed = {(r["kind"], r["d"], r["m"]): r["n"] / r["seconds"] for r in runs}
    shapes = dict.fromkeys((r["d"], r["m"]) for r in runs)
    return table(
        ["vectors a second", "in memory", "memory map"],
        (
            [f"{d} to {m}", *(f"{speed[kind, d, m]:,.0f}" for kind in ("memory", "memmap"))]
            for d, m in shapes
        ),
    )


def held_lines(held: dict[str, Any]) -> list[str]:
    """Return measured seconds of other shapes beside the model's."""
    rows = [
        [f"transform, {r['kind']}, {thousands((r['n'], r['d']))} to {r['m']}", *compared(r)]
        for r in held["transforms"]
    ]
    rows += [
        [f"whole fit, {thousands((r['n'], r['d']))}, kept: {r['kept']}", *compared(r)]
        for r in held["fits"]
    ]
    rows += [
        [f"{r['q']:,} queries in {thousands((r['n'], r['m']))}", *compared(r)]
        for r in held["searches"]
    ]
    file = held["file"]
    shape = thousands((file["n"], file["d"]))
    words = {"fit": f"fit from a file of {shape}, kept: {file['kept']}"}
    words["transform"] = f"`transform_file` of it to {file['m']}"
    for name, said in words.items():
        run = file[name]
        for clock, key in (("processor", "processor"), ("waiting included", "seconds")):
            model = run["model, processor"] if key == "processor" else run["model"]
            rows.append([f"{said}, {clock}", *compared({"seconds": run[key], "model": model})])
    ratios = np.array([float(row[-1]) for row in rows])
    lines = paragraph(
        "Shapes that nothing was fitted to. A ratio above 1: the model promises too little time. "
        f"They lie between {ratios.min():.2f} and {ratios.max():.2f}, the median is "
        f"{np.median(ratios):.2f}. The model has a fit pass the guard at the first size of the "
        "rotation; where it keeps the start, it has tried three, and takes longer. The last rows "
        "wait for a disk and a processor that other work had, too, and the model for an idle one."
    )
    return lines + table(["what", "seconds", "model", "measured / model"], rows)


def compared(run: dict[str, Any]) -> list[str]:
    """Return measured seconds, the model's, and their ratio."""
    ratio = run["seconds"] / run["model"]
    return [f"{run['seconds']:.3g}", f"{run['model']:.3g}", f"{ratio:.2f}"]


def message_lines(messages: dict[str, list[float]]) -> list[str]:
    """Return pickled sizes beside those counted."""
    lines = paragraph(
        "Bytes of Dask's messages, pickled, on a small example, beside those counted:"
    )
    rows = [
        [name, bytes_shown(there), bytes_shown(counted), f"{there / counted:.2f}"]
        for name, (there, counted) in messages.items()
    ]
    return lines + table(["message", "pickled", "counted", "pickled / counted"], rows)


def quality_lines(collections: dict[str, Any]) -> list[str]:
    """Return the curves of sample sizes."""
    lines = ["### Which sample is enough", ""]
    lines += paragraph(
        f"Recall of the exact ten nearest by the first {', '.join(map(str, DIMS))} dims, and "
        "nDCG@10: fitted on a random sample without labels or queries, the whole corpus "
        "transformed; means over seeds. Judgments are of train or dev queries, on some of which "
        "defaults were chosen, none of test queries. *Kept*: in how many of the seeds the guard "
        "kept what was learned. *Enough* is the smallest sample from which on no dim is more than "
        f"{100 * MARGIN:g} points below the fit on all documents; all of them where only those "
        "are. Measured before temperatures followed the spread of the cosines: fits on ada-002's "
        "vectors now find more at 16 to 64 dims, as narrow.md says."
    )
    rows = []
    for name, found in collections.items():
        for method in METHODS:
            enough = found["enough"][method]
            cells = [f"{enough[at]:,}" if at in enough else "" for at in ("recall", "ndcg")]
            rows.append([name, f"{found['documents']:,}", method, *cells])
    lines += table(["collection", "documents", "method", "enough, recall", "enough, nDCG@10"], rows)
    for name, found in collections.items():
        lines += curve_lines(name, found)
    return lines


def curve_lines(name: str, found: dict[str, Any]) -> list[str]:
    """Return the table of one collection."""
    said = f"{name}: {thousands((found['documents'], found['d']))}, {found['asked']}"
    lines = [f"{said}, {found['seeds']} seeds.", ""]
    has_judgments = "ndcg" in found["enough"][METHODS[0]]
    header = ["sample", "method", "kept", *(f"recall, {m}" for m in DIMS)]
    header += [f"nDCG@10, {m}" for m in DIMS] if has_judgments else []
    rows = []
    for size in found["curves"][METHODS[0]]:
        for method in METHODS:
            cells = found["curves"][method][size]
            values = cells["recall"] + cells.get("ndcg", [])
            kept = f"{cells['kept']} of {cells['seeds']}" if method == METHODS[1] else ""
            rows.append([f"{int(size):,}", method, kept, *(f"{value:.3f}" for value in values)])
    return lines + table(header, rows)


def unseen_lines(found: dict[str, Any]) -> list[str]:
    """Return what samples are worth to documents that were not in them."""
    lines = paragraph(
        "In these curves a larger sample holds more of the very documents that are looked for, and "
        "at 10^8 a sample holds next to none. So here half of the documents are fitted on, and the "
        f"other half alone is searched; recall, mean of {found['seeds']} seeds:"
    )
    rows = [
        [name, f"{cells['fitted on']:,}", method, *(f"{v:.3f}" for v in cells["recall"][method])]
        for name, cells in found["collections"].items()
        for method in METHODS
    ]
    return lines + table(["collection", "fitted on", "method", *map(str, DIMS)], rows)


def drift_lines(found: dict[str, Any]) -> list[str]:
    """Return what an adaptor keeps as documents of another collection come in."""
    lines = ["### Drift", ""]
    lines += paragraph(
        "Recall of the exact ten nearest in a mixture, by the share of its documents that come "
        "from the second collection under the same model. Queries are documents that no fit has "
        "seen, in the same shares; in brackets the recall of those from the second collection "
        "alone. *Old* was fitted on the first collection alone, the others on the mixture, *warm "
        f"start* from the old rotation. Mean of {found['seeds']} seeds."
    )
    for name, rows in found["directions"].items():
        lines += [f"{name}:", ""]
        header = ["new", "adaptor", *map(str, found["dims"])]
        lines += table(header, (cells for row in rows for cells in drift_rows(row)))
    lines += paragraph(
        "What can be seen without queries: what `check_vectors` says of the mixture, the dim of "
        "`recommend_dim(0.95)`, which the old adaptor takes from its own fit, and `score`, the "
        "share of ten nearest kept, mean over dims, on 1,000 rows of the mixture: of the old "
        "adaptor, and of an SVD rotation fitted on 1,000 others."
    )
    header = ["", "new", "similarity", "`check_vectors`", "dim, old", "dim, anew"]
    header += ["`score`, old", "`score`, SVD", "old less SVD"]
    rows = [look_row(name, row) for name, rows in found["directions"].items() for row in rows]
    return lines + table(header, rows)


def drift_rows(row: dict[str, Any]) -> list[list[str]]:
    """Return a row for each way to have an adaptor: recall by dim."""
    rows = []
    for way, words in WAYS.items():
        found = row["recall"][way]
        new = [f" ({value:.3f})" for value in found.get("new", ())] or [""] * len(found["all"])
        cells = [f"{value:.3f}{late}" for value, late in zip(found["all"], new, strict=True)]
        rows.append([f"{row['share']:.0%}", words, *cells])
    # Nothing has come in yet: all three are the old one.
    return rows if row["share"] else [rows[0], rows[-1]]


def look_row(name: str, row: dict[str, Any]) -> list[str]:
    """Return a row: what can be seen without queries."""
    verdicts = {True: "same model", False: "**another model**", None: "cannot tell"}
    said = ", ".join(dict.fromkeys(verdicts[verdict] for verdict in row["same model"]))
    dims = [", ".join(map(str, dict.fromkeys(row["recommended"][of]))) for of in ("old", "anew")]
    old, svd = row["score"]["old"], row["score"]["SVD"]
    similar = f"{min(row['similarity']):.3f}"
    scores = [f"{old:.3f}", f"{svd:.3f}", f"{old - svd:+.3f}"]
    return [name, f"{row['share']:.0%}", similar, said, *dims, *scores]
