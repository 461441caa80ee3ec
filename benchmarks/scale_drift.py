"""What an adaptor keeps of a corpus that is no longer the one it was fitted on.

Part of ``python benchmarks/scale.py``. Documents of another collection under the same model replace
some of those that the adaptor was fitted on. The old adaptor, one fitted anew on the mixture, one
that goes on from the old rotation (``warm_start``), and the SVD rotation of the mixture are held to
the exact ten nearest. Queries are documents that no fit has seen, of both collections in the
mixture's shares.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
from scale_quality import DIMS, K, fitted, found_again, nearest

from madapt import MatryoshkaAdaptor
from madapt.datasets import load_beir, load_cranfield
from madapt.neighbors import top_k

SHARES = (0.0, 0.1, 0.3, 0.5, 1.0)
#: Documents of a mixture, and of each collection those that are looked for.
N_DOCUMENTS, N_QUERIES = 3000, 300
SEEDS = 2
COLLECTIONS = {"SciFact, MiniLM": "scifact", "NFCorpus, MiniLM": "nfcorpus"}
WAYS = ("old", "anew", "gone on", "SVD anew")
#: The share of full quality that `recommend_dim` is asked for.
TARGET = 0.95
#: Rows of a mixture that a look takes: half to fit an SVD rotation, half to score.
N_LOOKED_AT = 2000


def sources(folder: Path | None, quick: bool) -> dict[str, np.ndarray]:
    """Return the documents of both collections; without data two halves of Cranfield."""
    if quick or folder is None:
        X = load_cranfield().corpus
        X = X[np.linalg.norm(X, axis=1) > 0]
        # The second direction splits subjects; the first is near the mean of all.
        order = np.argsort(X @ np.linalg.svd(X, full_matrices=False)[2][1])
        halves = np.array_split(X[order], 2)
        return {"one half of Cranfield": halves[0], "the other half": halves[1]}
    return {
        name: load_beir(folder / collection, "train", vectors="minilm").corpus
        for name, collection in COLLECTIONS.items()
    }


def parts(X: np.ndarray, n: int, asked: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return so many documents, and others to look for, at random."""
    order = np.random.default_rng(seed).permutation(len(X))
    return X[order[:n]], X[order[n : n + asked]]


def compare(models: dict[str, Any], queries: np.ndarray, corpus: np.ndarray, new: int) -> Any:
    """Return recall by model and dim, of all queries and of the last ones, which are new."""
    exact, _ = top_k(queries, corpus, K)
    found: dict[str, Any] = {}
    for name, model in models.items():
        lists = nearest(model, queries, corpus)
        found[name] = {"all": [found_again(ranked, exact) for ranked in lists.values()]}
        if new:
            late = [found_again(ranked[-new:], exact[-new:]) for ranked in lists.values()]
            found[name]["new"] = late
    return found


def one_seed(A: np.ndarray, B: np.ndarray, seed: int, quick: bool) -> list[dict[str, Any]]:
    """Fit on A alone, then mix in documents of B by shares."""
    asked = 50 if quick else N_QUERIES
    n = min(N_DOCUMENTS, len(A) - asked, len(B) - asked)
    (own, own_queries), (other, other_queries) = (parts(rows, n, asked, seed) for rows in (A, B))
    old = fitted(own, "default fit", seed, quick)
    rows = []
    for share in SHARES[::4] if quick else SHARES:
        new, new_asked = round(share * n), round(share * asked)
        mixture = np.concatenate([own[: n - new], other[:new]])
        queries = np.concatenate([own_queries[: asked - new_asked], other_queries[:new_asked]])
        anew = fitted(mixture, "default fit", seed, quick) if new else old
        models = {
            "old": old,
            "anew": anew,
            "gone on": continued(old, mixture) if new else old,
            "SVD anew": fitted(mixture, "SVD rotation", seed, quick),
        }
        rows.append(
            {
                "share": share,
                "recall": compare(models, queries, mixture, new_asked),
                **looked_at(old, mixture, seed),
                "recommended": {
                    name: None if quick else models[name].recommend_dim(TARGET).dim
                    for name in ("old", "anew")
                },
            }
        )
        print(share, rows[-1], flush=True)
    return rows


def continued(old: MatryoshkaAdaptor, mixture: np.ndarray) -> MatryoshkaAdaptor:
    """Return an adaptor fitted on the mixture from the rotation that another has learned."""
    model = copy.deepcopy(old).set_params(warm_start=True)
    return model.fit(mixture)


def looked_at(old: MatryoshkaAdaptor, mixture: np.ndarray, seed: int) -> dict[str, Any]:
    """Return what can be seen without queries: `check_vectors`, and `score` against an SVD's.

    The SVD rotation is fitted on one half of a sample; both are scored on the other half.
    """
    check = old.check_vectors(mixture)
    rows = mixture[np.random.default_rng(seed).permutation(len(mixture))[:N_LOOKED_AT]]
    half, other = np.array_split(rows, 2)
    scores = {
        "old": old.score(other),
        "SVD": fitted(half, "SVD rotation", seed, False).score(other),
    }
    return {"similarity": check.similarity, "same model": check.same_model, "score": scores}


def measured(folder: Path | None, quick: bool) -> dict[str, Any]:
    """Return means over seeds, by the two collections in either order."""
    there = sources(folder, quick)
    names = list(there)
    found: dict[str, Any] = {}
    for first, second in (names, names[::-1])[: 1 if quick else 2]:
        print(first, "then", second, flush=True)
        seeds = range(1 if quick else SEEDS)
        runs = [one_seed(there[first], there[second], seed, quick) for seed in seeds]
        found[f"{first}, then {second}"] = [merged(rows) for rows in zip(*runs, strict=True)]
    return {"dims": DIMS, "directions": found, "seeds": 1 if quick else SEEDS}


def merged(rows: tuple[dict[str, Any], ...]) -> dict[str, Any]:
    """Return the mean of several seeds' rows, with the range of similarities and verdicts."""
    first = rows[0]["recall"]
    recall = {
        way: {
            whose: np.mean([row["recall"][way][whose] for row in rows], axis=0).round(5).tolist()
            for whose in cells
        }
        for way, cells in first.items()
    }
    return {
        "share": rows[0]["share"],
        "recall": recall,
        "similarity": [row["similarity"] for row in rows],
        "same model": [row["same model"] for row in rows],
        "score": {
            name: float(np.mean([row["score"][name] for row in rows])) for name in ("old", "SVD")
        },
        "recommended": {
            name: [row["recommended"][name] for row in rows] for name in ("old", "anew")
        },
    }
