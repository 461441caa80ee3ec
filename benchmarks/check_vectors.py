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
from check_vectors_page import ROWS, page

from madapt import MatryoshkaAdaptor
from madapt._linalg import svd_rotation
from madapt._vector_check import THRESHOLD, vector_statistics
from madapt.datasets import load_beir

COLLECTIONS = (("scifact", "test"), ("nfcorpus", "test"), ("cranfield", "test"), ("cisi", "test"))
MODELS = ("minilm", "mpnet")
SIZES = (200, 300, 400, 2_000)
DRAWS = 30
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
    alarms = sum(s < THRESHOLD for v in found["same"].values() for s in v)
    missed = sum(s >= THRESHOLD for v in found["other"].values() for s in v)
    return {**kinds, "alarms": alarms, "missed": missed} | {
        name: found[name] for name in ("rows", "stability")
    }


def every_topic(vectors: Vectors, key: tuple[str, str, str], n: int) -> dict[str, Any]:
    """Look as `transform` does at each vector of the same model with its nearest, a topic."""
    generator = np.random.default_rng(0)
    X = vectors[key]
    X = X[np.sort(generator.permutation(len(X))[:n])]
    R = svd_rotation(X)
    statistics = vector_statistics(X, R, own_basis=False)
    same, other = [], []
    for (_, name, _), Y in vectors.items():
        if name == key[1]:
            for start in range(0, len(Y), 500):
                near = np.argpartition(-(Y[start : start + 500] @ Y.T), ROWS, axis=1)[:, :ROWS]
                same += [statistics.check(Y[at], R, brief=True).similarity for at in near]
            Y = Y[:, generator.permutation(Y.shape[1])]
        elif Y.shape[1] < X.shape[1]:
            continue
        for _ in range(500):
            rows = drawn(Y[:, : X.shape[1]], generator)
            other.append(statistics.check(rows, R, brief=True).similarity)
    return {
        "rows": len(X),
        "stability": statistics.stability,
        "same": [len(same), *spread(same), int(np.sum(np.less(same, THRESHOLD)))],
        "other": [len(other), *spread(other), int(np.sum(np.greater_equal(other, THRESHOLD)))],
    }


def topics(vectors: Vectors, sizes: tuple[int, ...]) -> list[dict[str, Any]]:
    """Do that for all collections."""
    return [
        {"collection": key[0], "model": key[1]} | every_topic(vectors, key, n)
        for key in vectors
        for n in sizes
        if key[2] == "documents"
    ]


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
    return {
        "machine": machine(),
        "runs": runs,
        "topics": topics(vectors, (400,) if args.quick else (400, 2_000)),
        "cost": {n: cost(X, n) for n in sizes},
    }


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
