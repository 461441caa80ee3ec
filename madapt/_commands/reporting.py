"""The command `report`: measure, and write a page of it."""

from __future__ import annotations

import platform
import shlex
import time
import warnings
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

import madapt
from madapt._checks import check_number
from madapt._commands.collection import Asked, Collection
from madapt._commands.costs import evaluate_seconds, product_speed
from madapt._commands.evaluating import opened, search
from madapt._commands.inputs import naming
from madapt._commands.models import described, load_model, warn_of_another_model
from madapt._commands.outputs import check_output
from madapt._commands.printing import count_bytes, say, say_json
from madapt._commands.report.hurt import Hurt, Scored, hurt_queries
from madapt._commands.report.numbers import (
    MOST_ROWS,
    Curve,
    Price,
    Report,
    chosen_dim,
    held_out_curve,
    neighbor_curve,
    sizes_of,
)
from madapt._commands.report.page import page
from madapt._replacing import replace_file
from madapt.estimator import MatryoshkaAdaptor
from madapt.evaluation.retrieval import parse_metrics
from madapt.exceptions import MadaptWarning

__all__ = ["ReportOptions", "report"]


@dataclass(frozen=True)
class ReportOptions:
    """What the command line asks for beside the collection.

    Parameters
    ----------
    model, output : Path
    dims : list of int or None
        None takes those of the model.
    metric : str
    target : float
        Share of full quality that the dim to take must keep.
    price : tuple of float and str, or None
        Of a GB for a month, and its currency.
    is_dry, as_json : bool
    """

    model: Path
    output: Path
    dims: list[int] | None = None
    metric: str = "ndcg@10"
    target: float = 0.98
    price: tuple[float, str] | None = None
    is_dry: bool = False
    as_json: bool = False


def report(asked: Asked, options: ReportOptions) -> None:
    """Measure, and write the page.

    Parameters
    ----------
    asked : Asked
    options : ReportOptions
    """
    began = time.monotonic()
    files = [options.model, asked.corpus, asked.queries, asked.qrels]
    inputs = [path for path in files if path is not None and path.exists()]
    check_output(options.output, *inputs, endings=(".html", ".htm"))
    check_number(options.target, "--target", low=0, open_low=True)
    with naming("--metric", metrics="--metric"):
        parse_metrics(options.metric)
    _price(options)
    model = load_model(options.model)
    collection, dims = opened(asked, model, options.dims)
    if options.dims is None and model.held_out_ is not None:
        dims = sorted({*dims, model.recommend_dim(options.target).dim})
    if options.is_dry:
        _say_plan(collection, dims, options)
        return
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "X does not look like", MadaptWarning)  # CORPUS: once
        found = measured(asked, options, model, collection, dims)
    html = page(found).encode()
    replace_file(options.output, html)
    if options.as_json:
        seconds = round(time.monotonic() - began, 2)
        names = {"output": str(options.output), "bytes_out": len(html), "seconds": seconds}
        say_json({"command": "report", **asdict(found), **names})
        return
    if found.choice is not None:
        say(
            f"{found.choice.dim} of {found.data['d']} dims keep {found.choice.share:.1%} of full "
            f"quality, by {found.choice.basis}."
        )
    say(f"Wrote {options.output}: {count_bytes(len(html))}, one page that loads nothing.")


