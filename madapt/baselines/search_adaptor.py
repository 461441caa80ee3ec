"""Search-Adaptor: a residual adaptor that judged queries train, at full dim."""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from scipy.sparse import csr_array
from sklearn.utils import check_random_state

from madapt._activations import ACTIVATIONS
from madapt._checks import (
    check_bool,
    check_dim,
    check_fraction,
    check_integer,
    check_number,
    check_one_of,
)
from madapt._fit_data import FitData, gather
from madapt._rows import unit_rows
from madapt.adaptor import ResidualAdaptor
from madapt.backends import get_backend
from madapt.baselines._base import PrefixBaseline
from madapt.baselines._search import JudgedRows, SearchSettings, train
from madapt.exceptions import InterruptedWarning, InvalidTypeError
from madapt.training import printer
from madapt.training.preparation import refuse_overflow

__all__ = ["SearchAdaptor"]

Ids = Sequence[Hashable] | None

#: Standard deviation of the first and the last layer's weights at the start, times the square
#: root of the layer's number of inputs.
INIT_SCALE = (0.58, 0.02)


class SearchAdaptor(PrefixBaseline):
    """Adapt queries and documents by a shared residual MLP that judgments train.

    The method trains the whole vector for retrieval and knows of no prefixes: what it does
    for short ones is what truncating its output does. It needs judged queries, and the
    adaptor of the step with the best nDCG@10 on held-out ones is kept.

    Parameters
    ----------
    dim : int or None, default=None
        Width of the output when `transform` is not told one; None is all d.
    normalize : bool, default=True
        Scale rows to unit length when they come in and again when they go out.
    hidden_dim : int, default=512
        Hidden units of the adaptor, and of the query predictor. Not given in the paper;
        chosen: what `MatryoshkaAdaptor` has.
    activation : {"relu", "gelu", "silu", "tanh", "identity"}, default="relu"
        Of both. Not given in the paper.
    recovery_weight : float, default=0.01
        Weight alpha of the recovery loss, which holds adapted rows near the original ones.
        The paper chooses it by validation; see Notes.
    prediction_weight : float, default=0.01
        Weight beta of the prediction loss. The paper chooses it by validation; see Notes.
    learning_rate : float, default=1e-3
        Of Adam, constant.
    max_iter : int, default=2000
        Most steps.
    batch_size : int, default=128
        Queries a batch.
    n_negatives : int, default=10
        Documents drawn at random for each query of a batch. All queries of the batch are
        compared with all of its documents, where the paper has these pairs alone.
    early_stopping : bool, default=True
        Hold queries out and keep the step that is best on them.
    validation_fraction : float, default=0.2
        Share of the judged queries that is held out; looked at every 25 steps.
    n_iter_no_change : int, default=125
        Stop after that many steps without a better held-out nDCG@10.
    backend : str, default="auto"
        Where the training runs; see `madapt.backends.available`.
    random_state : int, RandomState instance or None, default=None
        Seeds everything that is drawn; the same int gives the same numbers.
    verbose : int, default=0
        1 prints the progress.

    Attributes
    ----------
    adaptor_ : ResidualAdaptor
        x + MLP(x); the query predictor is of no use after the training and is not kept.
    n_iter_ : int
        Steps that were run.
    loss_curve_ : list of float
        The loss of each of them.
    validation_curve_ : list of (int, float)
        Steps done, and nDCG@10 of the held-out queries at full dim.
    n_features_in_ : int
        The number d of columns seen in `fit`.
    feature_names_in_ : ndarray of shape (d,)
        Names of those columns, if X had names that are all text.

    Notes
    -----
    With f(x) = x + MLP(x) shared by queries q and documents x, and a predictor p::

        L = L_rank + alpha (mean_i |f(q_i) - q_i|_1 + mean_j |f(x_j) - x_j|_1) + beta L_pred,

    L_rank as in `madapt.losses.ranking_loss` at full dim and without a temperature, L_pred
    as in `madapt.losses.prediction_loss` between f(q_i) and p(f(x_j)).

    *Published* are the skip connection, the three losses, Adam at 1e-3, batches of 128, at most
    2,000 steps, a patience of 125, ten negatives for each positive, a fifth of the judgments
    for validation, and a choice of alpha among 0, .1 and 1 and of beta among 0, .01 and .1 by
    it. Of the paper's own text only the abstract, the introduction and quotations were at hand;
    formulas and settings are as the reimplementation below gives them.

    *Not published*, as it says, are the networks: here each has one hidden layer and starts at
    normal weights, the adaptor's last layer near zero.

    *Different*: L_rank is a mean over its terms and the paper's a sum, beside which alpha and
    beta weigh as much less as a batch has terms. The default weights are chosen on train
    queries of SciFact (all-MiniLM-L6-v2) that were held out, for this scale;
    ``benchmarks/search_adaptor.py`` compares others on a collection of one's own.

    References
    ----------
    Yoon, Chen, Arik, Pfister: "Search-Adaptor: Embedding Customization for Information
    Retrieval", ACL 2024, arXiv 2310.08750.

    "Representation Correction Distillation", a repository with a reimplementation:
    https://github.com/YashSaxena21/RCD, ``src/rcd_retrieval/search_adaptor.py``.

    Examples
    --------
    >>> from madapt.baselines import SearchAdaptor
    >>> from madapt.datasets import load_cranfield
    >>> train = load_cranfield("train")
    >>> adaptor = SearchAdaptor(max_iter=5, random_state=0)
    >>> adaptor = adaptor.fit(train.corpus, queries=train.queries, qrels=train.qrels)
    >>> adaptor.transform(train.corpus, dim=32).shape
    (1400, 32)
    """

    adaptor_: ResidualAdaptor

    # What a Pipeline with metadata routing hands on without being asked.
    __metadata_request__fit: ClassVar = dict.fromkeys(
        ("queries", "qrels", "corpus", "query_ids", "corpus_ids"), True
    )

    def __init__(
        self,
        dim: int | None = None,
        *,
        normalize: bool = True,
        hidden_dim: int = 512,
        activation: str = "relu",
        recovery_weight: float = 1e-2,
        prediction_weight: float = 1e-2,
        learning_rate: float = 1e-3,
        max_iter: int = 2000,
        batch_size: int = 128,
        n_negatives: int = 10,
        early_stopping: bool = True,
        validation_fraction: float = 0.2,
        n_iter_no_change: int = 125,
        backend: str = "auto",
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        super().__init__(dim, normalize=normalize)
        self.hidden_dim = hidden_dim
        self.activation = activation
        self.recovery_weight = recovery_weight
        self.prediction_weight = prediction_weight
        self.learning_rate = learning_rate
        self.max_iter = max_iter
        self.batch_size = batch_size
        self.n_negatives = n_negatives
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.backend = backend
        self.random_state = random_state
        self.verbose = verbose

    def fit(
        self,
        X: Any,
        y: Any = None,
        *,
        queries: Any = None,
        qrels: Any = None,
        corpus: Any = None,
        query_ids: Ids = None,
        corpus_ids: Ids = None,
    ) -> Self:
        """Learn the adaptor from judged queries.

        Parameters
        ----------
        X : array-like of shape (n, d)
            Embedded documents; or embedded queries where `corpus` is given.
        y : sparse array of shape (n, n_docs), list of dicts, or ignored
            The judgments of the queries in X where `corpus` is given; otherwise ignored,
            and must be 1-D.
        queries : array-like of shape (n_queries, d) or None, default=None
            Embedded queries.
        qrels : sparse array (n_queries, n_docs), list of dicts, dict of dicts or None
            Grades, as `MatryoshkaAdaptor.fit` takes them. Queries without a positive are
            left out.
        corpus : array-like of shape (n_docs, d) or None, default=None
            Embedded documents, where X holds queries.
        query_ids, corpus_ids : sequences or None, default=None
            Names of the queries' and the documents' rows in `qrels`.

        Returns
        -------
        self
            The fitted transformer. After Ctrl-C it is fitted with the best state so far, and
            a warning says so.

        Raises
        ------
        ValueError, TypeError
            If an argument or a parameter cannot be used, or there are no judgments; before
            any work.
        """
        rows = self._rows(X)
        data = gather(
            rows,
            y,
            queries=queries,
            qrels=qrels,
            corpus=corpus,
            query_ids=query_ids,
            corpus_ids=corpus_ids,
        )
        settings = self._settings()
        if data.queries is None or data.qrels is None:
            raise InvalidTypeError(
                "qrels must be given: SearchAdaptor learns from judged queries alone, "
                "fit(X, queries=queries, qrels=qrels); got None"
            )
        backend = get_backend(self.backend)
        seed = check_random_state(self.random_state).randint(np.iinfo(np.int32).max)
        report = printer(self.verbose, "SearchAdaptor")("training")
        self.adaptor_, history = train(
            self._judged(data, data.queries, data.qrels),
            settings,
            np.random.default_rng(seed),
            backend,
            report=report,
        )
        self.loss_curve_ = history.losses
        self.n_iter_ = len(history.losses)
        self.validation_curve_ = [(done, -loss) for done, loss in history.checks]
        if history.interrupted:
            warnings.warn(
                f"fit was interrupted after {self.n_iter_} steps; the best state so far is kept",
                InterruptedWarning,
                stacklevel=2,
            )
        return self

    def _settings(self) -> SearchSettings:
        """Check the parameters."""
        if self.dim is not None:
            check_dim(self.dim, self.n_features_in_)
        check_one_of(self.normalize, "normalize", (True, False))
        if not isinstance(self.verbose, bool):
            check_integer(self.verbose, "verbose", low=0)
        return SearchSettings(
            hidden_dim=check_integer(self.hidden_dim, "hidden_dim", low=1),
            activation=check_one_of(self.activation, "activation", tuple(ACTIVATIONS)),
            init_scale=INIT_SCALE,
            recovery_weight=check_number(self.recovery_weight, "recovery_weight", low=0),
            prediction_weight=check_number(self.prediction_weight, "prediction_weight", low=0),
            learning_rate=check_number(self.learning_rate, "learning_rate", low=0, open_low=True),
            max_iter=check_integer(self.max_iter, "max_iter", low=0),
            batch_size=check_integer(self.batch_size, "batch_size", low=1),
            n_negatives=check_integer(self.n_negatives, "n_negatives", low=1),
            early_stopping=check_bool(self.early_stopping, "early_stopping"),
            validation_fraction=check_fraction(self.validation_fraction, "validation_fraction"),
            n_iter_no_change=check_integer(self.n_iter_no_change, "n_iter_no_change", low=1),
        )

    def _judged(self, data: FitData, queries: np.ndarray, qrels: csr_array) -> JudgedRows:
        """Return the documents and the queries with a positive, of unit length if `normalize`."""
        if not self.normalize:
            refuse_overflow(data)
        judged = data.judged
        X, Q = data.documents, queries[judged]
        if self.normalize:
            X, Q = unit_rows(X), unit_rows(Q)
        return JudgedRows(X, Q.astype(X.dtype, copy=False), csr_array(qrels[judged]))

    def _prefix(self, X: np.ndarray, m: int) -> np.ndarray:
        weights = self.adaptor_.parameters.items()
        arrays = {name: W.astype(X.dtype, copy=False) for name, W in weights}
        Z: np.ndarray = self.adaptor_.replace(**arrays).transform(X, m)
        return Z
