"""MatryoshkaAdaptor, the scikit-learn estimator: parameters, checks, fit and transform."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state

from madapt._checks import check_bool, check_integer
from madapt._fit_data import FitData, gather
from madapt._parameters import PUBLISHED, check_center, settings_of
from madapt._stream import StreamMixin
from madapt._trained import Start, beginning_of
from madapt.adaptor import ResidualAdaptor
from madapt.backends import get_backend
from madapt.persistence import PersistenceMixin
from madapt.training import (
    Fit,
    Trainer,
    Watcher,
    fit_adaptor,
    prepare,
    printer,
    trainer_here,
)

__all__ = ["MatryoshkaAdaptor"]

Ids = Sequence[Hashable] | None


class MatryoshkaAdaptor(StreamMixin, PersistenceMixin, BaseEstimator):
    """Make an embedding Matryoshka: its first m coordinates serve as well as all did.

    Without labels it learns a rotation, so that at full dim every cosine is what it was
    while each prefix keeps the neighbours better. With judged queries it also trains a
    residual MLP that makes retrieval better than the embedding was.

    Parameters
    ----------
    dims : sequence of int or None, default=None
        Prefix lengths to train for, increasing. None: 8, 16, 32, ... below d, then d.
    dim : int or None, default=None
        What `transform` returns unless told otherwise. None: d.
    rotation : {"learned", "svd", "identity"}, default="learned"
        "learned" starts at the SVD rotation and is trained without labels; "svd" stays
        there; "identity" is the paper's skip connection. With a fixed rotation the MLP is
        what is trained without labels.
    rotation_dims : int, None or "auto", default="auto"
        The rotation turns that many leading coordinates of the SVD rotation; prefixes of
        that length and more keep the SVD's cosines. "auto" is 256 (128 below 2,500 documents
        and queries), and where the guard rejects the result 128, then 64. None is d.
    hidden_dim : int, None or "auto", default="auto"
        Hidden units of the residual MLP, None leaves it out. "auto" is 1,024 with labels, 512
        with a fixed rotation and no labels, None else. With labels and a guard the MLP is the
        mean of two, each of half the units: one trained on a share of the queries, one on all.
    activation : {"relu", "gelu", "silu", "tanh", "identity"}, default="relu"
        Of the MLP.
    center : "auto", float in 0..1 or None, default="auto"
        Share of its own mean that each side, documents and queries, loses before the
        rotation. Needs `queries`. "auto" is chosen by the judgments among 0, .25, .5 and
        .75; with 20 unlabeled queries or more it is up to .75, by how much centring thins out
        hubs among what they find, or 0 where that is little; and 0 otherwise.
    listwise_weight, topk_weight, pairwise_weight : float, default=1.0, 0.0, 0.0
        Weights of the losses among documents.
    reconstruction_weight : float, default=0.03
        Weight of the loss that keeps the MLP's output small.
    ranking_weight : float, default=1.0
        Weight of the loss of judged queries.
    fidelity_weight : float or "auto", default="auto"
        Weight of the listwise loss that holds judged queries to what they found before, while
        labels train the MLP: 1 with up to 50 judged queries, 50 / n with n.
    ranking_loss : {"softmax", "logistic"}, default="softmax"
        `graded_listwise_loss`, or the published pairwise `ranking_loss`.
    temperature : float, pair or "auto", default="auto"
        Of the listwise loss without labels and of the ranking loss with them: .03; and .05,
        or .1 where queries have more than two positives in the median. Where the standard
        deviation of the documents' cosines is below .07, as with models whose vectors share a
        large mean, temperatures that are "auto" shrink in proportion, unless 400 queries or
        more are judged.
    prefix_temperature : float, pair or "auto", default="auto"
        The prefix of m dims has the temperature t + prefix_temperature / m, its target
        t alone: .3 without labels, 0 with them.
    n_neighbors : int, default=10
        Neighbours of the top-k loss.
    batch_size : int, pair or "auto", default="auto"
        Documents a batch without labels, queries a batch with them: 256 and 64.
    support_size : int, None or "auto", default="auto"
        Documents each row of an unlabeled batch is compared with; "auto" is 4,096, None
        the batch itself.
    query_share : float in 0..1 or "auto", default="auto"
        Share of the rows of an unlabeled batch that are queries, where `queries` are given.
        "auto" is n / (n + 400) for n queries, at most .7.
    dim_weights : sequence of float, "relative" or None, default="relative"
        A weight for each of `dims` in the losses. "relative" divides each dim's loss
        by what it is at the start while a rotation is learned, and is None elsewhere; None
        weighs all alike.
    max_iter : int, pair or "auto", default="auto"
        Steps without and with labels: 150 (down to 75 below 2,500 documents and queries), and
        600 (150 below 400 judged queries).
    learning_rate : float, pair or "auto", default="auto"
        Where the cosine decay starts: 1e-2 for the rotation (down to 3e-3 below 2,500
        documents and queries; 1e-3 for an MLP without labels); with labels
        2e-3 (n / 125)^1.5 for n judged queries, from 2e-4 to 6e-3.
    input_noise : float, default=0.5
        Length of the Gaussian noise on the MLP's inputs while labels train it.
    init_scale : pair of float, default=(0.1, 0.0)
        Standard deviation of the weights of the MLP's first and last layer at the start,
        times the square root of the layer's number of inputs. A last layer of 0 starts at
        the rotation; a small first layer generalises better.
    early_stopping : bool, default=True
        Keep the state that is best on held-out rows where there are no labels. With labels,
        and below 2,000 documents or 500 queries, where rows are held out in folds, the schedule
        is run to its end, where the learning rate is 0.
    validation_fraction : float, default=0.1
        Share of the rows, and of the judged queries, that is held out; where that is few,
        in up to three folds, and what is kept is trained on all.
    n_iter_no_change : int, default=500
        Stop after that many steps without a better held-out score.
    guard : bool, default=True
        Keep a stage's result only where held-out data show it to be no worse than before.
    max_fit_rows : int, default=50_000
        Fit on at most that many documents, judged ones first, and on all judged queries and
        at most that many in all.
    warm_start : bool, default=False
        Whether a further `fit` starts from what was learned, the rotation and the MLP, instead of
        the SVD rotation; and after an interruption, on the same data, goes on where it ended.
    normalize : bool, default=True
        Scale rows to unit length on entry and on output. `transform` does what was set at the fit.
    backend : str, default="auto"
        Where the training runs; see `madapt.backends.available`. "auto" takes the CPU's kernels.
    random_state : int, RandomState instance or None, default=None
        Seeds everything that is drawn; the same int gives the same numbers.
    verbose : int, default=0
        1 prints each stage's progress.

    Attributes
    ----------
    dims_ : tuple of int
        Prefix lengths trained for.
    rotation_ : ndarray of shape (d, d)
        Orthogonal; rows are components.
    adaptor_ : ResidualAdaptor
        Rotation and MLP.
    center_ : ndarray of shape (2, d) or None
        What documents (row 0) and queries (row 1) lose before the rotation.
    n_iter_ : int
        Steps of the stages' final runs, together.
    loss_curve_ : list of float
        The loss of each of them.
    validation_scores_ : dict of str to list
        Held-out scores, a column a method: dim, frozen, truncation, pca, start, adaptor,
        supervised, what was kept, and the metric. Empty without a guard.
    quantizer_ : madapt.quantization.Quantizer
        What the codes of `transform` depend on, learned from up to 5,000 of the documents.
    held_out_ : HeldOutScores or None
        The scores of what was kept row by row, for `recommend_dim`; None without a guard.
    vector_statistics_ : VectorStatistics
        How the documents spread over the coordinates, for `check_vectors`.
    checkpoint_ : dict or None
        After an interrupted `fit` what a further one needs to go on, plain arrays and numbers.
    n_samples_seen_ : int
        Documents that `partial_fit` has seen; only after it.
    fingerprint_ : str
        Changes with anything that `transform` depends on.
    n_features_in_ : int
        d.

    References
    ----------
    Yoon, Sinha, Arik, Pfister: "Matryoshka-Adaptor: Unsupervised and Supervised Tuning for
    Smaller Embedding Dimensions", EMNLP 2024, arXiv 2407.20243.

    Examples
    --------
    >>> from madapt import MatryoshkaAdaptor
    >>> from madapt.datasets import load_cranfield
    >>> corpus = load_cranfield().corpus
    >>> adaptor = MatryoshkaAdaptor(max_iter=20, random_state=0).fit(corpus)
    >>> adaptor.transform(corpus, dim=32).shape
    (1400, 32)
    """

    # What a Pipeline with metadata routing hands on without being asked.
    __metadata_request__fit: ClassVar = dict.fromkeys(
        ("queries", "qrels", "corpus", "query_ids", "corpus_ids"), True
    )
    __metadata_request__transform: ClassVar = {"dim": True, "side": True, "precision": True}
    # Known, so that `Pipeline.score` can say that there is none; and refused: a search that is
    # handed a corpus needs a scorer that searches it, and so fails before it fits.
    __metadata_request__score: ClassVar = {"sample_weight": None, "corpus": None}

    def __init__(
        self,
        dims: Sequence[int] | None = None,
        dim: int | None = None,
        *,
        rotation: str = "learned",
        rotation_dims: int | str | None = "auto",
        hidden_dim: int | str | None = "auto",
        activation: str = "relu",
        center: float | str | None = "auto",
        listwise_weight: float = 1.0,
        topk_weight: float = 0.0,
        pairwise_weight: float = 0.0,
        reconstruction_weight: float = 0.03,
        ranking_weight: float = 1.0,
        fidelity_weight: float | str = "auto",
        ranking_loss: str = "softmax",
        temperature: Any = "auto",
        prefix_temperature: Any = "auto",
        n_neighbors: int = 10,
        batch_size: Any = "auto",
        support_size: int | str | None = "auto",
        query_share: float | str = "auto",
        dim_weights: Sequence[float] | str | None = "relative",
        max_iter: Any = "auto",
        learning_rate: Any = "auto",
        input_noise: float = 0.5,
        init_scale: tuple[float, float] = (0.1, 0.0),
        early_stopping: bool = True,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 500,
        guard: bool = True,
        max_fit_rows: int = 50_000,
        warm_start: bool = False,
        normalize: bool = True,
        backend: str = "auto",
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.dims = dims
        self.dim = dim
        self.rotation = rotation
        self.rotation_dims = rotation_dims
        self.hidden_dim = hidden_dim
        self.activation = activation
        self.center = center
        self.listwise_weight = listwise_weight
        self.topk_weight = topk_weight
        self.pairwise_weight = pairwise_weight
        self.reconstruction_weight = reconstruction_weight
        self.ranking_weight = ranking_weight
        self.fidelity_weight = fidelity_weight
        self.ranking_loss = ranking_loss
        self.temperature = temperature
        self.prefix_temperature = prefix_temperature
        self.n_neighbors = n_neighbors
        self.batch_size = batch_size
        self.support_size = support_size
        self.query_share = query_share
        self.dim_weights = dim_weights
        self.max_iter = max_iter
        self.learning_rate = learning_rate
        self.input_noise = input_noise
        self.init_scale = init_scale
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.guard = guard
        self.max_fit_rows = max_fit_rows
        self.warm_start = warm_start
        self.normalize = normalize
        self.backend = backend
        self.random_state = random_state
        self.verbose = verbose

    @classmethod
    def from_paper(cls, **parameters: Any) -> MatryoshkaAdaptor:
        """Return the published method to the letter.

        Identity rotation, an MLP of 512 with a small random last layer, the four losses of
        weight 1, batches of 128, learning rate 1e-3, at most 5,000 steps, patience 500, no
        guard. Its corpus batch of 50,000 is `max_fit_rows`.

        Parameters
        ----------
        **parameters : object
            Others of the constructor's, or replacements.

        References
        ----------
        Yoon, Sinha, Arik, Pfister: "Matryoshka-Adaptor", EMNLP 2024, arXiv 2407.20243.

        Examples
        --------
        >>> from madapt import MatryoshkaAdaptor
        >>> MatryoshkaAdaptor.from_paper().rotation
        'identity'
        """
        return cls(**(PUBLISHED | parameters))

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
    ) -> MatryoshkaAdaptor:
        """Learn the adaptor.

        ``fit(X)`` needs no labels; ``fit(X, queries=Q)`` centres each side by its own mean;
        ``fit(X, queries=Q, qrels=R)`` also learns from judgments; and
        ``fit(Q, R, corpus=X)`` is the same in the form that scikit-learn's model selection
        can split, where X's rows are the queries.

        Parameters
        ----------
        X : array-like or row-sliceable of shape (n, d)
            Embedded documents; or embedded queries where `corpus` is given. Of documents that
            `transform` would read block by block, a memory map or a file that
            `madapt.io.open_embeddings` has opened for instance, only `max_fit_rows` are read.
        y : sparse array of shape (n, n_docs), list of dicts, or ignored
            The judgments of the queries in X where `corpus` is given; otherwise ignored,
            and must be 1-D.
        queries : array-like of shape (n_queries, d) or None, default=None
            Embedded queries.
        qrels : sparse array (n_queries, n_docs), list of dicts, dict of dicts or None
            Grades, at or above 0. A stored zero is a document judged not relevant, a
            missing entry is unjudged. One dict a query maps documents to grades; a dict of
            dicts is BEIR's ``{query_id: {doc_id: grade}}`` and takes `query_ids` and
            `corpus_ids`.
        corpus : array-like of shape (n_docs, d), Corpus or None, default=None
            Embedded documents, where X holds queries. A `madapt.Corpus` is what a search does
            not cut where there are as many documents as queries.
        query_ids, corpus_ids : sequences or None, default=None
            Names of the queries' and the documents' rows in `qrels`.

        Returns
        -------
        MatryoshkaAdaptor
            self. After Ctrl-C, or where a callback stops it, it is fitted with the best state
            so far, and a warning says so.

        Raises
        ------
        ValueError, TypeError
            If an argument or a parameter cannot be used; before any work.
        """
        is_further = check_bool(self.warm_start, "warm_start") and hasattr(self, "adaptor_")
        max_rows = check_integer(self.max_fit_rows, "max_fit_rows", low=1)
        with self._columns_kept():
            rows = self._rows_to_fit(X, None if corpus is not None else max_rows, not is_further)
            data = gather(
                rows,
                y,
                queries=queries,
                qrels=qrels,
                corpus=corpus,
                query_ids=query_ids,
                corpus_ids=corpus_ids,
                max_rows=max_rows,
            )
            self._learn(data, rows, y, max_rows)
        return self

    def _learn(self, data: FitData, X: Any, y: Any, max_rows: int) -> None:
        """Check the parameters, train, and set what is left; callbacks are told X and y."""
        settings = settings_of(
            self, X.shape[1], *data.label_counts, data.n_queries, data.n_documents
        )
        center = check_center(self.center, data.queries is not None)
        backend = get_backend(self.backend)
        seed = check_random_state(self.random_state).randint(np.iinfo(np.int32).max)
        begun = beginning_of(self, seed, data, settings, center, max_rows, bool(self.normalize))
        generator = np.random.default_rng(begun.seed)

        sample = data.sample(max_rows, generator).sample_queries(max_rows, generator)
        start = Start(begun, generator, settings, center, backend)
        self._learn_from(sample, start, X, y)

    def _learn_from(
        self,
        sample: FitData,
        start: Start,
        X: Any,
        y: Any,
        rotation: Callable[[np.ndarray | None], np.ndarray | None] = lambda center: None,
        trainer: Callable[[np.ndarray | None], Trainer] = lambda center: trainer_here,
    ) -> None:
        """Train on a sample, and set what is left; callbacks are told X and y.

        `rotation` and `trainer` make of what each side loses the P of the start, if that is not
        the sample's own, and say where the first stage is trained.
        """
        begun, generator, settings, center, backend = start
        prepared, middle = prepare(sample, center, settings, bool(self.normalize))
        P = rotation(middle)

        def train(watcher: Watcher | None) -> Fit:
            return fit_adaptor(
                prepared,
                settings,
                generator,
                backend,
                report=printer(self.verbose),
                watcher=watcher,
                past=begun.past,
                checkpoint=begun.checkpoint,
                rotation=P,
                trainer=trainer(middle),
            )

        def attributes(adaptor: ResidualAdaptor) -> dict[str, Any]:
            return {"adaptor_": adaptor, "center_": middle, "dims_": settings.dims}

        fit = self._watched(X, y, attributes, train)
        self.checkpoint_ = self.stream_ = None
        if fit.is_new or not fit.interrupted or not begun.is_further:
            self._keep(fit, middle, settings.dims, sample.documents)
        if fit.interrupted:
            self._say_interrupted(begun, fit)
        elif prepared.judged_queries is not None and fit.has_refused_judgments(settings):
            self._say_refused()
