"""How well `check_vectors` tells models apart, and what it costs `transform`.

    python benchmarks/check_vectors.py --data ../shared/data

Fits on each collection's documents, 2,000 and fewer, and checks vectors of the same model
(other collections, their queries, single topics: a document or query with its nearest 19, float16,
other lengths) and of others with as many coordinates: another model cut to that length, columns
permuted or in reverse, coordinates rotated. 20 rows a time. Writes docs/check-vectors.md.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from _common import ROOT, machine, output_of, parser, save, spread, timed
from _page import paragraph, table

from madapt import MatryoshkaAdaptor
from madapt.datasets import load_beir

COLLECTIONS = (("scifact", "test"), ("nfcorpus", "test"), ("cranfield", "test"), ("cisi", "test"))
MODELS = ("minilm", "mpnet")
SIZES = (200, 300, 400, 2_000)
ROWS, DRAWS = 20, 30
Vectors = dict[tuple[str, str, str], np.ndarray]


def unit(X: np.ndarray) -> np.ndarray:
    """Return rows of unit length, without zero rows."""
    X = X[X.any(axis=1)].astype(np.float32)
    return X / np.linalg.norm(X, axis=1, keepdims=True)


def read(folder: Path) -> Vectors:
    """Return vectors by collection, model and side."""
    found: Vectors = {}
    for collection, split in COLLECTIONS:
        for model in MODELS:
            if (folder / collection / f"{model}.npz").exists():
                data = load_beir(folder / collection, split, vectors=model)
                found[collection, model, "documents"] = unit(data.corpus)
                found[collection, model, "queries"] = unit(data.queries)
    path = folder / "jeopardy-ada002" / "corpus.npy"
    if path.exists():
        found["jeopardy", "ada002", "documents"] = unit(np.load(path))
    return found


def drawn(X: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Return some rows."""
    return X[np.sort(generator.permutation(len(X))[:ROWS])]


def same(X: np.ndarray, generator: np.random.Generator) -> dict[str, np.ndarray]:
    """Return samples of the same model's vectors, by kind."""
    topic = X[np.argsort(-(X @ X[generator.integers(len(X))]))[:ROWS]]
    rows = drawn(X, generator)
    lengths = generator.uniform(0.01, 100, (len(rows), 1)).astype(np.float32)
    return {
        "drawn": rows,
        "one topic": topic,
        "float16": rows.astype(np.float16),
        "other lengths": rows * lengths,
    }


def others(X: np.ndarray, generator: np.random.Generator) -> dict[str, np.ndarray]:
    """Return samples of vectors that a changed model would give, by kind."""
    d = X.shape[1]
    rotation = np.linalg.qr(generator.standard_normal((d, d)))[0].astype(np.float32)
    rows = drawn(X, generator)
    return {
        "permuted": rows[:, generator.permutation(d)],
        "reversed": rows[:, ::-1],
        "rotated": rows @ rotation,
    }


def similarities(vectors: Vectors, key: tuple[str, str, str], n: int, **parameters: Any) -> dict:
    """Fit on n documents and return what vectors of all others are said to be."""
    generator = np.random.default_rng(0)
    X = vectors[key]
    X = X[np.sort(generator.permutation(len(X))[:n])]
    model = MatryoshkaAdaptor(random_state=0, **parameters).fit(X)
    d, found = X.shape[1], {"same": {}, "other": {}}

    def note(group: str, kind: str, rows: np.ndarray) -> None:
        if len(rows) >= ROWS:
            similarity = model.vector_statistics_.check(rows, model.rotation_).similarity
            found[group].setdefault(kind, []).append(similarity)

    for (collection, name, side), Y in vectors.items():
        own = "own collection" if collection == key[0] else "other collections"
        for _ in range(DRAWS):
            if name == key[1]:
                for kind, rows in same(Y, generator).items():
                    note("same", f"{own}, {side}, {kind}", rows)
            elif Y.shape[1] >= d:
                note("other", "another model", drawn(Y[:, :d], generator))
        if name == key[1]:
            for kind, rows in others(Y, generator).items():
                note("other", kind, rows)
    return found | {"rows": len(X), "stability": model.vector_statistics_.stability}


def summary(found: dict[str, Any]) -> dict[str, Any]:
    """Return extremes by kind instead of every figure."""
    kinds = {
        group: {kind: [len(v), *spread(v)] for kind, v in found[group].items()}
        for group in ("same", "other")
    }
    threshold = 0.25
    alarms = sum(s < threshold for v in found["same"].values() for s in v)
    missed = sum(s >= threshold for v in found["other"].values() for s in v)
    return {**kinds, "alarms": alarms, "missed": missed} | {
        name: found[name] for name in ("rows", "stability")
    }


