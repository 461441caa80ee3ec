"""What `fit` was given, in one shape: documents, queries and their judgments."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import csr_array, issparse

from madapt._checks import check_embeddings
from madapt._corpus import check_uncut, unwrap
from madapt._inputs import as_rows, named_errors, native_numbers
from madapt._qrels import as_qrels
from madapt._row_source import is_row_sliceable, rows_at
from madapt.exceptions import InvalidTypeError, InvalidValueError, JudgmentsWarning

__all__ = [
    "FitData",
    "check_queries",
    "checked_or_sliced",
    "gather",
    "holds_judgments",
    "refuse_two_dimensional",
]

Ids = Sequence[Hashable] | None
_ROWS = (list, tuple, Mapping)
#: Documents of which a permutation is drawn; of more, it would take more memory than the sample.
_PERMUTED = 4_000_000


@dataclass(frozen=True)
class FitData:
    """Checked arguments of `fit`.

    Parameters
    ----------
    documents : ndarray or row-sliceable of shape (n, d)
        What is only sliceable is read by `sample`.
    queries : ndarray of shape (n_queries, d) or None
        All queries, judged or not.
    qrels : csr_array of shape (n_queries, n) or None
    name : str
        What the documents are called in errors.
    """

    documents: Any
    queries: np.ndarray | None = None
    qrels: csr_array | None = None
    name: str = "X"

    @property
    def n_documents(self) -> int:
        """Number of documents."""
        return int(self.documents.shape[0])

    @property
    def judged(self) -> np.ndarray:
        """Indices of the queries with a positive."""
        return np.arange(0) if self.qrels is None else judged_rows(self.qrels)

    @property
    def label_counts(self) -> tuple[int, float]:
        """Number of queries with a positive, and their median number of positives."""
        judged = self.judged
        if self.qrels is None or not len(judged):
            return 0, 0.0
        positives = [
            np.sum(self.qrels.data[slice(*self.qrels.indptr[i : i + 2])] > 0) for i in judged
        ]
        return len(judged), float(np.median(positives))

    @property
    def n_queries(self) -> int:
        """Number of queries, judged or not."""
        return 0 if self.queries is None else len(self.queries)

    def sample(self, max_rows: int, generator: np.random.Generator) -> FitData:
        """Return the same with at most max_rows documents, judged ones first."""
        n = self.n_documents
        if n <= max_rows:
            return self
        judged = np.arange(0) if self.qrels is None else np.unique(self.qrels.indices)
        kept = _drawn(n, judged, max_rows, generator)
        qrels = None if self.qrels is None else csr_array(self.qrels[:, kept])
        is_memory = isinstance(self.documents, np.ndarray) and not is_row_sliceable(self.documents)
        rows = self.documents[kept] if is_memory else rows_at(self.documents, kept, self.name)
        return FitData(rows, self.queries, qrels)

    def sample_queries(self, max_rows: int, generator: np.random.Generator) -> FitData:
        """Return the same with all judged queries, and others up to max_rows in all."""
        n = self.n_queries
        if self.queries is None or n <= max_rows:
            return self
        wanted = np.zeros(n)
        if self.qrels is not None:
            wanted[np.diff(self.qrels.indptr) > 0] = 1
        size = max(max_rows, int(wanted.sum()))
        kept = np.sort(np.lexsort((generator.permutation(n), -wanted))[:size])
        qrels = None if self.qrels is None else csr_array(self.qrels[kept])
        return FitData(self.documents, self.queries[kept], qrels)


def checked_or_sliced(X: Any, name: str, max_rows: int, check: Callable[[Any], np.ndarray]) -> Any:
    """Return rows that a check has made an array of, or rows to draw a sample from.

    Parameters
    ----------
    X : object
        What a user handed in.
    name : str
        The argument's name, for errors.
    max_rows : int
        What is read by slices, and has more rows than that, is left as it is.
    check : callable
        X to ndarray.

    Returns
    -------
    ndarray or row-sliceable of shape (n, d)
        Finite where it is an array that was checked.
    """
    rows = as_rows(X, name)
    is_left = is_row_sliceable(rows) and rows.shape[0] > max_rows
    return rows if is_left else check(X)


def gather(
    X: Any,
    y: Any,
    *,
    queries: Any,
    qrels: Any,
    corpus: Any,
    query_ids: Ids,
    corpus_ids: Ids,
    max_rows: int | None = None,
) -> FitData:
    """Check what `fit` was given and bring its two forms to one.

    Parameters
    ----------
    X : ndarray or row-sliceable of shape (n, d)
        Documents; or queries, where `corpus` is given, an ndarray then.
    y : object
        Judgments of the queries in X where `corpus` is given; a 1-D y is ignored else.
    queries, qrels, corpus, query_ids, corpus_ids : object
        As `MatryoshkaAdaptor.fit` takes them.
    max_rows : int or None, default=None
        A corpus that is read by slices, and has more rows than that, is left as it is.

    Raises
    ------
    ValueError, TypeError
        Naming the argument, what was wanted and what came.
    """
    if corpus is None:
        refuse_two_dimensional(y)
        documents = X
    else:
        if queries is not None or qrels is not None:
            raise InvalidValueError(
                "corpus must not come with queries or qrels: fit(queries, y, corpus=corpus) takes "
                "the queries as X and their judgments as y; got both forms at once"
            )
        corpus, whole = unwrap(corpus)
        documents = _documents_of(corpus, X.shape[1], max_rows)
        check_uncut(documents, y, len(X), whole=whole)
        queries, qrels = X, y
    label = "qrels" if corpus is None else "y"
    queries, qrels = check_queries(
        documents.shape,
        queries=queries,
        qrels=qrels,
        query_ids=query_ids,
        corpus_ids=corpus_ids,
        name=label,
    )
    name = "X" if corpus is None else "corpus"
    if queries is None:
        return FitData(documents, name=name)
    if max_rows is None or documents.shape[0] <= max_rows:
        documents = np.ascontiguousarray(documents)
    return FitData(documents, queries, qrels, name)


def check_queries(
    shape: tuple[int, int],
    *,
    queries: Any,
    qrels: Any,
    query_ids: Ids,
    corpus_ids: Ids,
    name: str = "qrels",
) -> tuple[np.ndarray | None, csr_array | None]:
    """Return queries and judgments, checked against documents of such a shape.

    Parameters
    ----------
    shape : tuple of int
        Number of documents, and of their columns.
    queries, qrels, query_ids, corpus_ids : object
        As `MatryoshkaAdaptor.fit` takes them.
    name : str, default="qrels"
        What the judgments are called in errors.
    """
    if queries is None:
        _refuse_without_queries(qrels, query_ids, corpus_ids)
        return None, None
    n, d = shape
    queries = native_numbers(queries, "queries")
    with named_errors(queries, "queries"):
        queries = np.ascontiguousarray(check_embeddings(queries, "queries", n_features=d))
    if qrels is None:
        return queries, None
    qrels = as_qrels(qrels, len(queries), n, query_ids=query_ids, corpus_ids=corpus_ids, name=name)
    _warn_unjudged(qrels, judged_rows(qrels))
    return queries, qrels


def judged_rows(qrels: csr_array) -> np.ndarray:
    """Return the indices of the queries with a positive."""
    positive = qrels.copy()
    positive.data = (positive.data > 0).astype(positive.dtype)
    return np.flatnonzero(positive.sum(axis=1) > 0)


def holds_judgments(y: Any) -> bool:
    """Tell whether y has rows of its own, and so is more than something that can be ignored."""
    if y is None:
        return False
    if isinstance(y, list | tuple) or (isinstance(y, np.ndarray) and y.dtype == object):
        return len(y) > 0 and isinstance(y[0], _ROWS)
    return isinstance(y, Mapping) or issparse(y) or getattr(y, "ndim", 1) > 1


def _documents_of(corpus: Any, d: int, max_rows: int | None) -> Any:
    """Return the corpus checked, or as it is where a sample of it will be read."""

    def check(corpus: Any) -> np.ndarray:
        numbers = native_numbers(corpus, "corpus")
        with named_errors(numbers, "corpus"):
            return check_embeddings(numbers, "corpus", n_features=d)

    if max_rows is None:
        return check(corpus)
    documents = checked_or_sliced(corpus, "corpus", max_rows, check)
    if documents.shape[1] != d:
        raise InvalidValueError(f"corpus must have {d} columns, got shape {tuple(documents.shape)}")
    return documents


def _drawn(n: int, judged: np.ndarray, max_rows: int, generator: np.random.Generator) -> np.ndarray:
    """Return max_rows of n documents, in rising order: judged ones first, others at random."""
    if n <= _PERMUTED:
        unjudged = np.ones(n, np.int8)
        unjudged[judged] = 0
        return np.sort(np.lexsort((generator.permutation(n), unjudged))[:max_rows])
    n_others = max_rows - len(judged)
    if n_others <= 0:
        return np.sort(generator.choice(judged, max_rows, replace=False))
    others = generator.choice(n - len(judged), n_others, replace=False, shuffle=False)
    # The i-th document that is not judged has as many judged ones before it as are found here.
    others += np.searchsorted(judged - np.arange(len(judged)), others, side="right")
    return np.sort(np.concatenate([judged, others]))


def refuse_two_dimensional(y: Any) -> None:
    """Refuse judgments where none can be; a 1-D y is ignored."""
    if holds_judgments(y):
        came = f"shape {tuple(y.shape)}" if hasattr(y, "shape") else f"a {type(y).__name__} of rows"
        raise InvalidValueError(
            f"y must be 1-D, and is then ignored, unless corpus= is given; got {came}. "
            "For judgments write fit(queries, y, corpus=corpus) or "
            "fit(X, queries=queries, qrels=qrels)"
        )


def _refuse_without_queries(qrels: Any, query_ids: Ids, corpus_ids: Ids) -> None:
    given = {"qrels": qrels, "query_ids": query_ids, "corpus_ids": corpus_ids}
    for name, value in given.items():
        if value is not None:
            raise InvalidTypeError(
                f"{name} must come with queries, got {name} of type {type(value).__name__} and "
                "queries=None"
            )


def _warn_unjudged(qrels: csr_array, with_positive: np.ndarray) -> None:
    """Say once how many queries carry judgments but no positive."""
    judged = np.flatnonzero(np.diff(qrels.indptr) > 0)
    lost = len(np.setdiff1d(judged, with_positive))
    if lost:
        warnings.warn(
            f"{lost} of {len(judged)} judged queries have no positive in the corpus; their "
            "judgments are left out of the training",
            JudgmentsWarning,
            stacklevel=5,
        )
