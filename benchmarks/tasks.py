"""Prefixes for other work than search: classes, clusters, duplicates, by dim.

    python benchmarks/tasks.py [--data ../shared/data] [--page FILE] [--quick]

Cranfield comes with the package; with data, NFCorpus and four collections of one model together.
A document's class is the query that it was judged relevant to, for queries with enough of them
and documents of one such query alone; or its collection. All methods learn from the documents,
without labels. Writes the tables of docs/tasks.md; `--page` writes them from the figures that
there are.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from _common import ROOT, machine, parser, save, write_end_of
from _page import machine_of, paragraph, table
from sklearn.cluster import KMeans
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import adjusted_mutual_info_score
from sklearn.model_selection import StratifiedKFold, cross_val_score

from madapt import MatryoshkaAdaptor
from madapt.baselines import PCAReducer, SVDRotation, Truncation
from madapt.datasets import load_beir, load_cranfield
from madapt.neighbors import top_k

DIMS = (8, 16, 32, 64, 128)
TOGETHER = ("scifact", "nfcorpus", "cranfield", "cisi")
#: A class has at least so many documents; duplicates are so many pairs; k-means starts so often.
FEWEST, N_PAIRS, N_STARTS = 8, 200, 5
HEADING = "## What was measured"
COMMAND = "python benchmarks/tasks.py --data ../shared/data"


def classes_of(qrels: Any, fewest: int = FEWEST) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows of documents that have a class, and their classes."""
    relevant = qrels.toarray() > 0
    large = relevant[relevant.sum(axis=1) >= fewest]
    alone = large.sum(axis=0) == 1
    kept = (large & alone).sum(axis=1) >= fewest
    rows = np.flatnonzero((large[kept] & alone).any(axis=0))
    return rows, large[kept][:, rows].argmax(axis=0)