def cost(X: np.ndarray, n: int) -> dict[str, Any]:
    """Return the seconds of the look in `transform`, and of the whole, for n rows."""
    model = MatryoshkaAdaptor(max_iter=5, random_state=0, guard=False).fit(X)
    rows = np.tile(X, (-(-n // len(X)), 1))[:n]
    found = {}
    for dim in (16, 64, X.shape[1]):
        whole = [timed(lambda dim=dim: model.transform(rows, dim=dim)) for _ in range(7)]
        look = [timed(lambda: model._warn_of_another_model(rows)) for _ in range(7)]
        found[dim] = [float(np.median(look)), float(np.median(whole))]
    return found


def measured(args: argparse.Namespace) -> dict[str, Any]:
    """Run all of it."""
    vectors = read(args.data)
    sizes, parameters = ((200, 400), {"max_iter": 5}) if args.quick else (SIZES, {})
    runs = []
    for key in vectors:
        if key[2] != "documents":
            continue
        for rotation in ("learned", "identity"):
            for n in sizes if rotation == "learned" else sizes[-1:]:
                more = {} if rotation == "learned" else {"max_iter": 1}
                found = similarities(vectors, key, n, rotation=rotation, **parameters | more)
                one = {"collection": key[0], "model": key[1], "rotation": rotation}
                runs.append(one | summary(found))
                print(json.dumps({k: v for k, v in runs[-1].items() if k not in ("same", "other")}))
    X = next(iter(vectors.values()))
    sizes = (2_000,) if args.quick else (1_000, 10_000, 100_000)
    return {"machine": machine(), "runs": runs, "cost": {n: cost(X, n) for n in sizes}}


def _lowest(run: dict[str, Any], start: str, end: str = "") -> str:
    found = [v[1] for k, v in run["same"].items() if k.startswith(start) and k.endswith(end)]
    return f"{min(found):.2f}" if found else ""


def page(report: dict[str, Any]) -> list[str]:
    """Return the page's lines."""
    told = [run for run in report["runs"] if run["stability"] >= 0.7]
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
        "by less than .7 (*stability*; a few hundred documents are too few). The check cannot "
        "tell a model from a fine-tuned version of it that kept its directions."
    )
    lines += paragraph(
        f"Measured with samples of {ROWS} rows where there is a verdict: {alarms} false alarms in "
        f"{counts['same']:,} samples of the same model, the lowest similarity {lowest:.2f}; "
        f"{missed} misses in {counts['other']:,} samples of others, the highest {highest:.2f}. "
        "*Topic*: the 20 vectors nearest to one of them. *Others*: another model cut to d "
        "coordinates, permuted and reversed columns, random rotations. Threshold and least "
        "stability were chosen on these collections. Written by `python "
        "benchmarks/check_vectors.py --data ../shared/data`."
    )
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
            f"{run['alarms']} and {run['missed']}" if run["stability"] >= 0.7 else "no verdict",
        ]
        for run in report["runs"]
    ]
    lines += ["Lowest similarities of the same model, and the highest of others:", ""]
    lines += table([*head, "others", "alarms, misses"], rows)
    lines += ["## Cost", ""]
    lines += paragraph(
        "Time of the look as a share of `transform`, 384 coordinates, float32, one thread of "
        f"{report['machine']['processor']}:"
    )
    dims = list(next(iter(report["cost"].values())))
    shares = [
        [f"{int(n):,}", *(f"{100 * look / whole:.2f} %" for look, whole in by_dim.values())]
        for n, by_dim in report["cost"].items()
    ]
    lines += table(["rows", *(f"dim {dim}" for dim in dims)], shares)
    return lines


def main() -> None:
    """Measure, and write the page."""
    options = parser(__doc__, "check_vectors")
    options.add_argument("--data", type=Path, required=True, help="folder of BEIR-layout folders")
    options.add_argument("--page", action="store_true", help="only write the page again")
    args = options.parse_args()
    if not args.page:
        save(measured(args), args)
    report = json.loads(output_of(args).read_text(encoding="utf-8"))
    lines = "\n".join(page(report)).rstrip() + "\n"
    if args.quick:
        print(lines)
    else:
        (ROOT / "docs" / "check-vectors.md").write_text(lines, encoding="utf-8")


if __name__ == "__main__":
    main()
