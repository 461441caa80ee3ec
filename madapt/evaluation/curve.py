"""Retrieval quality as a function of the number of dims that are kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from inspect import signature
from typing import Any

import numpy as np
from sklearn.utils import Bunch

from madapt._checks import check_dims
from madapt.evaluation.retrieval import checked_qrels, parse_metrics, retrieval_scores
from madapt.exceptions import InvalidTypeError, InvalidValueError

__all__ = ["check_methods", "dimension_curve", "shapes"]


def dimension_curve(
    methods: Mapping[str, Any],
    corpus: Any,
    queries: Any,
    qrels: Any,
    dims: Iterable[int] | None = None,
    metrics: str | Iterable[str] = ("ndcg@10",),
    *,
    per_query: bool = False,
) -> Bunch:
    """Measure retrieval with prefixes of several lengths, for several methods.

    Parameters
    ----------
    methods : dict of str to object
        Fitted objects with ``transform(X, dim=)``, by the name to report them under. If the
        transform takes ``side``, queries are transformed with ``side="query"``. None or
        "frozen" stands for the embedding as it is, all d dims of it, whatever the dim.
    corpus : array-like of shape (n_docs, d)
        Document embeddings.
    queries : array-like of shape (n_queries, d)
        Query embeddings.
    qrels : sparse array or matrix of shape (n_queries, n_docs), or dicts
        Grades, as in `retrieval_scores`.
    dims : iterable of int or None, default=None
        Rising prefix lengths in 1..d. None: 8, 16, 32, ... below d, then d.
    metrics : str or iterable of str, default=("ndcg@10",)
        Any of "ndcg@k" and "recall@k".
    per_query : bool, default=False
        Return the value of each query, too.

    Returns
    -------
    Bunch
        A dictionary whose entries are attributes, too:

        dims : ndarray of shape (L,), int
            The prefix lengths.
        metrics : tuple of str
            The names of the metrics.
        scores : dict of str to dict of str to ndarray of shape (L,), float64
            ``scores[method][metric]``, means over the queries that have a positive grade.
        per_query : dict of str to dict of str to ndarray of shape (L, n_queries)
            Only with ``per_query=True``; NaN for queries without a positive grade.

    Raises
    ------
    ValueError
        If there is no method, a metric cannot be read, or shapes or dims do not fit.
    TypeError
        If a method has no transform, or an argument has the wrong type.

    Notes
    -----
    Every search is exact, by cosine. One costs 2 n_queries n_docs m operations.

    Examples
    --------
    >>> from madapt.baselines import SVDRotation, Truncation
    >>> from madapt.datasets import load_cranfield
    >>> data = load_cranfield("test")
    >>> methods = {
    ...     "frozen": None,
    ...     "truncation": Truncation().fit(data.corpus),
    ...     "SVD": SVDRotation().fit(data.corpus),
    ... }
    >>> results = dimension_curve(methods, data.corpus, data.queries, data.qrels, [32, 384])
    >>> for name, scores in results.scores.items():
    ...     print(f"{name:10}", scores["ndcg@10"].round(2).tolist())
    frozen     [0.34, 0.34]
    truncation [0.16, 0.34]
    SVD        [0.27, 0.34]
    """
    n_queries, n_docs, d = shapes(queries, corpus)
    dims = check_dims(dims, d)
    names = tuple(parse_metrics(metrics))
    check_methods(methods)
    qrels = checked_qrels(qrels, n_queries, n_docs)
    every: dict[str, dict[str, np.ndarray]] = {}
    for name, method in methods.items():
        if _is_frozen(method):
            once = retrieval_scores(queries, corpus, qrels, names, average=False)
            rows = [once] * len(dims)
        else:
            rows = [_scores_at(method, m, queries, corpus, qrels, names) for m in dims]
        every[name] = {metric: np.stack([row[metric] for row in rows]) for metric in names}
    # A query has a positive grade, or not, whatever the method and the metric.
    judged = ~np.isnan(next(iter(every.values()))[names[0]][0])
    if not judged.any():
        raise InvalidValueError("qrels must hold a grade above 0, got none to average")
    scores = {
        name: {metric: values[:, judged].mean(axis=1) for metric, values in table.items()}
        for name, table in every.items()
    }
    results = Bunch(dims=np.asarray(dims), metrics=names, scores=scores)
    if per_query:
        results.per_query = every
    return results


def _scores_at(
    method: Any, m: int, queries: Any, corpus: Any, qrels: Any, names: tuple[str, ...]
) -> dict[str, Any]:
    """Return the scores of every query with prefixes of length m."""
    sided = {"side": "query"} if "side" in signature(method.transform).parameters else {}
    documents = np.asarray(method.transform(corpus, dim=m))
    asked = np.asarray(method.transform(queries, dim=m, **sided))
    return retrieval_scores(asked, documents, qrels, names, average=False)


def _is_frozen(method: Any) -> bool:
    return method is None or (isinstance(method, str) and method == "frozen")


def check_methods(methods: Any, *, frozen: bool = True) -> None:
    """Raise unless each method has a transform; None and "frozen" are ones where allowed."""
    if not isinstance(methods, Mapping):
        raise InvalidTypeError(f"methods must be a dict, name to method, got {methods!r}")
    if not methods:
        raise InvalidValueError("methods must name at least one method, got none")
    for name, method in methods.items():
        if frozen and _is_frozen(method):
            continue
        if not callable(getattr(method, "transform", None)):
            wanted = "have a transform or be 'frozen'" if frozen else "have a transform"
            raise InvalidTypeError(f"methods must {wanted}, got {method!r} for {name!r}")


def shapes(queries: Any, corpus: Any) -> tuple[int, int, int]:
    """Return n_queries, n_docs and d."""
    asked, searched = np.shape(queries), np.shape(corpus)
    if len(asked) != 2 or len(searched) != 2 or asked[1] != searched[1]:
        raise InvalidValueError(
            f"queries and corpus must be 2-D with the same number of columns, "
            f"got shapes {asked} and {searched}"
        )
    return asked[0], searched[0], searched[1]
