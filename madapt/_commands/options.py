"""Options that several commands have, as typer reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = [
    "Column",
    "Corpus",
    "Dims",
    "Dry",
    "Ids",
    "Json",
    "Metric",
    "Model",
    "Qrels",
    "Queries",
    "QueriesColumn",
    "QueryIds",
    "Side",
    "Split",
    "Target",
]

Corpus = Annotated[Path, typer.Argument(metavar="CORPUS", help="Vectors of the documents.")]
Model = Annotated[Path, typer.Argument(metavar="MODEL", help="File that fit has saved.")]
Column = Annotated[
    str | None,
    typer.Option(
        "--column",
        metavar="NAME",
        help="Array of an .npz, column of a Parquet file, field of a JSONL file, or the .npz of a "
        "folder, that holds the vectors; the only one is found.",
    ),
]
Ids = Annotated[
    str | None, typer.Option("--ids", metavar="NAME", help="The same, of the ids of the rows.")
]
Queries = Annotated[
    Path | None, typer.Option("--queries", metavar="FILE", help="Vectors of queries.")
]
QueriesColumn = Annotated[
    str | None,
    typer.Option("--queries-column", metavar="NAME", help="As --column, of the queries."),
]
QueryIds = Annotated[
    str | None, typer.Option("--query-ids", metavar="NAME", help="As --ids, of the queries.")
]
Qrels = Annotated[
    Path | None,
    typer.Option(
        "--qrels",
        metavar="FILE",
        help="Judgments: BEIR's .tsv with a header, or TREC's four columns.",
    ),
]
Split = Annotated[
    str | None,
    typer.Option(
        "--split", metavar="NAME", help="Queries and judgments of this split of a BEIR folder."
    ),
]
Dims = Annotated[
    str | None,
    typer.Option("--dims", metavar="M,M,...", help="Prefix lengths, 8,16,32,... below d, then d."),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
Dry = Annotated[
    bool, typer.Option("--dry-run", help="Check the inputs, estimate, and write nothing.")
]
Metric = Annotated[str, typer.Option("--metric", metavar="NAME@K", help="ndcg@k or recall@k.")]
Side = Annotated[str, typer.Option("--side", metavar="SIDE", help="document or query.")]
Target = Annotated[
    float, typer.Option("--target", metavar="SHARE", help="Of the embedding's nDCG@10.")
]
