"""The command `evaluate`: the curve of a metric over dims, of the prefix as it is and adapted."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from madapt._checks import check_dims
from madapt._commands.collection import Asked, Collection, open_collection
from madapt._commands.costs import evaluate_seconds, product_speed
from madapt._commands.inputs import naming
from madapt._commands.models import load_model
from madapt._commands.printing import Bar, count_bytes, say, say_json, table
from madapt.baselines import Truncation
from madapt.estimator import MatryoshkaAdaptor
from madapt.evaluation import dimension_curve, retrieval_scores
from madapt.exceptions import InvalidValueError

__all__ = ["EvaluateOptions", "Searched", "evaluate", "opened", "search"]


@dataclass(frozen=True)
class EvaluateOptions:
    """What the command line asks for beside the collection.

    Parameters
    ----------
    model : Path
    dims : list of int or None
        None takes those of the model.
    metric : str
    is_dry, as_json : bool
    """

    model: Path
    dims: list[int] | None = None
    metric: str = "ndcg@10"
    is_dry: bool = False
    as_json: bool = False


def evaluate(asked: Asked, options: EvaluateOptions) -> None:
    """Measure and print the curve.

    Parameters
    ----------
    asked : Asked
    options : EvaluateOptions
    """
    model = load_model(options.model)
    collection, dims = opened(asked, model, options.dims)
    if collection.qrels is None:
        raise InvalidValueError("--qrels must be given, or --split with a folder, got none")
    documents, queries = collection.arrays()
    found = {"command": "evaluate", "metric": options.metric, **collection.described()}
    if options.is_dry:
        _say_plan(collection, dims, found, as_json=options.as_json)
        return
    began = time.monotonic()
    searched = search(model, documents, queries, collection.qrels, dims, options.metric)
    found |= {
        "fingerprint": model.fingerprint_,
        "dims": dims,
        "full": searched.full,
        **searched.curves,
        "seconds": round(time.monotonic() - began, 2),
    }
    if options.as_json:
        say_json(found)
    else:
        _say_curve(searched, found)


@dataclass(frozen=True)
class Searched:
    """A metric of each judged query, by dims.

    Parameters
    ----------
    dims : list of L int
    judged : ndarray of shape (n_judged,), int
        Rows of the queries that have a positive grade.
    full_scores : ndarray of shape (n_judged,)
        By the embedding as it is.
    scores : dict of str to ndarray of shape (L, n_judged)
        By the names "frozen_prefix" and "adaptor".
    """

    dims: list[int]
    judged: np.ndarray
    full_scores: np.ndarray
    scores: dict[str, np.ndarray]

    @property
    def full(self) -> float:
        """Mean over the queries, of the embedding as it is."""
        return float(self.full_scores.mean())

    @property
    def curves(self) -> dict[str, list[float]]:
        """Means over the queries, by dims."""
        return {name: rows.mean(axis=1).tolist() for name, rows in self.scores.items()}


def opened(
    asked: Asked, model: MatryoshkaAdaptor, dims: list[int] | None
) -> tuple[Collection, list[int]]:
    """Open a collection of a model's width, and check the dims.

    Parameters
    ----------
    asked : Asked
    model : MatryoshkaAdaptor
    dims : list of int or None
        None takes those of the model.
    """
    collection = open_collection(asked)
    collection.corpus.check_width(model.n_features_in_, "those MODEL was fitted on")
    with naming("--dims", dims="--dims"):
        return collection, list(check_dims(dims or model.dims_, model.n_features_in_))


def search(
    model: MatryoshkaAdaptor,
    documents: np.ndarray,
    queries: Any,
    qrels: Any,
    dims: list[int],
    metric: str,
) -> Searched:
    """Search by the full embedding, by its prefixes and by adapted ones.

    Parameters
    ----------
    model : MatryoshkaAdaptor
    documents : ndarray of shape (n, d)
    queries : ndarray of shape (n_queries, d)
    qrels : csr_array of shape (n_queries, n)
    dims : list of int
    metric : str
    """
    methods = {"frozen_prefix": Truncation().fit(documents), "adaptor": model}
    rows: dict[str, list[np.ndarray]] = {name: [] for name in methods}
    with Bar("search", len(dims) + 1) as bar, naming("--metric", metrics="--metric"):
        whole = retrieval_scores(queries, documents, qrels, [metric], average=False)[metric]
        for done, m in enumerate(dims, start=1):
            bar.show(done)
            curve = dimension_curve(
                methods, documents, queries, qrels, [m], metrics=metric, per_query=True
            )
            for name, found in curve.per_query.items():
                rows[name].append(found[metric][0])
    full = np.asarray(whole)
    judged = np.flatnonzero(~np.isnan(full))
    scores = {name: np.stack(found)[:, judged] for name, found in rows.items()}
    return Searched(dims, judged, full[judged], scores)


def _say_curve(searched: Searched, found: dict[str, Any]) -> None:
    dims, full, curves = searched.dims, searched.full, searched.curves
    say(
        f"{found['metric']} of {found['judged_queries']:,} judged queries in "
        f"{found['documents']:,} documents, by the number of dims kept;",
        f"full is the embedding as it is, always {found['d']} dims; share is adaptor over full",
        "",
        table(
            {
                "dims": dims,
                "bytes": [4 * m for m in dims],
                "full": [full] * len(dims),
                "frozen prefix": curves["frozen_prefix"],
                "adaptor": curves["adaptor"],
                "share": [score / full if full else 0.0 for score in curves["adaptor"]],
            }
        ),
    )


def _say_plan(
    collection: Collection, dims: list[int], found: dict[str, Any], *, as_json: bool
) -> None:
    n, d = collection.corpus.shape
    seconds = evaluate_seconds(dims, found["queries"], n, d, product_speed())
    found |= {
        "dry_run": True,
        "dims": dims,
        "bytes_in": collection.n_bytes,
        "bytes_out": 0,
        "estimated_seconds": round(seconds, 4),
    }
    if as_json:
        say_json(found)
        return
    say(
        f"Would search {n:,} documents of {d} dims, {count_bytes(found['bytes_in'])}, with "
        f"{found['judged_queries']:,} judged queries at dims {', '.join(map(str, dims))}.",
        f"Estimated: {seconds:.1f} s at least. Nothing was written.",
    )