def problems(folder: Path | None) -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Return vectors, the rows that have a class, and the classes."""
    data = load_cranfield()
    found = {"Cranfield, queries as classes": (data.corpus, *classes_of(data.qrels))}
    if folder and (folder / "nfcorpus" / "minilm.npz").exists():
        data = load_beir(folder / "nfcorpus", "dev", vectors="minilm")
        found["NFCorpus, queries as classes"] = (data.corpus, *classes_of(data.qrels))
    if folder and all((folder / name / "minilm.npz").exists() for name in TOGETHER):
        parts = [load_beir(folder / name, "test", vectors="minilm").corpus for name in TOGETHER]
        labels = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
        found["Four collections together"] = (np.vstack(parts), np.arange(len(labels)), labels)
    return found


def nearest_pairs(X: np.ndarray, n: int) -> set[tuple[int, int]]:
    """Return the n pairs of rows with the largest cosines."""
    best: list[tuple[float, int, int]] = []
    for start in range(0, len(X), 1000):
        similar = X[start : start + 1000] @ X[start:].T
        similar[np.tril_indices(*similar.shape[:1], m=similar.shape[1])] = -np.inf
        found = np.argpartition(-similar, min(n, similar.size - 1), axis=None)[:n]
        i, j = np.unravel_index(found, similar.shape)
        best += zip(similar[i, j].tolist(), (start + i).tolist(), (start + j).tolist(), strict=True)
    return {(i, j) for _, i, j in sorted(best, reverse=True)[:n]}


def candidate_pairs(X: np.ndarray, k: int = 10) -> set[tuple[int, int]]:
    """Return each row with its nearest k others."""
    neighbors, _ = top_k(X, X, k + 1)
    return {(min(i, j), max(i, j)) for i, row in enumerate(neighbors.tolist()) for j in row}


def scores(X: np.ndarray, rows: np.ndarray, classes: np.ndarray, true: Any) -> dict[str, float]:
    """Return what prefixes are worth for each task."""
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    model = LogisticRegression(C=30.0, max_iter=1000)
    clusters = KMeans(len(set(classes.tolist())), n_init=N_STARTS, random_state=0)
    found = clusters.fit_predict(X[rows])
    same = nearest_pairs(X, N_PAIRS)
    return {
        "accuracy": float(cross_val_score(model, X[rows], classes, cv=folds).mean()),
        "clusters": float(adjusted_mutual_info_score(classes, found)),
        "duplicates": len(same & true) / len(true),
        "candidates": len(candidate_pairs(X) & true) / len(true),
    }


def measured(args: argparse.Namespace) -> dict[str, Any]:
    """Fit, cut and score."""
    found = {}
    for name, (X, rows, classes) in problems(args.data).items():
        X = Truncation().fit_transform(X)  # unit length
        more = {"max_iter": 2, "guard": False} if args.quick else {}
        methods = {
            "truncation": Truncation().fit(X),
            "PCA": PCAReducer().fit(X),
            "SVD": SVDRotation().fit(X),
            "adaptor": MatryoshkaAdaptor(random_state=0, **more).fit(X),
        }
        true = nearest_pairs(X, N_PAIRS)
        dims = (16, 64) if args.quick else DIMS
        by_method = {
            method: {str(m): scores(fitted.transform(X, m), rows, classes, true) for m in dims}
            for method, fitted in methods.items()
        }
        whole = {str(X.shape[1]): scores(X, rows, classes, true)}
        found[name] = {
            "documents": len(X),
            "with a class": len(rows),
            "classes": len(set(classes.tolist())),
            "methods": {"all": whole, **by_method},
        }
        print(name, json.dumps(found[name]))
    return {"machine": machine("scikit-learn"), "problems": found}


TITLES = {
    "accuracy": "Accuracy of a logistic regression, mean of five folds:",
    "clusters": "Agreement of k-means with the classes (adjusted mutual information):",
    "duplicates": f"Of the {N_PAIRS} nearest pairs of whole vectors, the share among the "
    f"{N_PAIRS} nearest pairs of prefixes:",
    "candidates": "The share of them that each row's ten nearest in the prefix hold, to be "
    "checked by whole vectors:",
}


def lines_of(report: dict[str, Any]) -> list[str]:
    """Return the part of the page that figures make."""
    lines = [HEADING, ""]
    lines += paragraph(
        f"Written by `{COMMAND}` on {machine_of(report)}. All methods learn from the documents, "
        "without labels. Bold is the best of a column; *all* is the whole vector."
    )
    for name, found in report["problems"].items():
        lines += [f"### {name}", ""]
        lines += paragraph(
            f"{found['documents']:,} documents; {found['with a class']:,} of them in "
            f"{found['classes']} classes."
        )
        for key, title in TITLES.items():
            lines += paragraph(title) + table_of(found["methods"], key)
    return lines


def table_of(methods: dict[str, dict[str, dict[str, float]]], key: str) -> list[str]:
    """Return the table of one score: a row a method."""
    (whole,) = methods["all"].values()
    rest = {method: row for method, row in methods.items() if method != "all"}
    dims = list(next(iter(rest.values())))
    best = {m: max(row[m][key] for row in rest.values()) for m in dims}

    def cell(value: float, top: float) -> str:
        return f"**{value:.3f}**" if value == top else f"{value:.3f}"

    rows = [
        [method, *(cell(row[m][key], best[m]) for m in dims), f"{whole[key]:.3f}"]
        for method, row in rest.items()
    ]
    return table(["dims", *dims, "all"], rows)


def main() -> None:
    """Measure, and write the page."""
    options = parser(__doc__, "tasks")
    options.add_argument("--data", type=Path, help="folder of BEIR-layout folders")
    options.add_argument("--page", type=Path, metavar="FILE", help="only write the page again")
    args = options.parse_args()
    if args.page is None:
        save(measured(args), args)
    write_end_of(ROOT / "docs" / "tasks.md", HEADING, lines_of, args)


if __name__ == "__main__":
    main()
