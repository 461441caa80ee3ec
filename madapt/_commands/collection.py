"""What is searched: documents, and where they were given, queries and judgments."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from madapt._commands.inputs import Source, existing_file, naming, open_source
from madapt._qrels import as_qrels
from madapt.datasets import load_beir
from madapt.datasets._records import read_qrels
from madapt.exceptions import InvalidValueError

__all__ = ["Asked", "Collection", "open_collection", "read_judgments"]


@dataclass(frozen=True)
class Asked:
    """What the command line says of a collection.

    Parameters
    ----------
    corpus : Path
    column, ids : str or None
        Where the corpus has its vectors and ids.
    queries : Path or None
    queries_column, query_ids : str or None
        The same of the queries.
    qrels : Path or None
        Judgments.
    split : str or None
        Split of a BEIR folder, which brings its queries and judgments.
    """

    corpus: Path
    column: str | None = None
    ids: str | None = None
    queries: Path | None = None
    queries_column: str | None = None
    query_ids: str | None = None
    qrels: Path | None = None
    split: str | None = None


@dataclass(frozen=True)
class Collection:
    """Documents, queries or None, and the judgments of those or None."""

    corpus: Source
    queries: Source | None
    qrels: csr_array | None

    @property
    def n_judged(self) -> int:
        """Number of queries with a positive grade."""
        if self.qrels is None:
            return 0
        return int(((self.qrels > 0).sum(axis=1) > 0).sum())

    @property
    def n_bytes(self) -> int:
        """Size of the inputs."""
        return self.corpus.n_bytes + (self.queries.n_bytes if self.queries else 0)

    def arrays(self) -> tuple[np.ndarray, np.ndarray | None]:
        """Return documents and queries in memory, checked."""
        documents = self.corpus.array()
        if self.queries is None:
            return documents, None
        return documents, self.queries.array(documents.shape[1])

    def described(self) -> dict[str, Any]:
        """Return the counts, for people and machines."""
        n, d = self.corpus.shape
        return {
            "documents": n,
            "d": d,
            "queries": 0 if self.queries is None else self.queries.shape[0],
            "judged_queries": self.n_judged,
            "judgments": 0 if self.qrels is None else int(self.qrels.nnz),
            "ids": self.corpus.ids_name or "row numbers",
            "query_ids": (self.queries and self.queries.ids_name) or "row numbers",
        }


def open_collection(asked: Asked) -> Collection:
    """Open the inputs and bring judgments and rows together.

    Parameters
    ----------
    asked : Asked

    Raises
    ------
    ValueError, ImportError, OSError
        Naming the argument of the command line that cannot be used.
    """
    if asked.split is not None:
        return _of_folder(asked)
    if asked.qrels is not None and asked.queries is None:
        raise InvalidValueError("--qrels must come with --queries, got none")
    corpus = open_source("CORPUS", asked.corpus, "corpus", column=asked.column, ids=asked.ids)
    if asked.queries is None:
        return Collection(corpus, None, None)
    queries = open_source(
        "--queries",
        asked.queries,
        "queries",
        column=asked.queries_column,
        ids=asked.query_ids,
        column_option="--queries-column",
        ids_option="--query-ids",
    )
    queries.check_width(corpus.shape[1], "CORPUS has")
    return Collection(corpus, queries, _judgments(asked.qrels, corpus, queries))


def _of_folder(asked: Asked) -> Collection:
    if asked.queries is not None or asked.qrels is not None:
        raise InvalidValueError(
            "--split must come without --queries and --qrels, which the folder has; got both"
        )
    if not asked.corpus.is_dir():
        raise InvalidValueError(
            f"--split must come with a folder in BEIR's layout as CORPUS, got {asked.corpus}"
        )
    words = {"folder": "CORPUS", "split": "--split", "vectors": "--column"}
    with naming("CORPUS", **words):
        data = load_beir(asked.corpus, str(asked.split), vectors=asked.column)
    return Collection(
        Source("CORPUS", asked.corpus, data.corpus, data.corpus_ids, "corpus_ids"),
        Source("the queries of CORPUS", asked.corpus, data.queries, data.query_ids, "query_ids"),
        data.qrels,
    )


def _judgments(path: Path | None, corpus: Source, queries: Source) -> csr_array | None:
    if path is None:
        return None
    judged = read_judgments(existing_file("--qrels", path))
    words = {"query_ids": "the ids of --queries", "corpus_ids": "the ids of CORPUS"}
    with naming("--qrels", **words):
        return as_qrels(
            judged,
            queries.shape[0],
            corpus.shape[0],
            query_ids=queries.names,
            corpus_ids=corpus.names,
            name="--qrels",
        )


def read_judgments(path: Path) -> dict[str, dict[str, float]]:
    """Read BEIR's tab-separated judgments or TREC's four columns.

    Parameters
    ----------
    path : Path
        With the header ``query-id corpus-id score``; or without one, and a line is
        ``query iteration document grade``, separated by spaces or tabs.

    Returns
    -------
    dict of dicts
        ``{query: {document: grade}}``.
    """
    with naming("--qrels"):
        with path.open(encoding="utf-8") as file:
            first = file.readline()
        if first.startswith("query-id"):
            return read_qrels(path)
        if len(first.split()) != 4:
            raise InvalidValueError(
                "--qrels must begin with BEIR's header, query-id corpus-id score, or hold TREC's "
                f"four columns, query iteration document grade, got {first.strip()!r} in {path}"
            )
        return _read_trec(path)


def _read_trec(path: Path) -> dict[str, dict[str, float]]:
    judged: dict[str, dict[str, float]] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            query, _, document, score = line.split()
            grade = max(float(score), 0.0)  # TREC's -1 and -2 are junk: not relevant
        except ValueError:
            raise InvalidValueError(
                "--qrels must hold a query, an iteration, a document and a number a line, "
                f"got {line!r} in line {number} of {path}"
            ) from None
        grades = judged.setdefault(query, {})
        if grades.setdefault(document, grade) != grade:
            raise InvalidValueError(
                f"--qrels must judge a pair once, got {grades[document]:g} and {grade:g} for query "
                f"{query!r}, document {document!r} in line {number} of {path}"
            )
    return judged
