"""What a fit on a sample of the documents keeps of the whole corpus, by the sample's size.

Part of ``python benchmarks/scale.py``. Each sample is drawn at random, an adaptor and the SVD
rotation alone are fitted on it, the *whole* corpus goes through both, and queries that no fit has
seen look for their neighbours in it. Judgments are those of train or dev queries: nothing here
looks at a test split.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from madapt import MatryoshkaAdaptor
from madapt.datasets import load_beir, load_cranfield
from madapt.evaluation import ndcg_at_k
from madapt.neighbors import top_k

K = 10
DIMS = (16, 64, 128)
SIZES = (250, 500, 1000, 2000, 4000)
#: Rows of a collection without queries that are looked for among the others.
N_QUERIES = 500
#: Name, folder, vectors, split of the queries, seeds.
COLLECTIONS = (
    ("SciFact, MiniLM", "scifact", "minilm", "train", 3),
    ("SciFact, MPNet", "scifact", "mpnet", "train", 3),
    ("NFCorpus, MiniLM", "nfcorpus", "minilm", "dev", 3),
)
ADA, ADA_SEEDS = "Jeopardy, ada-002", 2
#: A smaller sample is as good as all where it loses no more, on a scale of 0 to 1.
MARGIN = 0.005
#: Seeds of the halves of which one is fitted on and the other searched.
UNSEEN_SEEDS = 2
METHODS = ("SVD rotation", "default fit")


def found_again(found: np.ndarray, exact: np.ndarray) -> float:
    """Return the share of the exact nearest that is among those found."""
    return float((found[:, :, None] == exact[:, None, :]).any(axis=1).mean())


def fitted(rows: np.ndarray, method: str, seed: int, quick: bool) -> MatryoshkaAdaptor:
    """Fit one of the methods."""
    if method == METHODS[0]:
        return MatryoshkaAdaptor(rotation="svd", hidden_dim=None, guard=False).fit(rows)
    more = {"max_iter": 2, "guard": False} if quick else {}
    return MatryoshkaAdaptor(random_state=seed, **more).fit(rows)


def nearest(model: MatryoshkaAdaptor, Q: np.ndarray, X: np.ndarray) -> dict[int, np.ndarray]:
    """Return the nearest documents of each query by prefixes, by dim."""
    dim = max(DIMS)
    queries, documents = model.transform(Q, dim=dim, side="query"), model.transform(X, dim=dim)
    return {m: top_k(queries[:, :m], documents[:, :m], K)[0] for m in DIMS}


def measure(model: MatryoshkaAdaptor, data: dict[str, Any]) -> dict[str, list[float]]:
    """Return recall of the exact nearest and, where there are judgments, nDCG@10, by dim."""
    lists = nearest(model, data["queries"], data["documents"])
    found = {"recall": [found_again(ranked, data["exact"]) for ranked in lists.values()]}
    if data["qrels"] is not None:
        found["ndcg"] = [ndcg_at_k(ranked, data["qrels"]) for ranked in lists.values()]
    return found


def curve(data: dict[str, Any], sizes: list[int], seeds: int, quick: bool) -> dict[str, Any]:
    """Return measures by method and size: lists by dim, of means over seeds and of ranges."""
    X = data["documents"]
    found: dict[str, Any] = {method: {} for method in METHODS}
    for method in METHODS:
        for size in sizes:
            runs = []
            for seed in range(seeds):
                at = np.random.default_rng(seed).choice(len(X), size, replace=False)
                model = fitted(X[np.sort(at)], method, seed, quick)
                kept = (model.validation_scores_ or {"kept": ["not guarded"]})["kept"][0]
                runs.append(measure(model, data) | {"kept": kept})
                if size == len(X) and method == METHODS[0]:
                    break  # all rows and no chance in it: the same for each seed
            found[method][str(size)] = summary(runs)
            print(f"  {method}, {size}: {found[method][str(size)]}", flush=True)
    return found


def summary(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Return means and ranges over seeds, and how often what was learned was kept."""
    found: dict[str, Any] = {"kept": sum(run["kept"] == "adaptor" for run in runs)}
    for name in ("recall", "ndcg"):
        if name in runs[0]:
            values = np.array([run[name] for run in runs])
            found[name] = values.mean(axis=0).round(5).tolist()
            found[f"{name}, range"] = np.ptp(values, axis=0).round(5).tolist()
    return found | {"seeds": len(runs)}


