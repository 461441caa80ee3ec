"""Writes docs/bytes.md and its plot from the figures of benchmarks/bytes.py.

python benchmarks/bytes_page.py [--page FILE]
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from _common import RESULTS, ROOT
from _page import machine_of, paragraph, table
from _plots import BYTE_LINES, plot_bytes

COMMAND = "python benchmarks/bytes.py --data ../shared/data --seeds 2 --jobs 2 --resume"
#: madapt by what it is told.
METHODS = ("madapt, no labels", "madapt, unlabeled queries", "madapt, labels")
#: What this page was planned to hold.
COLLECTIONS = ("scifact minilm", "nfcorpus minilm")
SEEDS = 2
#: Points of nDCG@10 that are called level.
LEVEL = 0.05
Curves = dict[str, dict[int, float]]

_INTRODUCTION = """\
nDCG@10 (trec_eval's) on the test queries against what one document takes in the index, written
by `{command}` on: {machine}. Queries are floats, except for Hamming. madapt is fitted with the
default parameters; figures are means over {seeds}. What madapt may take at a size are dims at any
precision that fill it, or a smaller size, to the last bit, and the test queries measure only the
setting that was chosen before: without labels by how well up to 1,000 train queries find the frozen
vectors' ten nearest documents again, no judgment needed; with labels on a quarter of the train
queries that the fit had not seen."""
_PEERS = """\
Of each peer the variant counts that does best on the judged train queries: OPQ at all dims and, of
16 bytes, at 96 of them; SQ and floats on prefixes of truncation, PCA and SVD. So peers have their
variants chosen by labels, which madapt without labels has not. Peers are trained on the whole
corpus, as madapt is, and scored by the cosine of what they decode. What is stored once an index is
not counted: madapt's rotation of 384 dims and its balancing ones take 2 MB, PQ's codebooks of 384
dims 0.4 MB, OPQ's rotation 0.6 MB more. Bold is the best label-free method of a column, and madapt
with labels where it is above all others. With labels madapt learns what is relevant, not only how
to store it: its distance to peers that see no labels is not one of codes alone. 64 % of the
judgments of SciFact's test queries are of documents that train queries have, too."""


def write_page(report: dict[str, Any], page: Path) -> None:
    """Write the page, and the plot in the folder of images beside it."""
    found = {name: part for name, part in report["collections"].items() if set(part) - {"sizes"}}
    seeds = max(len(part.get(name, {})) for part in found.values() for name in METHODS)
    said = {
        "command": COMMAND,
        "machine": machine_of(report),
        "seeds": f"up to {seeds} seeds" if seeds > 1 else "one seed",
    }
    lines = [
        "# Bytes, not only dims",
        "",
        *paragraph(_INTRODUCTION.format(**said)),
        *paragraph(_PEERS),
        *(paragraph(report["remark"]) if "remark" in report else []),
        *_missing(report["collections"]),
        "![nDCG@10 by bytes per vector](images/bytes.svg)",
        "",
    ]
    for name, part in found.items():
        lines += _collection(name, part)
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")
    plot_bytes({name: curves_of(part) for name, part in found.items()}, _image(page))


def curves_of(found: dict[str, Any]) -> Curves:
    """Return the test figure at each size by method: of peers, the variant best on train."""
    curves: Curves = {}
    for name in BYTE_LINES:
        if name in METHODS:
            chosen = [fit["chosen"] for fit in found.get(name, {}).values()]
            sizes = chosen[0] if chosen else ()
            points = {int(size): _mean(fit[size]["test"] for fit in chosen) for size in sizes}
        else:
            points = {
                int(size): max(rows, key=lambda row: row["train"])["test"]
                for size, rows in found.get(name, {}).items()
                if rows
            }
        if points:
            curves[name] = dict(sorted(points.items()))
    return curves


def _image(page: Path) -> Path:
    return page.parent / "images" / "bytes.svg"


def _mean(values: Any) -> float:
    return float(np.mean(list(values)))


def _missing(collections: dict[str, Any]) -> list[str]:
    """Say what was planned and has not been measured."""
    parts: dict[str, list[str]] = {}
    for name in COLLECTIONS:
        found = collections.get(name, {})
        for method in BYTE_LINES:
            if method in METHODS:
                unit, wanted = "seed", [str(seed) for seed in range(SEEDS)]
            else:
                # The signs of all dims fill one size alone.
                is_sign = method.startswith("signs")
                unit, wanted = "bytes", ["48"] if is_sign else [*map(str, found.get("sizes", []))]
            absent = [number for number in wanted if number not in found.get(method, {})]
            if absent:
                parts.setdefault(f"{name}, {unit} {', '.join(absent)}", []).append(method)
    if not parts:
        return []
    said = [f"{what}: {', '.join(methods)}" for what, methods in parts.items()]
    return paragraph(f"Not measured yet: {'; '.join(said)}.")


def _collection(name: str, found: dict[str, Any]) -> list[str]:
    sizes, curves = found["sizes"], curves_of(found)
    free = {n: c for n, c in curves.items() if n != "madapt, labels"}
    rows = []
    for method, scores in curves.items():
        rivals = curves if method == "madapt, labels" else free
        rows.append([method, *(_cell(scores, size, rivals) for size in sizes)])
    ours = [method for method in METHODS if method in curves]
    settings = [
        [method if len(found[method]) == 1 else f"{method}, seed {seed}", *_settings(fit, sizes)]
        for method in ours
        for seed, fit in sorted(found[method].items())
    ]
    header = ["bytes", *map(str, sizes)]
    lines = [f"## {name}", "", *table(header, rows)]
    lines += paragraph(
        "Points of nDCG@10 (hundredths) against the peer that did best on the test queries:"
    )
    peers = {n: c for n, c in curves.items() if n not in METHODS}
    best = [_best(peers, size) for size in sizes]
    gaps = [["best peer", *(peer or "" for peer in best)]]
    gaps += [[m, *map(_gap, [curves] * len(sizes), [m] * len(sizes), best, sizes)] for m in ours]
    lines += table(header, gaps)
    lines += paragraph("The settings that were chosen:")
    return lines + table(header, settings)


def _settings(fit: dict[str, Any], sizes: list[int]) -> list[str]:
    return [f"{at['dim']} {at['precision']}" for at in (fit["chosen"][str(n)] for n in sizes)]


def _cell(scores: dict[int, float], size: int, rivals: Curves) -> str:
    if size not in scores:
        return ""
    best = max(curve[size] for curve in rivals.values() if size in curve)
    text = f"{scores[size]:.3f}"
    return f"**{text}**" if scores[size] == best else text


def _best(peers: Curves, size: int) -> str | None:
    scores = {name: curve[size] for name, curve in peers.items() if size in curve}
    return max(scores, key=scores.__getitem__) if scores else None


def _gap(curves: Curves, method: str, peer: str | None, size: int) -> str:
    """Write the distance to the best peer, and whether it is a win, a loss or level."""
    if peer is None:
        return ""
    points = 100 * (curves[method][size] - curves[peer][size])
    word = "level" if abs(points) < LEVEL else "ahead" if points > 0 else "behind"
    return f"{points:+.1f} {word}"


def main() -> None:
    """Write the page anew."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--page", type=Path, default=ROOT / "docs" / "bytes.md")
    args = options.parse_args()
    report = json.loads((RESULTS / "bytes.json").read_text(encoding="utf-8"))
    write_page(report, args.page)


if __name__ == "__main__":
    main()
