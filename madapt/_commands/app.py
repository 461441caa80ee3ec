"""The command line of each command: typer reads it, and hands back what is to be done."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from madapt._commands.costs import WORDS

__all__ = ["read"]

Work = Callable[[], None]

_FORMATS = (
    "Vectors come from .npy, .npz, .parquet, .pq or .jsonl files, or from a folder in BEIR's "
    "layout with vectors beside it. Ids are found under _id, id or ids (corpus_ids, query_ids in "
    "an .npz); without any, rows are called by their numbers, from 0."
)
_Corpus = Annotated[Path, typer.Argument(metavar="CORPUS", help="Vectors of the documents.")]
_Model = Annotated[Path, typer.Argument(metavar="MODEL", help="File that fit has saved.")]
_Column = Annotated[
    str | None,
    typer.Option(
        "--column",
        metavar="NAME",
        help="Array of an .npz, column of a Parquet file, field of a JSONL file, or the .npz of a "
        "folder, that holds the vectors; the only one is found.",
    ),
]
_Ids = Annotated[
    str | None, typer.Option("--ids", metavar="NAME", help="The same, of the ids of the rows.")
]
_Queries = Annotated[
    Path | None, typer.Option("--queries", metavar="FILE", help="Vectors of queries.")
]
_QueriesColumn = Annotated[
    str | None,
    typer.Option("--queries-column", metavar="NAME", help="As --column, of the queries."),
]
_QueryIds = Annotated[
    str | None, typer.Option("--query-ids", metavar="NAME", help="As --ids, of the queries.")
]
_Qrels = Annotated[
    Path | None,
    typer.Option(
        "--qrels",
        metavar="FILE",
        help="Judgments: BEIR's .tsv with a header, or TREC's four columns.",
    ),
]
_Split = Annotated[
    str | None,
    typer.Option(
        "--split", metavar="NAME", help="Queries and judgments of this split of a BEIR folder."
    ),
]
_Dims = Annotated[
    str | None,
    typer.Option("--dims", metavar="M,M,...", help="Prefix lengths, 8,16,32,... below d, then d."),
]
_Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
_Dry = Annotated[
    bool, typer.Option("--dry-run", help="Check the inputs, estimate, and write nothing.")
]

_app = typer.Typer(add_completion=False, rich_markup_mode=None)


def read(arguments: list[str]) -> Work | int:
    """Read a command line.

    Parameters
    ----------
    arguments : list of str
        The first names a command.

    Returns
    -------
    callable or int
        What is to be done; or an exit code, where help was all that was wanted.
    """
    command = typer.main.get_command(_app)
    found: Work | int = command.main(args=arguments, prog_name="madapt", standalone_mode=False)
    return found


def _command(name: str, *examples: str) -> Callable[[Callable[..., Work]], Callable[..., Work]]:
    """Register a command whose help ends with examples."""
    lines = "\n".join(f"  {example}" for example in examples)
    return _app.command(name, epilog=f"\b\nexamples:\n{lines}")


@_command(
    "fit",
    "madapt fit corpus.parquet -o model.safetensors",
    "madapt fit corpus.npy --queries queries.npy --qrels qrels.tsv -o model.safetensors",
    "madapt fit beir/scifact --split train -o model.safetensors --dry-run --json",
)
def _fit(
    corpus: _Corpus,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="The model, .safetensors.")
    ],
    column: _Column = None,
    ids: _Ids = None,
    queries: _Queries = None,
    queries_column: _QueriesColumn = None,
    query_ids: _QueryIds = None,
    qrels: _Qrels = None,
    split: _Split = None,
    dims: _Dims = None,
    max_iter: Annotated[
        str | None,
        typer.Option("--max-iter", metavar="N[,N]", help="Steps without and with labels."),
    ] = None,
    random_state: Annotated[
        int | None, typer.Option("--random-state", metavar="N", help="Seed; the same, the same.")
    ] = 0,
    setting: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="NAME=VALUE", help="Any other parameter of MatryoshkaAdaptor."
        ),
    ] = None,
    save_interrupted: Annotated[
        bool,
        typer.Option(
            "--save-interrupted", help="After Ctrl-C save the best state so far; else nothing."
        ),
    ] = False,
    dry_run: _Dry = False,
    json: _Json = False,
) -> Work:
    from madapt._commands.collection import Asked
    from madapt._commands.fitting import FitOptions, fit
    from madapt._commands.values import parsed_settings, whole_numbers

    parameters: dict[str, Any] = {"random_state": random_state}
    if dims is not None:
        parameters["dims"] = tuple(whole_numbers(dims, "--dims"))
    if max_iter is not None:
        steps = tuple(whole_numbers(max_iter, "--max-iter", 2))
        parameters["max_iter"] = steps[0] if len(steps) == 1 else steps
    parameters |= parsed_settings(setting or [])
    asked = Asked(corpus, column, ids, queries, queries_column, query_ids, qrels, split)
    return partial(fit, asked, FitOptions(output, parameters, save_interrupted, dry_run, json))


@_command(
    "transform",
    "madapt transform model.safetensors corpus.parquet -o small.parquet --dim 64",
    "madapt transform model.safetensors queries.npy -o small.npy --dim 64 --side query",
    "madapt transform model.safetensors corpus.npy -o codes.npy --dim 128 --precision int8",
    "madapt transform model.safetensors large.parquet -o small.npy --dim 64 --resume",
)
def _transform(
    model: _Model,
    source: Annotated[Path, typer.Argument(metavar="INPUT", help="Vectors to adapt.")],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="FILE", help=".npy, .npz, .parquet, .pq or .jsonl."),
    ],
    dim: Annotated[
        int | None, typer.Option("--dim", metavar="M", help="Coordinates to keep; default d.")
    ] = None,
    precision: Annotated[
        str | None,
        typer.Option("--precision", help="float32, float16, int8, int4, int2 or binary."),
    ] = None,
    side: Annotated[str, typer.Option("--side", help="document or query.")] = "document",
    column: _Column = None,
    ids: _Ids = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="After Ctrl-C or a kill keep what is written, and go on with it when run again; "
            "from .npy or Parquet, to .npy, or to Parquet where there are no ids.",
        ),
    ] = False,
    dry_run: _Dry = False,
    json: _Json = False,
) -> Work:
    from madapt._commands.transforming import TransformOptions, transform

    options = TransformOptions(
        model, source, output, dim, precision, side, column, ids, resume, dry_run, json
    )
    return partial(transform, options)


@_command(
    "evaluate",
    "madapt evaluate model.safetensors corpus.npy --queries queries.npy --qrels qrels.tsv",
    "madapt evaluate model.safetensors beir/scifact --split test --json > curve.json",
)
def _evaluate(
    model: _Model,
    corpus: _Corpus,
    column: _Column = None,
    ids: _Ids = None,
    queries: _Queries = None,
    queries_column: _QueriesColumn = None,
    query_ids: _QueryIds = None,
    qrels: _Qrels = None,
    split: _Split = None,
    dims: _Dims = None,
    metric: Annotated[
        str, typer.Option("--metric", metavar="NAME@K", help="ndcg@k or recall@k.")
    ] = "ndcg@10",
    dry_run: _Dry = False,
    json: _Json = False,
) -> Work:
    from madapt._commands.collection import Asked
    from madapt._commands.evaluating import EvaluateOptions, evaluate
    from madapt._commands.values import whole_numbers

    asked = Asked(corpus, column, ids, queries, queries_column, query_ids, qrels, split)
    lengths = None if dims is None else whole_numbers(dims, "--dims")
    return partial(evaluate, asked, EvaluateOptions(model, lengths, metric, dry_run, json))


@_command("recommend", "madapt recommend model.safetensors --target 0.95")
def _recommend(
    model: _Model,
    target: Annotated[
        float, typer.Option("--target", metavar="SHARE", help="Of the embedding's nDCG@10.")
    ] = 0.98,
    json: _Json = False,
) -> Work:
    """Say which is the smallest dim that keeps a share of full quality, by held-out rows."""
    from madapt._commands.models import recommend_dim

    return partial(recommend_dim, model, target, as_json=json)


@_command("info", "madapt info model.safetensors")
def _info(model: _Model, json: _Json = False) -> Work:
    """Say what a model's file holds: dims, fingerprint, what was kept, parameters, version."""
    from madapt._commands.models import describe

    return partial(describe, model, as_json=json)


# Docstrings that are made of parts cannot be literals.
_fit.__doc__ = (
    "Learn an adaptor, save it, and print the held-out scores and what was kept.\n\n"
    f"{_FORMATS}\n\n{WORDS}"
)
_transform.__doc__ = (
    "Adapt vectors and write the first coordinates, block by block.\n\n"
    f"{_FORMATS} .npz and .jsonl are read whole, and .npy has no place for ids.\n\n"
    "Estimated seconds: those of one block, read, adapted and encoded here, times the number "
    "of blocks; --dry-run reads all rows to check them."
)
_evaluate.__doc__ = (
    "Print a metric of exact search by the number of dims kept: the full embedding, its prefix "
    f"as it is, and the adaptor.\n\n{_FORMATS}\n\n"
    "Estimated seconds: products of the searches at the speed of one that is measured on the "
    "spot, so at least that."
)
