"""Embeddings whose cosines lie close together: fits at fixed temperatures and at the default.

    python benchmarks/narrow.py --data ../shared/data [--quick]

Models such as text-embedding-ada-002 give vectors that share a large mean: all cosines lie within
.6 to .9, and temperatures chosen where they lie within -.1 to .9 are too high. *Fixed* is the
default but for temperature=.03 and prefix_temperature=.3, which is what it uses where cosines
spread. SciFact's vectors with one random direction, `mean` times as long as they are, added to
all of them, documents and queries, and scaled to unit length again: nDCG@10 of the train queries,
whose judgments no fit sees. Jeopardy clues (ada-002, a real narrow embedding without queries):
recall@10 of the nearest among 9,000 clues, searched with 1,000 others. One seed. Written to
docs/narrow.md.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from _common import ROOT, machine, parser, save
from _page import paragraph, table

from madapt import MatryoshkaAdaptor
from madapt._rows import unit_rows
from madapt.baselines import PCAReducer, SVDRotation
from madapt.datasets import load_beir
from madapt.evaluation import dimension_curve
from madapt.neighbors import top_k
from madapt.training.guard import neighbor_overlap
from madapt.training.spread import USUAL_SPREAD, spread_share

DIMS = (8, 16, 32, 64, 128)
VECTORS = ("minilm", "mpnet")
MEANS = (0.0, 1.0, 2.0)
FIXED = {"temperature": 0.03, "prefix_temperature": 0.3}
N_CLUES, N_SEARCHES = 9000, 1000


def fitted(X: np.ndarray, quick: bool) -> dict[str, Any]:
    """Return the methods, each fitted on X."""
    options: dict[str, Any] = {"random_state": 0, **({"max_iter": 2} if quick else {})}
    return {
        "PCA": PCAReducer().fit(X),
        "SVD": SVDRotation().fit(X),
        "fixed temperatures": MatryoshkaAdaptor(**options, **FIXED).fit(X),
        "madapt fit(X)": MatryoshkaAdaptor(**options).fit(X),
    }


def with_mean(X: np.ndarray, direction: np.ndarray, length: float) -> np.ndarray:
    """Return unit rows with a direction of that length added to each."""
    return unit_rows(unit_rows(X) + length * direction).astype(np.float32)


def scifact(folder: Path, vectors: str, mean: float, quick: bool) -> dict[str, Any]:
    """Return the share of the usual spread and nDCG@10 by method and dim."""
    data = load_beir(folder, "train", vectors=vectors)
    direction = unit_rows(np.random.default_rng(0).normal(size=(1, data.corpus.shape[1])))
    X, Q = (with_mean(rows, direction, mean) for rows in (data.corpus, data.queries))
    curve = dimension_curve(fitted(X, quick), X, Q, data.qrels, dims=DIMS)
    scores = {name: found["ndcg@10"].tolist() for name, found in curve.scores.items()}
    return {"share": spread_share(X), "scores": scores}


def clues(folder: Path, quick: bool) -> dict[str, Any]:
    """Return the same for ada-002's vectors, by recall@10 of the nearest."""
    X = unit_rows(np.load(folder / "corpus.npy").astype(np.float32))
    X = X[np.random.default_rng(0).permutation(len(X))]
    Q, X = X[:N_SEARCHES], X[N_SEARCHES:][: 500 if quick else N_CLUES]
    nearest, _ = top_k(Q, X, 10)
    scores = {}
    for name, method in fitted(X, quick).items():
        rows, corpus = method.transform(Q), method.transform(X)
        pairs = lambda m, a=rows, b=corpus: (a[:, :m], b[:, :m])  # noqa: E731
        scores[name] = neighbor_overlap(nearest, pairs, DIMS).mean(axis=1).tolist()
    return {"share": spread_share(X), "scores": scores}


def page(report: dict[str, Any]) -> None:
    """Write docs/narrow.md."""
    lines = ["# Cosines that lie close together", ""]
    lines += paragraph(_WHY) + paragraph(_WHAT)
    for name, found in report["cases"].items():
        lines += [f"## {name}, share {found['share']:.2f}", ""]
        rows = [[method, *(f"{x:.3f}" for x in row)] for method, row in found["scores"].items()]
        lines += table(["dims", *map(str, DIMS)], rows)
    path = ROOT / "docs" / "narrow.md"
    path.write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")
    print(f"written: {path}")


_WHY = f"""\
The vectors of some models share a large mean: their cosines differ by hundredths, where MiniLM's
differ by tenths. The listwise loss asks which documents are near by a softmax of cosines over a
temperature, and where cosines differ by less than the temperature it says that all are alike. So
the default temperatures shrink with the spread of the documents' cosines, the standard deviation
among a document's, where that is below {USUAL_SPREAD}. What you set stays as it is, and so do all
where 400 queries or more are judged.
"""

_WHAT = """\
*fixed temperatures* is the default with `temperature=0.03, prefix_temperature=0.3`, which is what
it uses where cosines spread. SciFact with a mean: one random direction, so many times as long as
the vectors, added to all of them before they are scaled to unit length; nDCG@10 of the train
queries, whose judgments no fit sees. Jeopardy clues, text-embedding-ada-002: recall@10 of the
nearest of 9,000 clues, searched with 1,000 others. One seed. *Share* is the spread over the usual.
The limit was chosen on these queries and clues, so that they are no blind test of it. Written by
`python benchmarks/narrow.py --data ../shared/data`.
"""


def main() -> None:
    """Measure and write."""
    options = parser(__doc__, "narrow")
    options.add_argument("--data", type=Path, required=True, help="folder of BEIR-layout folders")
    args = options.parse_args()
    cases = {
        f"SciFact {vectors}, mean {mean:g}": scifact(
            args.data / "scifact", vectors, mean, args.quick
        )
        for vectors in VECTORS[: 1 if args.quick else None]
        for mean in MEANS[: 2 if args.quick else None]
    }
    cases["Jeopardy clues, ada-002"] = clues(args.data / "jeopardy-ada002", args.quick)
    report = {"machine": machine(), "cases": cases}
    save(report, args)
    if not args.quick:
        page(report)


if __name__ == "__main__":
    main()
