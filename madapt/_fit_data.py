"""What `fit` was given, in one shape: documents, queries and their judgments."""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import csr_array, issparse

from madapt._checks import check_embeddings
from madapt._corpus import check_uncut, unwrap
from madapt._inputs import named_errors, native_numbers
from madapt._qrels import as_qrels
from madapt.exceptions import InvalidTypeError, InvalidValueError, JudgmentsWarning

__all__ = ["FitData", "check_queries", "gather", "holds_judgments", "refuse_two_dimensional"]

Ids = Sequence[Hashable] | None
_ROWS = (list, tuple, Mapping)


@dataclass(frozen=True)
class FitData:
    """Checked arguments of `fit`.

    Parameters
    ----------
    documents : ndarray of shape (n, d)
    queries : ndarray of shape (n_queries, d) or None
        All queries, judged or not.
    qrels : csr_array of shape (n_queries, n) or None
    """

    documents: np.ndarray
    queries: np.ndarray | None = None
    qrels: csr_array | None = None

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
        n = len(self.documents)
        if n <= max_rows:
            return self
        wanted = np.zeros(n)
        if self.qrels is not None:
            wanted[self.qrels.indices] = 1
        # Judged documents come first, the others in random order.
        kept = np.sort(np.lexsort((generator.permutation(n), -wanted))[:max_rows])
        qrels = None if self.qrels is None else csr_array(self.qrels[:, kept])
        return FitData(self.documents[kept], self.queries, qrels)

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


def gather(
    X: np.ndarray,
    y: Any,
    *,
    queries: Any,
    qrels: Any,
    corpus: Any,
    query_ids: Ids,
    corpus_ids: Ids,
) -> FitData:
    """Check what `fit` was given and bring its two forms to one.

    Parameters
    ----------
    X : ndarray of shape (n, d)
        Documents; or queries, where `corpus` is given.
    y : object
        Judgments of the queries in X where `corpus` is given; a 1-D y is ignored else.
    queries, qrels, corpus, query_ids, corpus_ids : object
        As `MatryoshkaAdaptor.fit` takes them.

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
        corpus = native_numbers(corpus, "corpus")
        with named_errors(corpus, "corpus"):
            documents = check_embeddings(corpus, "corpus", n_features=X.shape[1])
        check_uncut(documents, y, len(X), whole=whole)
        queries, qrels = X, y
    name = "qrels" if corpus is None else "y"
    queries, qrels = check_queries(
        documents.shape,
        queries=queries,
        qrels=qrels,
        query_ids=query_ids,
        corpus_ids=corpus_ids,
        name=name,
    )
    if queries is None:
        return FitData(documents)
    return FitData(np.ascontiguousarray(documents), queries, qrels)


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
