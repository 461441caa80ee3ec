"""A scorer for scikit-learn's model selection: judged queries are held out, and searched with."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Self

import numpy as np
from sklearn.utils.metadata_routing import MetadataRequest

from madapt._checks import check_integer, check_one_of
from madapt._corpus import check_uncut, n_rows, unwrap
from madapt._qrels import as_qrels
from madapt.evaluation._steps import Steps
from madapt.evaluation.retrieval import parse_metrics, retrieval_scores
from madapt.exceptions import InvalidTypeError, InvalidValueError

__all__ = ["RetrievalScorer"]


@dataclass(frozen=True)
class RetrievalScorer:
    """Score an estimator by what held-out queries find in the corpus.

    For the ``scoring`` of `GridSearchCV`, `RandomizedSearchCV` and `cross_validate`, where rows
    of X are queries, y holds their judgments, and the corpus comes as metadata:
    ``search.fit(queries, qrels, corpus=corpus)`` with metadata routing on. It requests what it
    needs; nobody has to call ``set_score_request``.

    Parameters
    ----------
    dims : sequence of int or None, default=None
        Prefix lengths to measure, increasing. None measures what the estimator's transform
        returns by itself.
    metrics : str or sequence of str, default=("ndcg@10", "recall@100")
        Any of "ndcg@k" and "recall@k".
    single : str or None, default=None
        One of `names`: return its value alone, a float, as `HalvingGridSearchCV` and
        `cross_val_score` want it. None returns a dict.

    Raises
    ------
    ValueError, TypeError
        Where a parameter cannot be used, at once.

    See Also
    --------
    madapt.Corpus : For a corpus of as many documents as there are queries.

    Notes
    -----
    The dict holds, for each metric, its name: with ``dims=None`` the value at the estimator's
    own output, and otherwise the plain mean of the values at `dims`. With `dims` it also holds
    "name[m]", the value at m dims, for each m. A value is the mean over the queries of the fold
    that have a positive grade. Searches are exact, by cosine, in the whole corpus.

    Queries are transformed with ``side="query"`` and the corpus with ``side="document"``, step by
    step through a `Pipeline`, so that centring is right with and without metadata routing. Of
    two steps that take ``dim`` the last one gets it.

    Examples
    --------
    >>> from madapt import MatryoshkaAdaptor, RetrievalScorer
    >>> from madapt.datasets import load_cranfield
    >>> train, test = load_cranfield("train"), load_cranfield("test")
    >>> model = MatryoshkaAdaptor(rotation="svd", hidden_dim=None, center=None)
    >>> model = model.fit(train.queries, train.qrels, corpus=train.corpus)
    >>> scorer = RetrievalScorer(dims=(32, 64), metrics="ndcg@10")
    >>> scores = scorer(model, test.queries, test.qrels, corpus=test.corpus)
    >>> {name: round(score, 2) for name, score in scores.items()}
    {'ndcg@10': 0.29, 'ndcg@10[32]': 0.27, 'ndcg@10[64]': 0.32}
    """

    dims: Sequence[int] | None = None
    metrics: str | Sequence[str] = ("ndcg@10", "recall@100")
    single: str | None = None

    def __post_init__(self) -> None:
        # Frozen, and of tuples: equal scorers have equal hashes, and a clone is the scorer itself.
        object.__setattr__(self, "metrics", tuple(parse_metrics(self.metrics)))
        if self.dims is not None:
            object.__setattr__(self, "dims", _rising(self.dims))
        if self.single is not None:
            check_one_of(self.single, "single", self.names)

    @property
    def names(self) -> tuple[str, ...]:
        """The keys of the dict, in order."""
        each = [f"{metric}[{m}]" for metric in self.metrics for m in self.dims or ()]
        return (*self.metrics, *each)

    def __call__(
        self,
        estimator: Any,
        X: Any,
        y: Any = None,
        *,
        corpus: Any = None,
        corpus_ids: Sequence[Hashable] | None = None,
    ) -> dict[str, float] | float:
        """Search the corpus with the queries and measure what is found.

        Parameters
        ----------
        estimator : object
            A fitted transformer or `Pipeline`.
        X : array-like of shape (n_queries, d)
            Queries, as the estimator's first step takes them.
        y : sparse array of shape (n_queries, n_docs) or list of dicts
            Their judgments, as `MatryoshkaAdaptor.fit` takes them.
        corpus : array-like of shape (n_docs, d) or Corpus
            All documents, as the estimator's first step takes them.
        corpus_ids : sequence or None, default=None
            Names of the documents in y; None: their positions.

        Returns
        -------
        dict of str to float, or float
            The scores by name; that of `single` where it is set.

        Raises
        ------
        ValueError, TypeError
            If an argument is missing or does not fit, the corpus was cut by cross-validation,
            or no query has a positive grade.
        """
        qrels, corpus = _checked(X, y, corpus, corpus_ids)
        steps = Steps(estimator, self.dims)
        both = zip(steps.transform(X, "query"), steps.transform(corpus, "document"), strict=True)
        at_dims = [retrieval_scores(q, documents, qrels, self.metrics) for q, documents in both]
        scores = {name: float(np.mean([one[name] for one in at_dims])) for name in self.metrics}
        if self.dims is not None:
            for name in self.metrics:
                for m, one in zip(self.dims, at_dims, strict=True):
                    scores[f"{name}[{m}]"] = float(one[name])
        return scores if self.single is None else scores[self.single]

    def get_metadata_routing(self) -> MetadataRequest:
        """Say which metadata a search shall hand on.

        Returns
        -------
        MetadataRequest
            `corpus` and `corpus_ids`.
        """
        request = MetadataRequest(owner=self)
        request.score.add_request(param="corpus", alias=True)
        request.score.add_request(param="corpus_ids", alias=True)
        return request

    def __sklearn_clone__(self) -> Self:
        return self


def _rising(dims: Any) -> tuple[int, ...]:
    """Return increasing prefix lengths; how many features there are shows later."""
    if isinstance(dims, str | bytes) or not np.iterable(dims):
        raise InvalidTypeError(f"dims must be a sequence of integers, got {dims!r}")
    checked = tuple(check_integer(m, "dims", low=1) for m in dims)
    if not checked or any(a >= b for a, b in pairwise(checked)):
        raise InvalidValueError(
            f"dims must be strictly increasing, and at least one, got {list(checked)}"
        )
    return checked


def _checked(X: Any, y: Any, corpus: Any, corpus_ids: Any) -> tuple[Any, Any]:
    """Return the judgments as a sparse array, and the documents."""
    if corpus is None:
        raise InvalidTypeError(
            "corpus must be all documents, got None; a search hands it on, "
            "search.fit(queries, qrels, corpus=corpus), after "
            "sklearn.set_config(enable_metadata_routing=True)"
        )
    if y is None:
        raise InvalidTypeError("y must be the judgments of the queries in X, got None")
    corpus, whole = unwrap(corpus)
    n_queries, n_docs = n_rows(X), n_rows(corpus)
    for name, n, came in (("X", n_queries, X), ("corpus", n_docs, corpus)):
        if n is None:
            raise InvalidTypeError(f"{name} must have rows, got {came!r}")
    check_uncut(corpus, y, n_queries or 0, whole=whole)
    return as_qrels(y, n_queries or 0, n_docs or 0, corpus_ids=corpus_ids, name="y"), corpus
