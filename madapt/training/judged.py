"""Judged queries and their corpus, as the second stage sees them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from array_api_compat import array_namespace, device
from scipy.sparse import csr_array

from madapt._rows import unit_rows
from madapt.adaptor import ResidualAdaptor
from madapt.backends import Backend
from madapt.training.guard import query_ndcg

__all__ = ["JudgedCorpus"]

#: Documents, about, that stand for the corpus where its middle is wanted.
N_SPREAD = 1000


@dataclass(frozen=True)
class JudgedCorpus:
    """What stage 2 learns from.

    Parameters
    ----------
    queries : array of shape (n_queries, d)
        Rotated queries.
    documents : array of shape (n_documents, d)
        Rotated documents.
    T : array of shape (n_documents, d)
        Unit rows whose cosines are the documents' targets.
    query_targets : array of shape (n_queries, d)
        The queries' unit rows.
    qrels : csr_array of shape (n_queries, n_documents)
        Grades; each query has a positive.
    backend : Backend
        Where the arrays live.
    """

    queries: Any
    documents: Any
    T: Any
    query_targets: Any
    qrels: csr_array
    backend: Backend

    def subset(self, index: np.ndarray) -> JudgedCorpus:
        """Return the same with some of the queries only."""
        xp = array_namespace(self.queries)
        at = xp.asarray(index, device=device(self.queries))
        rows, targets = (xp.take(A, at, axis=0) for A in (self.queries, self.query_targets))
        return replace(self, queries=rows, query_targets=targets, qrels=self.qrels[index])

    def ndcg(self, adaptor: ResidualAdaptor, dims: tuple[int, ...]) -> np.ndarray:
        """Return nDCG@10 of each query at each dim, shape (L, n_queries)."""
        if not self.qrels.shape[0]:
            return np.zeros((len(dims), 0))
        both = (self.queries, self.documents)
        Q, D = (self.backend.to_numpy(adaptor.transform(X)) for X in both)
        return query_ndcg(self.qrels, lambda m: (Q[:, :m], D[:, :m]), dims)

    def near(self, adaptor: ResidualAdaptor) -> JudgedCorpus:
        """Return the judgments that the embedding can believe.

        Positives that are less like their query than half of the corpus is, and queries that
        have no others, are left out. The half is that of about a thousand documents.
        """
        both = (self.queries, self.documents)
        Q, D = (unit_rows(self.backend.to_numpy(adaptor.transform(X))) for X in both)
        middle = np.median(Q @ D[:: max(1, len(D) // N_SPREAD)].T, axis=1)
        qrels = self.qrels.copy()
        for i, query in enumerate(Q):
            row = slice(*qrels.indptr[i : i + 2])
            qrels.data[row] *= D[qrels.indices[row]] @ query >= middle[i]
        qrels.eliminate_zeros()
        kept = np.flatnonzero(np.diff(qrels.indptr))
        return replace(self, qrels=qrels).subset(kept)
