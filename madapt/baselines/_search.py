"""Search-Adaptor's training: an adaptor and a query predictor, learned together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from array_api_compat import array_namespace, device
from scipy.sparse import csr_array

from madapt._activations import ACTIVATIONS
from madapt.adaptor import ResidualAdaptor
from madapt.backends import Backend
from madapt.losses import Objective, prediction_loss, reconstruction_loss
from madapt.training.guard import query_ndcg
from madapt.training.loop import History, minimise
from madapt.training.optimizers import Adam
from madapt.training.sampling import QuerySampler

__all__ = ["JudgedRows", "QueryPredictor", "SearchSettings", "SearchTask", "State", "train"]

#: Steps between looks at the held-out queries.
CHECK_EVERY = 25


@dataclass(frozen=True)
class SearchSettings:
    """The parameters of a `SearchAdaptor`, checked."""

    hidden_dim: int
    activation: str
    init_scale: tuple[float, float]
    recovery_weight: float
    prediction_weight: float
    learning_rate: float
    max_iter: int
    batch_size: int
    n_negatives: int
    early_stopping: bool
    validation_fraction: float
    n_iter_no_change: int


class JudgedRows(NamedTuple):
    """Documents (n, d), queries (n_queries, d) and grades (n_queries, n), a positive in each."""

    documents: np.ndarray
    queries: np.ndarray
    qrels: csr_array


@dataclass(frozen=True)
class QueryPredictor:
    """p(x) = activation(x W1 + b1) W2 + b2, from an adapted document to an adapted query.

    Parameters
    ----------
    W1, b1, W2, b2 : arrays of shapes (d, h), (h,), (h, d), (d,)
    activation : str, default="relu"
    """

    W1: Any
    b1: Any
    W2: Any
    b2: Any
    activation: str = "relu"

    def forward(self, X: Any) -> tuple[Any, Callable[[Any], tuple[dict[str, Any], Any]]]:
        """Return p(X), (n, d), and backward: dL/dp -> (gradients by name, dL/dX)."""
        xp = array_namespace(X)
        H, slope = ACTIVATIONS[self.activation](X @ self.W1 + self.b1)  # (n, h)

        def backward(dY: Any) -> tuple[dict[str, Any], Any]:
            dZ = (dY @ self.W2.T) * slope  # (n, h)
            gradients = {
                "W1": X.T @ dZ,
                "b1": xp.sum(dZ, axis=0),
                "W2": H.T @ dY,
                "b2": xp.sum(dY, axis=0),
            }
            return gradients, dZ @ self.W1.T

        return H @ self.W2 + self.b2, backward


class State(NamedTuple):
    """What is trained; or the gradients of it, as dictionaries."""

    adaptor: Any
    predictor: Any


@dataclass
class SearchTask:
    """Ranking, recovery and prediction loss of a batch of judged queries.

    Parameters
    ----------
    queries, documents : arrays of shapes (n_queries, d), (n, d)
    objective : Objective
        Of the ranking loss at full dim.
    sampler : QuerySampler
    recovery_weight, prediction_weight : float
    """

    queries: Any
    documents: Any
    objective: Objective
    sampler: QuerySampler
    recovery_weight: float = 1.0
    prediction_weight: float = 1.0

    def gradients(self, state: State) -> tuple[float, State]:
        """Return the loss of the next batch and the gradient of each parameter.

        Notes
        -----
        L = L_rank + recovery_weight (L_rec of the queries + L_rec of the documents)
        + prediction_weight L_pred, all on rows adapted at full dim.
        """
        xp = array_namespace(self.documents)
        batch = self.sampler.draw()
        B = len(batch.queries)
        # Documents with a positive come first: no other predicts a query.
        positive = (batch.grades > 0).any(axis=0)
        order = np.argsort(~positive, kind="stable")
        n_positive = int(positive.sum())
        X = xp.concat(
            [_rows(self.queries, batch.queries), _rows(self.documents, batch.documents[order])]
        )
        grades = xp.asarray(batch.grades[:, order], dtype=X.dtype, device=device(X))
        forward = state.adaptor.forward(X, self.objective.kernels)
        (Q, D), (U_Q, U_D) = ((A[:B, :], A[B:, :]) for A in (forward.Y, forward.U))
        loss, (dQ, dD) = self.objective.queries(Q, D, grades)
        loss_Q, moved_Q = reconstruction_loss(Q, U_Q)
        loss_D, moved_D = reconstruction_loss(D, U_D)
        loss += self.recovery_weight * (loss_Q + loss_D)
        dQ = dQ + self.recovery_weight * moved_Q
        dD = dD + self.recovery_weight * moved_D
        d_predictor: dict[str, Any] = {}
        if self.prediction_weight:
            value, d_queries, d_judged, d_predictor = self._prediction(
                state.predictor, Q, D[:n_positive, :], grades[:, :n_positive]
            )
            loss, dQ = loss + value, dQ + d_queries
            dD = xp.concat([dD[:n_positive, :] + d_judged, dD[n_positive:, :]], axis=0)
        return loss, State(forward.backward(xp.concat([dQ, dD], axis=0)), d_predictor)

    def _prediction(
        self, predictor: QueryPredictor, Q: Any, D: Any, grades: Any
    ) -> tuple[float, Any, Any, dict[str, Any]]:
        """Return the weighted loss, its gradients in Q and D, and those of the predictor."""
        predicted, backward = predictor.forward(D)
        value, (dQ, dP) = prediction_loss(Q, predicted, grades)
        weight = self.prediction_weight
        gradients, dD = backward(weight * dP)
        return weight * value, weight * dQ, dD, gradients


@dataclass
class _Updater:
    """Adam of a constant rate on every parameter of the adaptor and of the predictor."""

    learning_rate: float
    kernels: Mapping[str, Callable[..., Any]] = field(default_factory=lambda: MappingProxyType({}))
    optimizers: dict[tuple[str, str], Adam] = field(default_factory=dict)

    def update(self, state: State, gradients: State) -> State:
        """Return the state after one step."""
        networks = {}
        for part, of_part in gradients._asdict().items():
            network = getattr(state, part)
            new = {}
            for name, gradient in of_part.items():
                adam = self.optimizers.setdefault((part, name), Adam(kernels=self.kernels))
                new[name] = adam.step(getattr(network, name), gradient, self.learning_rate)
            networks[part] = replace(network, **new)
        return State(**networks)


def train(
    data: JudgedRows,
    settings: SearchSettings,
    generator: np.random.Generator,
    backend: Backend,
    *,
    report: Callable[[int, float], None] | None = None,
) -> tuple[ResidualAdaptor, History]:
    """Learn an adaptor from judged queries.

    Parameters
    ----------
    data : JudgedRows
    settings : SearchSettings
    generator : numpy.random.Generator
    backend : Backend
        Where the training runs; data are NumPy and so is the result.
    report : callable or None, default=None
        (steps done, loss) -> None.

    Returns
    -------
    adaptor : ResidualAdaptor
        Of the step with the best held-out nDCG@10 at full dim, or of the last one.
    history : History
        Of the steps that were done.
    """
    training, held_out = _split(data.qrels.shape[0], settings, generator)
    documents, kernels = backend.asarray(data.documents), backend.kernels
    n_documents = (1 + settings.n_negatives) * settings.batch_size
    sampler = QuerySampler(
        data.qrels[training],
        settings.batch_size,
        n_documents,
        np.empty((len(training), 0), dtype=int),
        generator,
        n_positives=1 + settings.n_negatives,
    )
    d = data.documents.shape[1]
    objective = Objective((d,), relevance="logistic", relevance_temperature=1.0, kernels=kernels)
    task = SearchTask(
        backend.asarray(data.queries[training]),
        documents,
        objective,
        sampler,
        settings.recovery_weight,
        settings.prediction_weight,
    )
    updater = _Updater(settings.learning_rate, kernels)

    def step(state: State, done: int) -> tuple[float, State]:
        loss, gradients = task.gradients(state)
        return loss, updater.update(state, gradients)

    queries, qrels = backend.asarray(data.queries[held_out]), data.qrels[held_out]

    def check(state: State) -> float:
        Q, D = (backend.to_numpy(state.adaptor.forward(X, kernels).Y) for X in (queries, documents))
        return -float(query_ndcg(qrels, lambda m: (Q, D), (d,)).mean())

    with backend.training():
        state, history = minimise(
            initial_state(d, settings, generator, documents),
            step,
            max_iter=settings.max_iter,
            check=check if len(held_out) else None,
            check_every=CHECK_EVERY,
            n_iter_no_change=settings.n_iter_no_change,
            report=report,
        )
    arrays = {name: backend.to_numpy(W) for name, W in state.adaptor.parameters.items()}
    return ResidualAdaptor(activation=settings.activation, **arrays), history


def initial_state(
    d: int, settings: SearchSettings, generator: np.random.Generator, like: Any
) -> State:
    """Return an adaptor and a predictor of normal weights and zero biases.

    A layer's standard deviation is its scale over the square root of its number of inputs;
    `init_scale` has the adaptor's, and the predictor's layers both take the first.
    """
    xp = array_namespace(like)
    h = settings.hidden_dim
    first, last = settings.init_scale

    def normal(rows: int, columns: int, scale: float) -> Any:
        W = generator.standard_normal((rows, columns)) * (scale / np.sqrt(rows))
        return xp.asarray(W, dtype=like.dtype, device=device(like))

    adaptor = ResidualAdaptor(activation=settings.activation)
    adaptor = adaptor.with_mlp(normal(d, h, first), normal(h, d, last))
    W1, W2 = normal(d, h, first), normal(h, d, first)
    b1, b2 = xp.zeros_like(W1[0, :]), xp.zeros_like(W2[0, :])
    return State(adaptor, QueryPredictor(W1, b1, W2, b2, settings.activation))


def _split(
    n: int, settings: SearchSettings, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return the queries to train on and those to hold out, at least one of each if it can."""
    if not settings.early_stopping or n < 2:
        return np.arange(n), np.arange(0)
    order = generator.permutation(n)
    size = min(max(1, round(settings.validation_fraction * n)), n - 1)
    return np.sort(order[size:]), np.sort(order[:size])


def _rows(X: Any, index: np.ndarray) -> Any:
    """Gather rows, on the device of X."""
    xp = array_namespace(X)
    return xp.take(X, xp.asarray(index, device=device(X)), axis=0)
