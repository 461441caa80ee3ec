"""What one training step computes: loss and gradients of a batch, and the update."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
from array_api_compat import array_namespace, device

from madapt.adaptor import ResidualAdaptor
from madapt.losses import Objective, reconstruction_loss
from madapt.training.optimizers import Adam, OrthogonalAdam, cosine_decay
from madapt.training.sampling import DocumentBatch, DocumentSampler, QuerySampler

__all__ = ["DocumentTask", "QueryTask", "Updater"]

Gradients = dict[str, Any]


@dataclass
class DocumentTask:
    """Losses among documents, and of unlabeled queries against documents; no labels.

    Parameters
    ----------
    X : array of shape (n + n_queries, k)
        The adaptor's inputs, documents first.
    T : array of shape (n + n_queries, d)
        Unit rows whose cosines are the targets.
    objective : Objective
        The losses among documents.
    sampler : DocumentSampler or None
        None where batches are handed in.
    reconstruction_weight : float, default=0.0
        Of the distance between what goes in and what comes out.
    """

    X: Any
    T: Any
    objective: Objective
    sampler: DocumentSampler | None = None
    reconstruction_weight: float = 0.0

    def gradients(self, adaptor: ResidualAdaptor) -> tuple[float, Gradients]:
        """Return the loss of the next batch and the gradient of each parameter."""
        if self.sampler is None:
            raise ValueError("gradients needs a sampler; a batch at hand goes to evaluate")
        return self.evaluate(adaptor, self.sampler.draw())

    def evaluate(self, adaptor: ResidualAdaptor, batch: DocumentBatch) -> tuple[float, Gradients]:
        """Return the loss and the gradients of a given batch."""
        xp = array_namespace(self.X)
        n_rows, n, n_queries = len(batch.rows), len(batch.columns), len(batch.queries)
        index = np.concatenate([batch.columns, batch.queries])
        forward = adaptor.forward(_rows(self.X, index), self.objective.kernels)
        T = _rows(self.T, index)
        S = self.objective.product(_without(T, n_rows, n), T[:n, :].T)  # (B + B_q, n)
        neighbors = batch.neighbors
        if neighbors is not None:
            neighbors = xp.asarray(neighbors, device=device(self.X))
        if n_rows == n and not n_queries:
            loss, dY = self.objective.documents(forward.Y, S, neighbors=neighbors)
        else:
            others = np.ones((n_rows + n_queries, n), dtype=bool)
            np.fill_diagonal(others[:n_rows], False)  # the rows are the first columns
            loss, (d_rows, d_columns) = self.objective.documents(
                _without(forward.Y, n_rows, n),
                S,
                neighbors=neighbors,
                columns=forward.Y[:n, :],
                pairs=xp.asarray(others, device=device(self.X)),
            )
            dY = xp.concat(
                [
                    d_columns[:n_rows, :] + d_rows[:n_rows, :],
                    d_columns[n_rows:, :],
                    d_rows[n_rows:, :],
                ],
                axis=0,
            )
        return _with_reconstruction(adaptor, forward, loss, dY, self.reconstruction_weight)


@dataclass
class QueryTask:
    """Losses of judged queries against documents, with the documents' own as a regulariser.

    Parameters
    ----------
    queries : array of shape (n_queries, d)
        The adaptor's inputs, queries.
    documents : array of shape (n_documents, d)
        The adaptor's inputs, documents.
    T : array of shape (n_documents, d')
        Unit rows whose cosines are the documents' targets.
    objective : Objective
        The losses among documents.
    sampler : QuerySampler
        Draws the batches.
    generator : numpy.random.Generator
        Draws the noise and the documents of the regulariser.
    ranking_weight, reconstruction_weight : float, default=1.0
        Of the loss of the judgments, and of the distance between what goes in and comes out.
    input_noise : float, default=0.0
        Noise on the inputs, uniform in each coordinate, of length input_noise on average.
    n_regularised : int, default=384
        Documents of a batch among which the documents' losses are computed.
    query_targets : array of shape (n_queries, d') or None, default=None
        Unit rows: their cosines with T are what queries found among documents before. None
        lets go of it.
    fidelity : Objective or None, default=None
        The loss that keeps it.
    fidelity_weight : float, default=0.0
        Of that loss.
    """

    queries: Any
    documents: Any
    T: Any
    objective: Objective
    sampler: QuerySampler
    generator: np.random.Generator
    ranking_weight: float = 1.0
    reconstruction_weight: float = 1.0
    input_noise: float = 0.0
    n_regularised: int = 384
    query_targets: Any = None
    fidelity: Objective | None = None
    fidelity_weight: float = 0.0

    def gradients(self, adaptor: ResidualAdaptor) -> tuple[float, Gradients]:
        """Return the loss of the next batch and the gradient of each parameter."""
        xp = array_namespace(self.documents)
        batch = self.sampler.draw()
        n_queries = len(batch.queries)
        X = xp.concat([_rows(self.queries, batch.queries), _rows(self.documents, batch.documents)])
        forward = adaptor.forward(self._noisy(X), self.objective.kernels)
        Q, D = forward.Y[:n_queries, :], forward.Y[n_queries:, :]
        grades = xp.asarray(batch.grades, dtype=X.dtype, device=device(X))
        loss, (dQ, dD) = self.objective.queries(Q, D, grades)
        loss = self.ranking_weight * loss
        dY = self.ranking_weight * xp.concat([dQ, dD], axis=0)
        if self.fidelity_weight and self.fidelity is not None:
            S = self.objective.product(
                _rows(self.query_targets, batch.queries), _rows(self.T, batch.documents).T
            )
            loss_queries, (dQ, dD) = self.fidelity.documents(Q, S, columns=D)
            loss = loss + self.fidelity_weight * loss_queries
            dY = dY + self.fidelity_weight * xp.concat([dQ, dD], axis=0)
        loss_documents, dY = self._regularise(D, batch.documents, n_queries, dY)
        return _with_reconstruction(
            adaptor, forward, loss + loss_documents, dY, self.reconstruction_weight
        )

    def _noisy(self, X: Any) -> Any:
        if not self.input_noise:
            return X
        xp = array_namespace(X)
        # Uniform on -1..1 has variance 1/3. The adaptor sees sums of hundreds of entries, for
        # which normal ones, which take five times as long to draw, make no difference.
        noise = self.generator.random(X.shape, dtype=np.float32)
        scale = self.input_noise * (3.0 / X.shape[1]) ** 0.5
        noise *= 2.0 * scale
        noise -= scale
        return X + xp.asarray(noise, dtype=X.dtype, device=device(X))

    def _regularise(
        self, D: Any, documents: np.ndarray, n_queries: int, dY: Any
    ) -> tuple[float, Any]:
        """Add the documents' own losses, among the first `n_regularised` of the batch."""
        if not self.objective.any_documents:
            return 0.0, dY
        xp = array_namespace(D)
        n = min(self.n_regularised, D.shape[0])
        T = _rows(self.T, documents[:n])
        S = self.objective.product(T, T.T)
        loss, dD = self.objective.documents(D[:n, :], S)
        end = n_queries + n
        return loss, xp.concat([dY[:n_queries, :], dY[n_queries:end, :] + dD, dY[end:, :]], axis=0)


@dataclass
class Updater:
    """One optimiser a parameter: Adam on the orthogonal group for P, Adam for the others."""

    learning_rate: float
    max_iter: int
    kernels: Mapping[str, Callable[..., Any]] = field(default_factory=lambda: MappingProxyType({}))
    optimizers: dict[str, Adam | OrthogonalAdam] = field(default_factory=dict)

    def update(self, adaptor: ResidualAdaptor, gradients: Gradients, done: int) -> ResidualAdaptor:
        """Return the adaptor after one step of cosine-decayed length."""
        rate = self.learning_rate * cosine_decay(done, self.max_iter)
        new = {}
        for name, gradient in gradients.items():
            if name not in self.optimizers:
                self.optimizers[name] = self._optimizer(name)
            new[name] = self.optimizers[name].step(getattr(adaptor, name), gradient, rate)
        return adaptor.replace(**new)

    def moments(self) -> dict[str, dict[str, Any]]:
        """Return a copy of each optimiser's moments and number of steps, by parameter."""
        return {name: optimizer.moments for name, optimizer in self.optimizers.items()}

    def restore(self, moments: Mapping[str, Mapping[str, Any]]) -> None:
        """Go on from such moments."""
        for name, found in moments.items():
            self.optimizers[name] = self._optimizer(name)
            self.optimizers[name].moments = found

    def _optimizer(self, name: str) -> Adam | OrthogonalAdam:
        return (OrthogonalAdam if name == "P" else Adam)(kernels=self.kernels)


def _without(X: Any, start: int, stop: int) -> Any:
    """Leave out the rows from start to stop."""
    if stop == X.shape[0]:
        return X[:start, :]
    return array_namespace(X).concat([X[:start, :], X[stop:, :]], axis=0)


def _rows(X: Any, index: np.ndarray) -> Any:
    """Gather rows, on the device of X."""
    xp = array_namespace(X)
    return xp.take(X, xp.asarray(index, device=device(X)), axis=0)


def _with_reconstruction(
    adaptor: ResidualAdaptor, forward: Any, loss: float, dY: Any, weight: float
) -> tuple[float, Gradients]:
    """Add the reconstruction loss and go back to the parameters."""
    if not (weight and adaptor.has_mlp):
        return loss, forward.backward(dY)
    loss_residual, d_residual = reconstruction_loss(forward.Y, forward.U)
    d_residual = weight * d_residual
    gradients = forward.backward(dY + d_residual, -d_residual)
    return loss + weight * loss_residual, gradients
