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

__all__ = ["EvaluateOptions", "evaluate"]


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
    collection = open_collection(asked)
    collection.corpus.check_width(model.n_features_in_, "those MODEL was fitted on")
    if collection.qrels is None:
        raise InvalidValueError("--qrels must be given, or --split with a folder, got none")
    with naming("--dims", dims="--dims"):
        dims = list(check_dims(options.dims or model.dims_, model.n_features_in_))
    documents, queries = collection.arrays()
    found = {"command": "evaluate", "metric": options.metric, **collection.described()}
    if options.is_dry:
        _say_plan(collection, dims, found, as_json=options.as_json)
        return
    began = time.monotonic()
    full, scores = _measured(model, documents, queries, collection.qrels, dims, options.metric)
    found |= {
        "fingerprint": model.fingerprint_,
        "dims": dims,
        "full": full,
        **scores,
        "seconds": round(time.monotonic() - began, 2),
    }
    if options.as_json:
        say_json(found)
        return
    say(
        f"{options.metric} of {found['judged_queries']:,} judged queries in {len(documents):,} "
        f"documents, by the number of dims kept;",
        f"full is the embedding as it is, always {documents.shape[1]} dims; share is adaptor "
        "over full",
        "",
        table(
            {
                "dims": dims,
                "bytes": [4 * m for m in dims],
                "full": [full] * len(dims),
                "frozen prefix": scores["frozen_prefix"],
                "adaptor": scores["adaptor"],
                "share": [score / full if full else 0.0 for score in scores["adaptor"]],
            }
        ),
    )


def _measured(
    model: MatryoshkaAdaptor,
    documents: np.ndarray,
    queries: Any,
    qrels: Any,
    dims: list[int],
    metric: str,
) -> tuple[float, dict[str, list[float]]]:
    """Return the full embedding's score, and those of prefixes by method."""
    methods = {"frozen_prefix": Truncation().fit(documents), "adaptor": model}
    scores: dict[str, list[float]] = {name: [] for name in methods}
    with Bar("search", len(dims) + 1) as bar, naming("--metric", metrics="--metric"):
        full = retrieval_scores(queries, documents, qrels, [metric])[metric]
        for done, m in enumerate(dims, start=1):
            bar.show(done)
            curve = dimension_curve(methods, documents, queries, qrels, [m], metrics=metric)
            for name, found in curve.scores.items():
                scores[name].append(float(found[metric][0]))
    return float(full), scores


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
