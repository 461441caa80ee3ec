"""Cranfield, the collection that comes with the package."""

from __future__ import annotations

import hashlib
from importlib.resources import files

import numpy as np
from scipy import sparse
from sklearn.utils import Bunch

from madapt._checks import check_one_of

__all__ = ["load_cranfield"]

N_TRAIN = 125


def load_cranfield(split: str | None = None) -> Bunch:
    """Load Cranfield: 1,400 documents, 225 queries, 1,612 judgments, 384-dim vectors.

    The data lie inside the package, so this works without a network.

    Parameters
    ----------
    split : {"train", "test"} or None, default=None
        The queries to return: those of one split, or all of them. The documents are always
        all there.

    Returns
    -------
    Bunch
        A dictionary whose entries are attributes, too:

        corpus : ndarray of shape (1400, 384), float32
            Document vectors of all-MiniLM-L6-v2, unit length up to float16 rounding.
        queries : ndarray of shape (n_queries, 384), float32
            Query vectors of the same model.
        qrels : csr_array of shape (n_queries, 1400), float32
            Grades 1 to 4; what is not stored was not judged relevant.
        corpus_ids : ndarray of shape (1400,), str
            Ids of the documents, "1" to "1400".
        query_ids : ndarray of shape (n_queries,), str
            Ids of the queries.
        titles : ndarray of shape (1400,), object
            Titles of the documents; two are empty, as in the original.
        texts : None
            The abstracts are not in the package.
        query_texts : ndarray of shape (n_queries,), object
            The queries in words.
        train, test : ndarray of int
            Rows of ``queries`` in the splits of 125 and 100; only with ``split=None``.
        DESCR : str
            Source, licence and counts.

    Raises
    ------
    InvalidValueError
        If split is anything else.

    Notes
    -----
    The split is fixed: queries are sorted by the SHA-256 of their id, written as hexadecimal
    digits, and the first 125 are for training.

    Examples
    --------
    >>> from madapt.datasets import load_cranfield
    >>> data = load_cranfield()
    >>> data.corpus.shape, data.queries[data.train].shape, data.qrels[data.test].shape
    ((1400, 384), (125, 384), (100, 1400))
    """
    check_one_of(split, "split", [None, "train", "test"])
    folder = files("madapt.datasets") / "data"
    with (folder / "cranfield.npz").open("rb") as file, np.load(file, allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    train, test = _split(arrays["query_ids"])
    rows = {None: np.arange(len(train) + len(test)), "train": train, "test": test}[split]
    shape = (len(arrays["queries"]), len(arrays["corpus"]))
    parts = arrays["grades"], arrays["indices"], arrays["indptr"]
    data = Bunch(
        corpus=arrays["corpus"].astype(np.float32),
        queries=arrays["queries"][rows].astype(np.float32),
        qrels=sparse.csr_array(parts, shape=shape, dtype=np.float32)[rows],
        corpus_ids=arrays["corpus_ids"],
        query_ids=arrays["query_ids"][rows],
        titles=arrays["titles"].astype(object),
        texts=None,
        query_texts=arrays["query_texts"][rows].astype(object),
        DESCR=(folder / "cranfield.rst").read_text(encoding="utf-8"),
    )
    if split is None:
        data.update(train=train, test=test)
    return data


def _split(query_ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows for training and for testing, each rising."""
    digests = [hashlib.sha256(query_id.encode()).hexdigest() for query_id in query_ids.tolist()]
    order = np.argsort(digests)
    return np.sort(order[:N_TRAIN]), np.sort(order[N_TRAIN:])
