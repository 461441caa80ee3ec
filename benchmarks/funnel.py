"""What `madapt.search.funnel_search` finds of the exact ten nearest, by dim and oversampling.

    python benchmarks/funnel.py [--data ../shared/data] [--page FILE] [--quick]

Fits on the documents of Cranfield, which comes with the package, without labels, and of larger
collections if there are data, and searches for their queries: by prefixes of adapted vectors and,
for comparison, by the first coordinates of the vectors as they were. Both rank by whole vectors,
whose cosines are the same, and both are held to the exact search. Writes the tables of
docs/search.md; `--page` writes them from the figures that there are.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from _common import ROOT, machine, parser, save, write_end_of
from _page import machine_of, paragraph, table

from madapt import MatryoshkaAdaptor
from madapt.datasets import load_beir, load_cranfield
from madapt.neighbors import top_k
from madapt.search import funnel_search

K = 10
DIMS = (16, 32, 64, 128)
OVERSAMPLES = (1, 2, 4, 8, 16)
#: Beside Cranfield.
COLLECTIONS = (("scifact", "minilm"), ("scifact", "mpnet"), ("nfcorpus", "minilm"))
#: Rows of the last, which has no queries, that are looked for among the others.
N_QUERIES = 500
HEADING = "## What it finds"
COMMAND = "python benchmarks/funnel.py --data ../shared/data"


def collections(folder: Path | None) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return documents and queries by name."""
    data = load_cranfield()
    found = {"Cranfield, MiniLM": (data.corpus, data.queries)}
    names = {"scifact": "SciFact", "nfcorpus": "NFCorpus", "minilm": "MiniLM", "mpnet": "MPNet"}
    for collection, model in COLLECTIONS if folder else ():
        if (folder / collection / f"{model}.npz").exists():
            data = load_beir(folder / collection, "test", vectors=model)
            found[f"{names[collection]}, {names[model]}"] = data.corpus, data.queries
    if folder and (folder / "jeopardy-ada002" / "corpus.npy").exists():
        X = np.load(folder / "jeopardy-ada002" / "corpus.npy").astype(np.float32)
        X = X[np.random.default_rng(0).permutation(len(X))]
        found["Jeopardy, ada-002"] = X[N_QUERIES:], X[:N_QUERIES]
    return found


def recalls(queries: np.ndarray, corpus: np.ndarray, exact: np.ndarray) -> dict[str, list[float]]:
    """Return recall@10 for each oversampling, by dim."""

    def recall(dim: int, oversample: int) -> float:
        found, _ = funnel_search(queries, corpus, dim, oversample, K)
        same = (found[:, :, None] == exact[:, None, :]).any(axis=2)
        return float(same.mean())

    return {str(m): [recall(m, oversample) for oversample in OVERSAMPLES] for m in DIMS}


def measured(args: argparse.Namespace) -> dict[str, Any]:
    """Fit, search and compare."""
    found = {}
    for name, (corpus, queries) in collections(args.data).items():
        more = {"max_iter": 2, "guard": False} if args.quick else {}
        model = MatryoshkaAdaptor(random_state=0, **more).fit(corpus)
        exact, _ = top_k(queries, corpus, K)
        found[name] = {
            "documents": len(corpus),
            "queries": len(queries),
            "d": corpus.shape[1],
            "adapted": recalls(model.transform(queries), model.transform(corpus), exact),
            "truncated": recalls(queries, corpus, exact),
        }
        print(name, json.dumps(found[name]))
    return {"machine": machine("scikit-learn", "numba"), "collections": found}


def lines_of(report: dict[str, Any]) -> list[str]:
    """Return the part of the page that figures make."""
    lines = [HEADING, ""]
    lines += paragraph(
        f"Share of the exact {K} nearest documents of each query (recall@{K}), by the dims that "
        "the first search sees and by `oversample`: `MatryoshkaAdaptor().fit(documents)`, no "
        "labels, no queries; in brackets the first coordinates of the vectors as they were, which "
        f"have not been made for it. Written by `{COMMAND}` on {machine_of(report)}."
    )
    for name, found in report["collections"].items():
        size = f"{found['documents']:,} documents of {found['d']:,} dims"
        lines += [f"{name}, {size}, {found['queries']:,} queries:", ""]
        header = ["dims", *(f"oversample {o}" for o in OVERSAMPLES)]
        rows = [
            [
                m,
                *(
                    f"{a:.3f} ({t:.3f})"
                    for a, t in zip(adapted, found["truncated"][m], strict=True)
                ),
            ]
            for m, adapted in found["adapted"].items()
        ]
        lines += table(header, rows)
    return lines


def main() -> None:
    """Measure, and write the page."""
    options = parser(__doc__, "funnel")
    options.add_argument("--data", type=Path, help="folder of BEIR-layout folders")
    options.add_argument("--page", type=Path, metavar="FILE", help="only write the page again")
    args = options.parse_args()
    if args.page is None:
        save(measured(args), args)
    write_end_of(ROOT / "docs" / "search.md", HEADING, lines_of, args)


if __name__ == "__main__":
    main()
