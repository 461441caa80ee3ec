"""Retrieval quality as a function of the bytes a vector takes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from inspect import signature
from typing import Any

import numpy as np
from sklearn.utils import Bunch

from madapt._checks import check_dim, check_integer, check_one_of, default_dims
from madapt.evaluation.curve import check_methods, shapes
from madapt.evaluation.retrieval import checked_qrels, parse_metrics, retrieval_scores
from madapt.exceptions import InvalidTypeError, InvalidValueError
from madapt.quantization import PRECISIONS, bytes_per_vector

__all__ = ["best_setting", "byte_curve"]

Setting = tuple[int, str]


def byte_curve(
    methods: Mapping[str, Any],
    corpus: Any,
    queries: Any,
    qrels: Any,
    settings: Iterable[Setting] | None = None,
    metrics: str | Iterable[str] = ("ndcg@10",),
    *,
    per_query: bool = False,
) -> Bunch:
    """Measure retrieval by float queries among stored vectors of several sizes.

    Parameters
    ----------
    methods : dict of str to object
        Fitted objects by the name to report them under, with ``transform(X, dim=)``. Those
        that also take ``precision`` and have a ``dequantize``, as `MatryoshkaAdaptor`, are
        measured at every setting, others at "float32" and "float16" alone. If the transform
        takes ``side``, queries are transformed with ``side="query"``.
    corpus : array-like of shape (n_docs, d)
        Document embeddings.
    queries : array-like of shape (n_queries, d)
        Query embeddings; they stay float32.
    qrels : sparse array or matrix of shape (n_queries, n_docs), or dicts
        Grades, as in `retrieval_scores`. To choose a setting, take judgments that will not be
        reported.
    settings : iterable of (int, str) or None, default=None
        Dims in 1..d and precisions of the documents. None: 8, 16, 32, ... below d, then d, at
        each precision.
    metrics : str or iterable of str, default=("ndcg@10",)
        Any of "ndcg@k" and "recall@k".
    per_query : bool, default=False
        Return the value of each query, too.

    Returns
    -------
    Bunch
        A dictionary whose entries are attributes, too; S settings by rising bytes, and of
        equal bytes by rising dim:

        settings : list of (int, str)
            Dim and precision.
        bytes : ndarray of shape (S,), int
            What a document takes.
        metrics : tuple of str
            The names of the metrics.
        scores : dict of str to dict of str to ndarray of shape (S,), float64
            ``scores[method][metric]``, means over the queries that have a positive grade; NaN
            where a method does not know the precision.
        per_query : dict of str to dict of str to ndarray of shape (S, n_queries)
            Only with ``per_query=True``; NaN for queries without a positive grade, too.

    Raises
    ------
    ValueError
        If there is no method, a metric cannot be read, or shapes or settings do not fit.
    TypeError
        If a method has no transform, or an argument has the wrong type.

    See Also
    --------
    best_setting : The best setting within so many bytes.

    Examples
    --------
    >>> from madapt import MatryoshkaAdaptor
    >>> from madapt.datasets import load_cranfield
    >>> from madapt.evaluation import best_setting, byte_curve
    >>> data = load_cranfield("train")
    >>> methods = {"madapt": MatryoshkaAdaptor(max_iter=1, random_state=0).fit(data.corpus)}
    >>> settings = [(8, "float32"), (64, "int4"), (128, "int2"), (256, "binary")]
    >>> results = byte_curve(methods, data.corpus, data.queries, data.qrels, settings)
    >>> results.bytes.tolist()
    [32, 32, 32, 32]
    >>> best_setting(results, n_bytes=32) != (8, "float32")
    True
    """
    n_queries, n_docs, d = shapes(queries, corpus)
    chosen = _check_settings(settings, d)
    names = tuple(parse_metrics(metrics))
    check_methods(methods, frozen=False)
    qrels = checked_qrels(qrels, n_queries, n_docs)
    every: dict[str, dict[str, np.ndarray]] = {}
    for name, method in methods.items():
        rows = [_scores_at(method, *at, queries, corpus, qrels, names) for at in chosen]
        every[name] = {metric: np.stack([row[metric] for row in rows]) for metric in names}
    judged = np.asarray((qrels > 0).sum(axis=1)).ravel() > 0
    if not judged.any():
        raise InvalidValueError("qrels must hold a grade above 0, got none to average")
    scores = {
        name: {metric: values[:, judged].mean(axis=1) for metric, values in table.items()}
        for name, table in every.items()
    }
    sizes = np.array([bytes_per_vector(*at) for at in chosen])
    results = Bunch(settings=chosen, bytes=sizes, metrics=names, scores=scores)
    if per_query:
        results.per_query = every
    return results


def best_setting(
    results: Bunch, n_bytes: int, *, method: str | None = None, metric: str | None = None
) -> Setting:
    """Return the dim and precision that score best within so many bytes a vector.

    Parameters
    ----------
    results : Bunch
        From `byte_curve`, on judgments that are there to choose by.
    n_bytes : int
        The most a vector may take.
    method : str or None, default=None
        Which method's; None is the first.
    metric : str or None, default=None
        By which metric; None is the first.

    Returns
    -------
    dim : int
        Coordinates kept.
    precision : str
        Of each. Of equal scores the one of fewer bytes.

    Raises
    ------
    ValueError
        If the method or metric is not in the results, or none of the settings is that small.
    TypeError
        If n_bytes is not an integer.
    """
    n_bytes = check_integer(n_bytes, "n_bytes", low=1)
    method = next(iter(results.scores)) if method is None else method
    metric = results.metrics[0] if metric is None else metric
    check_one_of(method, "method", tuple(results.scores))
    check_one_of(metric, "metric", results.metrics)
    scores = results.scores[method][metric]
    possible = np.flatnonzero((results.bytes <= n_bytes) & ~np.isnan(scores))
    if not len(possible):
        smallest = results.bytes[~np.isnan(scores)].min(initial=np.iinfo(np.int64).max)
        raise InvalidValueError(f"n_bytes must be at least {smallest}, got {n_bytes}")
    best: Setting = results.settings[possible[np.argmax(scores[possible])]]
    return best


def _scores_at(
    method: Any,
    m: int,
    precision: str,
    queries: Any,
    corpus: Any,
    qrels: Any,
    names: tuple[str, ...],
) -> dict[str, Any]:
    """Return the scores of every query at one setting, NaN where it cannot be had."""
    known = signature(method.transform).parameters
    sided = {"side": "query"} if "side" in known else {}
    if "precision" in known and callable(getattr(method, "dequantize", None)):
        codes = np.asarray(method.transform(corpus, dim=m, precision=precision))
        documents = method.dequantize(codes, precision, dim=m)
    elif PRECISIONS[precision] > 8:
        documents = np.asarray(method.transform(corpus, dim=m)).astype(precision)
    else:
        return {name: np.full(np.shape(queries)[0], np.nan) for name in names}
    asked = np.asarray(method.transform(queries, dim=m, **sided))
    return retrieval_scores(asked, documents, qrels, names, average=False)


def _check_settings(settings: Any, d: int) -> list[Setting]:
    """Return distinct settings by rising bytes, then dim."""
    if settings is None:
        settings = [(m, precision) for m in default_dims(d) for precision in PRECISIONS]
    if isinstance(settings, str | bytes) or not np.iterable(settings):
        raise InvalidTypeError(f"settings must be pairs of dim and precision, got {settings!r}")
    checked: list[Setting] = []
    for pair in settings:
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise InvalidTypeError(f"settings must be pairs of dim and precision, got {pair!r}")
        m = check_dim(pair[0], d, "settings: dim")
        at = (m, check_one_of(pair[1], "settings: precision", tuple(PRECISIONS)))
        if at in checked:
            raise InvalidValueError(f"settings must be distinct, got {at} twice")
        checked.append(at)
    if not checked:
        raise InvalidValueError("settings must hold at least one pair, got none")
    return sorted(checked, key=lambda at: (bytes_per_vector(*at), at))
