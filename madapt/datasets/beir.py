"""Collections in the folder layout of BEIR, with vectors beside the texts."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.utils import Bunch

from madapt._qrels import as_qrels
from madapt.datasets._records import read_jsonl, read_qrels
from madapt.datasets._vectors import choose_vectors, read_vectors
from madapt.exceptions import InvalidTypeError, InvalidValueError

__all__ = ["load_beir"]

_Records = dict[str, dict[str, Any]]


def load_beir(
    folder: str | PathLike[str],
    split: str = "test",
    *,
    vectors: str | PathLike[str] | tuple[str | PathLike[str], str | PathLike[str]] | None = None,
) -> Bunch:
    """Load a collection in BEIR's layout together with its vectors.

    The folder holds ``qrels/<split>.tsv`` (tab-separated, header ``query-id corpus-id score``),
    the texts ``corpus.jsonl`` (``_id``, ``title``, ``text``) and ``queries.jsonl`` (``_id``,
    ``text``), and vectors: either one ``.npz`` with the arrays corpus, corpus_ids, queries and
    query_ids, or two ``.npy`` files with rows in the order of the two ``.jsonl``. Beside an
    ``.npz`` the texts may be absent. Nothing is ever unpickled.

    Parameters
    ----------
    folder : str or PathLike
        The collection.
    split : str, default="test"
        The judgments to read. Only the queries that they name are returned; the documents are
        always all there.
    vectors : str, PathLike, pair of them, or None, default=None
        Name of an ``.npz`` in the folder, with or without ``.npz``, or of two ``.npy`` files,
        those of the corpus and of the queries. None takes the only ``.npz`` there is, or
        ``corpus.npy`` and ``queries.npy``.

    Returns
    -------
    Bunch
        A dictionary whose entries are attributes, too:

        corpus : ndarray of shape (n_docs, d), float32 or float64
            Document vectors; float16 becomes float32.
        queries : ndarray of shape (n_queries, d), float32 or float64
            Vectors of the queries of this split, in the order of their file.
        qrels : csr_array of shape (n_queries, n_docs), float32
            Grades. A stored zero was judged not relevant, what is not stored was not judged.
        corpus_ids : ndarray of shape (n_docs,), str
            Ids of the documents.
        query_ids : ndarray of shape (n_queries,), str
            Ids of the queries.
        titles, texts : ndarray of shape (n_docs,), object, or None
            Texts of the documents; None without ``corpus.jsonl``.
        query_texts : ndarray of shape (n_queries,), object, or None
            Texts of the queries; None without ``queries.jsonl``.
        DESCR : str
            The collection, split, vectors and counts in one line.

    Raises
    ------
    InvalidValueError
        If a file is missing or malformed, vectors and ids do not match, an id comes twice, a
        judgment names an unknown query or document, two judgments of a pair disagree, or
        vectors is None and there are several to choose from.
    InvalidTypeError
        If folder, split or vectors is of another type.

    References
    ----------
    .. [1] Thakur, N., Reimers, N., Rueckle, A., Srivastava, A., and Gurevych, I. "BEIR: A
       Heterogeneous Benchmark for Zero-shot Evaluation of Information Retrieval Models",
       NeurIPS Datasets and Benchmarks, 2021.
    """
    folder = _as_folder(folder)
    judgments_path = _qrels_path(folder, split)
    chosen = choose_vectors(folder, vectors)
    documents = read_jsonl(folder / "corpus.jsonl")
    questions = read_jsonl(folder / "queries.jsonl")
    read = read_vectors(chosen, documents, questions)
    judged = read_qrels(judgments_path)

    rows = [i for i, query_id in enumerate(read.query_ids.tolist()) if query_id in judged]
    query_ids = read.query_ids[rows]
    qrels = as_qrels(
        judged,
        len(rows),
        len(read.corpus),
        query_ids=query_ids,
        corpus_ids=read.corpus_ids,
        name=f"qrels/{judgments_path.name}",
    )
    label = " and ".join(p.name for p in chosen) if isinstance(chosen, tuple) else chosen.name
    return Bunch(
        corpus=read.corpus,
        queries=read.queries[rows],
        qrels=qrels,
        corpus_ids=read.corpus_ids,
        query_ids=query_ids,
        titles=_texts(documents, read.corpus_ids, "title", "corpus.jsonl"),
        texts=_texts(documents, read.corpus_ids, "text", "corpus.jsonl"),
        query_texts=_texts(questions, query_ids, "text", "queries.jsonl"),
        DESCR=f"{folder.resolve().name}, split {split}, vectors {label}: {len(read.corpus)} "
        f"documents, {len(rows)} queries, {qrels.nnz} judgments, {read.corpus.shape[1]} dims",
    )


def _as_folder(folder: Any) -> Path:
    if not isinstance(folder, str | PathLike):
        raise InvalidTypeError(f"folder must be a path, got {folder!r}")
    path = Path(folder)
    if not path.is_dir():
        raise InvalidValueError(f"folder must be a directory that exists, got {path}")
    return path


def _qrels_path(folder: Path, split: str) -> Path:
    if not isinstance(split, str):
        raise InvalidTypeError(f"split must be a str, got {split!r}")
    # Looked up among the files there are, so that a split is never a path of its own.
    found = {path.stem: path for path in sorted((folder / "qrels").glob("*.tsv"))}
    if split not in found:
        listed = ", ".join(map(repr, found)) or "none"
        raise InvalidValueError(
            f"split must name a file of {folder / 'qrels'}, where there is {listed}, got {split!r}"
        )
    return found[split]


def _texts(
    records: _Records | None, ids: np.ndarray, field: str, file_name: str
) -> np.ndarray | None:
    """Return one text a row; a record without the field gives an empty one."""
    if records is None:
        return None
    texts = np.empty(len(ids), dtype=object)  # object: one long text must not widen them all
    for row, one in enumerate(ids.tolist()):
        if one not in records:
            raise InvalidValueError(
                f"{file_name} must hold every id of the vectors, got no {one!r}"
            )
        texts[row] = records[one].get(field) or ""
    return texts
