"""The command line of each command: typer reads it, and hands back what is to be done."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from madapt._commands import options
from madapt._commands.costs import WORDS

__all__ = ["read"]

Work = Callable[[], None]

_FORMATS = (
    "Vectors come from .npy, .npz, .parquet, .pq or .jsonl files, or from a folder in BEIR's "
    "layout with vectors beside it. Ids are found under _id, id or ids (corpus_ids, query_ids in "
    "an .npz); without any, rows are called by their numbers, from 0."
)

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
    corpus: options.Corpus,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="The model, .safetensors.")
    ],
    column: options.Column = None,
    ids: options.Ids = None,
    queries: options.Queries = None,
    queries_column: options.QueriesColumn = None,
    query_ids: options.QueryIds = None,
    qrels: options.Qrels = None,
    split: options.Split = None,
    dims: options.Dims = None,
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
    dry_run: options.Dry = False,
    json: options.Json = False,
) -> Work:
    from madapt._commands.collection import Asked
    from madapt._commands.fitting import FitOptions, fit
    from madapt._commands.values import fit_parameters

    parameters = fit_parameters(random_state, dims, max_iter, setting or [])
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
    model: options.Model,
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
    side: options.Side = "document",
    column: options.Column = None,
    ids: options.Ids = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="After Ctrl-C or a kill keep what is written, and go on with it when run again; "
            "from .npy or Parquet, to .npy, or to Parquet where there are no ids.",
        ),
    ] = False,
    dry_run: options.Dry = False,
    json: options.Json = False,
) -> Work:
    from madapt._commands.transforming import TransformOptions, transform

    wanted = TransformOptions(
        model, source, output, dim, precision, side, column, ids, resume, dry_run, json
    )
    return partial(transform, wanted)


@_command(
    "evaluate",
    "madapt evaluate model.safetensors corpus.npy --queries queries.npy --qrels qrels.tsv",
    "madapt evaluate model.safetensors beir/scifact --split test --json > curve.json",
)
def _evaluate(
    model: options.Model,
    corpus: options.Corpus,
    column: options.Column = None,
    ids: options.Ids = None,
    queries: options.Queries = None,
    queries_column: options.QueriesColumn = None,
    query_ids: options.QueryIds = None,
    qrels: options.Qrels = None,
    split: options.Split = None,
    dims: options.Dims = None,
    metric: options.Metric = "ndcg@10",
    dry_run: options.Dry = False,
    json: options.Json = False,
) -> Work:
    from madapt._commands.collection import Asked
    from madapt._commands.evaluating import EvaluateOptions, evaluate
    from madapt._commands.values import whole_numbers

    asked = Asked(corpus, column, ids, queries, queries_column, query_ids, qrels, split)
    lengths = None if dims is None else whole_numbers(dims, "--dims")
    return partial(evaluate, asked, EvaluateOptions(model, lengths, metric, dry_run, json))


@_command(
    "report",
    "madapt report model.safetensors corpus.parquet -o report.html",
    "madapt report model.safetensors beir/scifact --split test -o report.html --price 0.3",
    "madapt report model.safetensors corpus.npy --queries q.npy --qrels qrels.tsv -o report.html",
)
def _report(
    model: options.Model,
    corpus: options.Corpus,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="The page, .html or .htm.")
    ],
    column: options.Column = None,
    ids: options.Ids = None,
    queries: options.Queries = None,
    queries_column: options.QueriesColumn = None,
    query_ids: options.QueryIds = None,
    qrels: options.Qrels = None,
    split: options.Split = None,
    dims: options.Dims = None,
    metric: options.Metric = "ndcg@10",
    target: options.Target = 0.98,
    price: Annotated[
        float | None,
        typer.Option("--price", metavar="AMOUNT", help="Of a GB (10^9 bytes) for a month."),
    ] = None,
    currency: Annotated[
        str, typer.Option("--currency", metavar="TEXT", help="Of the price.")
    ] = "EUR",
    dry_run: options.Dry = False,
    json: options.Json = False,
) -> Work:
    from madapt._commands.collection import Asked
    from madapt._commands.reporting import ReportOptions, report
    from madapt._commands.values import whole_numbers

    asked = Asked(corpus, column, ids, queries, queries_column, query_ids, qrels, split)
    lengths = None if dims is None else whole_numbers(dims, "--dims")
    money = None if price is None else (price, currency)
    wanted = ReportOptions(model, output, lengths, metric, target, money, dry_run, json)
    return partial(report, asked, wanted)


@_command(
    "export",
    "madapt export model.safetensors --to onnx -o adaptor.onnx",
    "madapt export model.safetensors --to sentence-transformers -o saved-model",
    "madapt export model.safetensors --to npy -o rotation.npy --dim 64",
)
def _export(
    model: options.Model,
    to: Annotated[
        str, typer.Option("--to", metavar="KIND", help="onnx, sentence-transformers, faiss or npy.")
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="PATH",
            help=".onnx, .faiss or .npy file; the folder of a saved SentenceTransformer, "
            "to which modules are added.",
        ),
    ],
    dim: Annotated[
        int | None,
        typer.Option("--dim", metavar="M", help="Coordinates of faiss and npy; default d."),
    ] = None,
    side: options.Side = "document",
    dry_run: options.Dry = False,
    json: options.Json = False,
) -> Work:
    from madapt._commands.exporting import ExportOptions, export

    return partial(export, ExportOptions(model, to, output, dim, side, dry_run, json))


@_command("recommend", "madapt recommend model.safetensors --target 0.95")
def _recommend(
    model: options.Model,
    target: options.Target = 0.98,
    json: options.Json = False,
) -> Work:
    """Say which is the smallest dim that keeps a share of full quality, by held-out rows."""
    from madapt._commands.models import recommend_dim

    return partial(recommend_dim, model, target, as_json=json)


@_command("info", "madapt info model.safetensors")
def _info(model: options.Model, json: options.Json = False) -> Work:
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
_report.__doc__ = (
    "Write a page: the curve of dims, the dim to take, bytes, cost, the queries hurt most.\n\n"
    "The page is one HTML file that loads nothing. Without judgments it shows how many of the "
    f"nearest neighbours prefixes keep.\n\n{_FORMATS}\n\n"
    "Estimated seconds: products of the searches at the speed of one that is measured on the "
    "spot, so at least that."
)
_export.__doc__ = (
    "Write the adaptor for other programs, each giving what transform gives.\n\n"
    "onnx takes any adaptor, and the dim as an input; sentence-transformers any, and is cut by "
    "truncate_dim; faiss (a LinearTransform) those without an MLP; npy rotations alone. --dry-run "
    "makes the export in a temporary folder and throws it away."
)
_evaluate.__doc__ = (
    "Print a metric of exact search by the number of dims kept: the full embedding, its prefix "
    f"as it is, and the adaptor.\n\n{_FORMATS}\n\n"
    "Estimated seconds: products of the searches at the speed of one that is measured on the "
    "spot, so at least that."
)
