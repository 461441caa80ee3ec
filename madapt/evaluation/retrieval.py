"""Search a corpus and measure what is found."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from scipy import sparse

from madapt._qrels import as_qrels
from madapt.evaluation.metrics import ndcg_at_k, recall_at_k
from madapt.exceptions import InvalidTypeError, InvalidValueError
from madapt.neighbors import top_k

__all__ = ["parse_metrics", "retrieval_scores"]

Metric = Callable[..., Any]

_METRICS: dict[str, Metric] = {"ndcg": ndcg_at_k, "recall": recall_at_k}


def parse_metrics(metrics: str | Iterable[str]) -> dict[str, tuple[Metric, int]]:
    """Read the names of metrics.

    Parameters
    ----------
    metrics : str or iterable of str
        Names such as "ndcg@10" and "recall@100".

    Returns
    -------
    dict of str to (function, int)
        The function of a ranking, qrels and k, and the k, by name.

    Raises
    ------
    InvalidValueError
        If there is no name, one comes twice or one cannot be read.
    InvalidTypeError
        If metrics is not text or a sequence of it.
    """
    names = [metrics] if isinstance(metrics, str) else metrics
    if not np.iterable(names):
        raise InvalidTypeError(f"metrics must be a sequence of names, got {metrics!r}")
    parsed: dict[str, tuple[Metric, int]] = {}
    for name in names:
        found = re.fullmatch(r"([a-z]+)@([1-9][0-9]*)", name) if isinstance(name, str) else None
        if found is None or found[1] not in _METRICS:
            wanted = " or ".join(f"'{known}@k'" for known in _METRICS)
            raise InvalidValueError(f"metrics must be {wanted}, as in 'ndcg@10', got {name!r}")
        if name in parsed:
            raise InvalidValueError(f"metrics must be distinct, got {name!r} twice")
        parsed[name] = (_METRICS[found[1]], int(found[2]))
    if not parsed:
        raise InvalidValueError("metrics must name at least one metric, got none")
    return parsed


def retrieval_scores(
    queries: Any,
    corpus: Any,
    qrels: Any,
    metrics: str | Iterable[str] = ("ndcg@10",),
    *,
    average: bool = True,
) -> dict[str, float | np.ndarray]:
    """Search the corpus once, by cosine and exactly, and measure the ranking.

    Parameters
    ----------
    queries : array-like of shape (n_queries, d)
        Query embeddings.
    corpus : array-like of shape (n_docs, d)
        Document embeddings.
    qrels : sparse array or matrix of shape (n_queries, n_docs), or dicts
        Grades. A list holds one dict a query, document index to grade; a dict of dicts is
        keyed by query and document indices.
    metrics : str or iterable of str, default=("ndcg@10",)
        Any of "ndcg@k" and "recall@k".
    average : bool, default=True
        Return means over the queries that have a positive grade.

    Returns
    -------
    dict of str to float or ndarray of shape (n_queries,)
        The mean of each metric, or with ``average=False`` the value of each query, NaN where
        it has no positive grade.

    Raises
    ------
    ValueError
        If a metric cannot be read, shapes do not match, or a value is out of range.
    TypeError
        If an argument has the wrong type.

    Examples
    --------
    >>> from scipy.sparse import csr_array
    >>> corpus, qrels = [[1.0, 0.0], [0.0, 1.0]], csr_array([[0, 1]])
    >>> retrieval_scores([[0.2, 1.0]], corpus, qrels, ["ndcg@10", "recall@1"])
    {'ndcg@10': 1.0, 'recall@1': 1.0}
    """
    parsed = parse_metrics(metrics)
    queries, corpus = np.asarray(queries), np.asarray(corpus)
    qrels = checked_qrels(qrels, len(queries), len(corpus))
    ranking, _ = top_k(queries, corpus, max(k for _, k in parsed.values()))
    return {
        name: metric(ranking, qrels, k, average=average) for name, (metric, k) in parsed.items()
    }


def checked_qrels(qrels: Any, n_queries: int, n_docs: int) -> Any:
    """Return sparse judgments of the wanted shape; dicts are converted."""
    if not sparse.issparse(qrels):
        return as_qrels(qrels, n_queries, n_docs)
    if tuple(qrels.shape) != (n_queries, n_docs):
        raise InvalidValueError(
            f"qrels must have shape {(n_queries, n_docs)}, queries by documents, "
            f"got {tuple(qrels.shape)}"
        )
    return qrels