def whole_collections(folder: Path | None, quick: bool) -> dict[str, dict[str, Any]]:
    """Return documents, queries and judgments by name; Cranfield alone without data."""
    found: dict[str, dict[str, Any]] = {}
    if quick or folder is None:
        cranfield = load_cranfield("train")
        return {"Cranfield, MiniLM": entry(cranfield, "train", 1)}
    for name, collection, vectors, split, seeds in COLLECTIONS:
        if (folder / collection / f"{vectors}.npz").exists():
            data = load_beir(folder / collection, split, vectors=vectors)
            found[name] = entry(data, split, seeds)
    path = folder / "jeopardy-ada002" / "corpus.npy"
    if path.exists():
        X = np.load(path).astype(np.float32)
        X = X[np.random.default_rng(0).permutation(len(X))]
        rows = {"queries": X[:N_QUERIES], "documents": X[N_QUERIES:], "qrels": None}
        found[ADA] = rows | {"asked": f"{N_QUERIES} other rows", "seeds": ADA_SEEDS}
    return found


def entry(data: Any, split: str, seeds: int) -> dict[str, Any]:
    """Return what is measured on a collection with judged queries."""
    return {
        "queries": data.queries,
        "documents": data.corpus,
        "qrels": data.qrels,
        "asked": f"{len(data.queries):,} {split} queries",
        "seeds": seeds,
    }


def saturation(cells: dict[str, Any], measure: str) -> int | None:
    """Return the smallest size from which on no dim is more than the margin below the full fit.

    Parameters
    ----------
    cells : dict
        By size, rising; the last is the full fit.
    measure : {"recall", "ndcg"}
    """
    sizes = list(cells)
    whole = np.array(cells[sizes[-1]][measure])
    good = [bool((np.array(cells[size][measure]) >= whole - MARGIN).all()) for size in sizes]
    first = next(i for i in range(len(sizes)) if all(good[i:]))
    return int(sizes[first])


def measured(
    folder: Path | None, quick: bool, save_so_far: Callable[[dict[str, Any]], None]
) -> dict[str, Any]:
    """Return the curves of all collections."""
    found: dict[str, Any] = {}
    for name, data in whole_collections(folder, quick).items():
        X = data["documents"]
        exact, _ = top_k(data["queries"], X, K)
        sizes = [size for size in (SIZES[1:2] if quick else SIZES) if size < len(X)] + [len(X)]
        print(name, flush=True)
        curves = curve(data | {"exact": exact}, sizes, data["seeds"], quick)
        measures = [name for name in ("recall", "ndcg") if name in curves[METHODS[0]][str(len(X))]]
        found[name] = {
            "documents": len(X),
            "d": X.shape[1],
            "asked": data["asked"],
            "seeds": data["seeds"],
            "curves": curves,
            "enough": {
                method: {at: saturation(curves[method], at) for at in measures}
                for method in METHODS
            },
        }
        save_so_far(found)
    return found


def unseen(folder: Path | None, quick: bool) -> dict[str, Any]:
    """Return recall among documents that no fit has seen, fitted on the other half."""
    seeds, found = 1 if quick else UNSEEN_SEEDS, {}
    for name, data in whole_collections(folder, quick).items():
        X = data["documents"]
        runs: dict[str, list[list[float]]] = {method: [] for method in METHODS}
        for seed in range(seeds):
            order = np.random.default_rng(seed).permutation(len(X))
            known, others = X[order[: len(X) // 2]], X[order[len(X) // 2 :]]
            exact, _ = top_k(data["queries"], others, K)
            for method in METHODS:
                lists = nearest(fitted(known, method, seed, quick), data["queries"], others)
                runs[method].append([found_again(ranked, exact) for ranked in lists.values()])
        means = {
            method: np.mean(values, axis=0).round(5).tolist() for method, values in runs.items()
        }
        found[name] = {"fitted on": len(X) // 2, "searched": len(X) - len(X) // 2, "recall": means}
        print(name, found[name], flush=True)
    return {"seeds": seeds, "collections": found}
