"""Batches: documents with their neighbours, queries with positives and negatives."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array

__all__ = ["DocumentBatch", "DocumentSampler", "QueryBatch", "QuerySampler"]


NONE = np.arange(0)


class DocumentBatch(NamedTuple):
    """Indices of one batch of documents, and of queries to be compared with them."""

    #: Documents among the rows, shape (B,).
    rows: np.ndarray
    #: Documents the rows are compared with, shape (n,); the first B are the rows.
    columns: np.ndarray
    #: Nearest neighbours among the columns, boolean of shape (B + B_q, n), or None.
    neighbors: np.ndarray | None
    #: Queries among the rows, shape (B_q,).
    queries: np.ndarray = NONE


class DocumentSampler:
    """Draw seeds, some of their nearest neighbours, queries and random documents.

    Parameters
    ----------
    n : int
        Number of documents.
    n_rows : int
        Rows a batch, queries among them; at most n documents.
    n_columns : int
        Documents the rows are compared with, themselves included; at most n.
    generator : numpy.random.Generator
        Draws the batches.
    neighbors : ndarray of shape (n + n_queries, k) or None, default=None
        Indices of nearest documents. With them half of a batch's documents are seeds and the
        other half neighbours of seeds, so that the pairs of the top-k loss are in the batch.
    n_queries : int, default=0
        Number of queries; their indices come after those of the documents.
    query_share : float, default=0.0
        Share of the rows that are queries, as far as there are that many.
    """

    def __init__(
        self,
        n: int,
        n_rows: int,
        n_columns: int,
        generator: np.random.Generator,
        neighbors: np.ndarray | None = None,
        *,
        n_queries: int = 0,
        query_share: float = 0.0,
    ) -> None:
        self.n, self.n_queries = n, n_queries
        self.n_query_rows = min(round(query_share * n_rows), n_queries)
        self.n_rows = min(n_rows - self.n_query_rows, n)
        self.n_columns = min(max(n_columns, self.n_rows), n)
        self.neighbors = neighbors
        self.generator = generator

    def draw(self) -> DocumentBatch:
        """Return the next batch."""
        queries = NONE
        if self.n_query_rows:
            queries = self.n + self.generator.permutation(self.n_queries)[: self.n_query_rows]
        if self.neighbors is None:
            columns = self.generator.permutation(self.n)[: self.n_columns]
            return DocumentBatch(columns[: self.n_rows], columns, None, queries)
        rows = self._seeds_with_neighbors(self.neighbors)
        columns = rows
        if self.n_columns > len(rows):
            others = self.generator.permutation(self.n)
            others = others[~np.isin(others, rows)]
            columns = np.concatenate([rows, others[: self.n_columns - len(rows)]])
        near = self.neighbors[np.concatenate([rows, queries])]
        return DocumentBatch(rows, columns, self._marked(near, columns), queries)

    def _seeds_with_neighbors(self, neighbors: np.ndarray) -> np.ndarray:
        seeds = self.generator.permutation(self.n)[: (self.n_rows + 1) // 2]
        k = neighbors.shape[1]
        near = neighbors[seeds, self.generator.integers(k, size=len(seeds))]
        rows = _unique_in_order(np.concatenate([seeds, near]))
        if len(rows) < self.n_rows:
            rows = _unique_in_order(np.concatenate([rows, self.generator.permutation(self.n)]))
        return rows[: self.n_rows]

    def _marked(self, near: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Say which columns are among each row's neighbours, `near` of shape (B, k)."""
        place = np.full(self.n, -1)
        place[columns] = np.arange(len(columns))
        at = place[near]  # (B, k)
        marked = np.zeros((len(near), len(columns)), dtype=bool)
        row, slot = np.nonzero(at >= 0)
        marked[row, at[row, slot]] = True
        return marked


class QueryBatch(NamedTuple):
    """Indices of one batch of queries and documents, and the grades between them."""

    #: Queries, shape (B,).
    queries: np.ndarray
    #: Documents, shape (n,).
    documents: np.ndarray
    #: Grades, shape (B, n); 0 is not relevant or unjudged.
    grades: np.ndarray


class QuerySampler:
    """Draw queries with positives, judged and hard negatives and random documents.

    Parameters
    ----------
    qrels : csr_array of shape (n_queries, n_documents)
        Grades; each query has a positive.
    n_queries : int
        Queries a batch.
    n_documents : int
        Documents a batch.
    hard : ndarray of shape (n_queries, h)
        Each query's most similar documents; positives among them are no harm, for the
        grades are looked up.
    generator : numpy.random.Generator
        Draws the batches.
    n_positives, n_hard : int
        At most that many positives and hard documents of each query.
    """

    def __init__(
        self,
        qrels: csr_array,
        n_queries: int,
        n_documents: int,
        hard: np.ndarray,
        generator: np.random.Generator,
        *,
        n_positives: int = 4,
        n_hard: int = 8,
    ) -> None:
        self.qrels = qrels
        self.n_queries = min(n_queries, qrels.shape[0])
        self.n_documents = min(n_documents, qrels.shape[1])
        self.judged = [_judged(qrels, i) for i in range(qrels.shape[0])]
        self.hard = hard
        self.generator = generator
        self.n_positives, self.n_hard = n_positives, min(n_hard, hard.shape[1])

    def draw(self) -> QueryBatch:
        """Return the next batch."""
        queries = self.generator.permutation(self.qrels.shape[0])[: self.n_queries]
        chosen = [self._some(kind) for i in queries for kind in self.judged[i]]
        columns = self.generator.random((len(queries), self.hard.shape[1])).argsort(axis=1)
        near = np.take_along_axis(self.hard[queries], columns[:, : self.n_hard], axis=1)
        rest = self.generator.permutation(self.qrels.shape[1])[: self.n_documents]
        documents = _unique_in_order(np.concatenate([*chosen, near.ravel(), rest]))
        documents = documents[: self.n_documents]
        grades = self.qrels[queries][:, documents].toarray()
        return QueryBatch(queries, documents, grades)

    def _some(self, documents: np.ndarray) -> np.ndarray:
        """Draw at most `n_positives` of each kind; where there are no more, no draw is needed."""
        if len(documents) <= self.n_positives:
            return documents
        return self.generator.permutation(documents)[: self.n_positives]


def _judged(qrels: csr_array, query: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a query's positives and its documents judged not relevant."""
    span = slice(qrels.indptr[query], qrels.indptr[query + 1])
    documents, is_positive = qrels.indices[span], qrels.data[span] > 0
    return documents[is_positive], documents[~is_positive]


def _unique_in_order(index: np.ndarray) -> np.ndarray:
    """Return each value once, in the order of its first appearance."""
    _, first = np.unique(index, return_index=True)
    return index[np.sort(first)]