def measured(
    asked: Asked,
    options: ReportOptions,
    model: MatryoshkaAdaptor,
    collection: Collection,
    dims: list[int],
) -> Report:
    """Return all numbers of the page.

    Parameters
    ----------
    asked : Asked
    options : ReportOptions
    model : MatryoshkaAdaptor
    collection : Collection
    dims : list of int
    """
    documents, queries = collection.arrays()
    price = _price(options)
    warn_of_another_model(model, documents, "CORPUS")
    curve, scored = _measured(model, collection, (documents, queries), dims, options.metric)
    choice, reason = chosen_dim(model, options.target, curve)
    at = choice.dim if choice is not None and choice.dim in dims else dims[len(dims) // 2]
    return Report(
        data=_data(asked, collection, model, documents),
        model=described(options.model, model),
        curve=curve,
        held_out=held_out_curve(model),
        choice=choice,
        no_choice=reason,
        sizes=sizes_of(dims, documents.shape[1], len(documents), price),
        price=price,
        hurt=_hurt(scored.get(at), model, collection, (documents, queries)),
        made=_made(asked, options),
    )


def _measured(
    model: MatryoshkaAdaptor,
    collection: Collection,
    vectors: tuple[np.ndarray, np.ndarray | None],
    dims: list[int],
    metric: str,
) -> tuple[Curve | None, dict[int, Scored]]:
    """Return the curve, by judgments or else by neighbours, and by dim the judged queries."""
    documents, queries = vectors
    if collection.qrels is None:
        return neighbor_curve(model, documents, dims), {}
    found = search(model, documents, queries, collection.qrels, dims, metric)
    methods = {name.replace("_", " "): scores for name, scores in found.curves.items()}
    curve = Curve(metric, dims, [found.full] * len(dims), methods, len(found.judged))
    scored = {
        m: Scored(m, metric, found.judged, found.full_scores, found.scores["adaptor"][place])
        for place, m in enumerate(dims)
    }
    return curve, scored


def _price(options: ReportOptions) -> Price | None:
    with naming("--price", price="--price", currency="--currency"):
        return None if options.price is None else Price(*options.price)


def _hurt(
    scored: Scored | None,
    model: MatryoshkaAdaptor,
    collection: Collection,
    vectors: tuple[np.ndarray, np.ndarray | None],
) -> Hurt | None:
    documents, queries = vectors
    if scored is None or queries is None or collection.queries is None:
        return None
    names = collection.corpus.names, collection.queries.names
    return hurt_queries(scored, model, (documents, queries), names, collection.qrels)


def _data(
    asked: Asked, collection: Collection, model: MatryoshkaAdaptor, documents: np.ndarray
) -> dict[str, Any]:
    check = model.check_vectors(documents) if len(documents) >= 20 else None
    sources = {"corpus": asked.corpus, "query_file": asked.queries, "qrels_file": asked.qrels}
    return {
        **{name: None if path is None else str(path) for name, path in sources.items()},
        "split": asked.split,
        **collection.described(),
        "bytes": collection.corpus.n_bytes,
        "looks_like_the_model_s": None if check is None else bool(check),
        "check": "" if check is None else str(check),
    }


def _made(asked: Asked, options: ReportOptions) -> dict[str, str]:
    given: list[Any] = ["madapt", "report", options.model, asked.corpus]
    wanted = {
        "--column": asked.column,
        "--ids": asked.ids,
        "--queries": asked.queries,
        "--queries-column": asked.queries_column,
        "--query-ids": asked.query_ids,
        "--qrels": asked.qrels,
        "--split": asked.split,
        "--dims": options.dims and ",".join(map(str, options.dims)),
        "--metric": None if options.metric == "ndcg@10" else options.metric,
        "--target": None if options.target == 0.98 else f"{options.target:g}",
        "--price": options.price and f"{options.price[0]:g}",
        "--currency": options.price and options.price[1],
        "--output": options.output,
    }
    for option, value in wanted.items():
        given += [] if value is None else [option, value]
    return {
        "day": datetime.now(UTC).date().isoformat(),
        "madapt": madapt.__version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "command": shlex.join(map(str, given)),
    }


def _say_plan(collection: Collection, dims: list[int], options: ReportOptions) -> None:
    """Check all inputs, and say what would be done."""
    collection.arrays()
    counts = collection.described()
    n, d = collection.corpus.shape
    n_rows = counts["queries"] if collection.qrels is not None else min(n, MOST_ROWS)
    n_searched = n if collection.qrels is not None else n_rows
    seconds = evaluate_seconds(dims, n_rows, n_searched, d, product_speed())
    found = {"command": "report", "output": str(options.output), "dry_run": True, **counts}
    found |= {"dims": dims, "bytes_in": collection.n_bytes, "estimated_seconds": round(seconds, 4)}
    if options.as_json:
        say_json(found)
        return
    what = f"{counts['judged_queries']:,} judged queries"
    if collection.qrels is None:
        what = f"the neighbours of {n_rows:,} documents"
    say(
        f"Would measure {what} in {n:,} documents of {d} dims at dims "
        f"{', '.join(map(str, dims))}, and write {options.output}.",
        f"Estimated: {seconds:.1f} s at least. Nothing was written.",
    )
