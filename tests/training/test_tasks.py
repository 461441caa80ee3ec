"""Tasks put batches, losses and the adaptor together: their gradients, by differences."""

import numpy as np
import pytest
from scipy.sparse import csr_array

from madapt._rows import unit_rows
from madapt.adaptor import ResidualAdaptor
from madapt.losses import Objective, listwise_loss, reconstruction_loss
from madapt.training.sampling import DocumentBatch, DocumentSampler, QuerySampler
from madapt.training.tasks import DocumentTask, QueryTask, Updater

N, D, H = 14, 6, 4
DIMS = (2, 3, 5)
generator = np.random.default_rng(6)
X = unit_rows(generator.standard_normal((N, D)))
T = unit_rows(generator.standard_normal((N, D + 2)))
QUERIES = unit_rows(generator.standard_normal((5, D)))
GRADES = np.zeros((5, N))
GRADES[[0, 0, 1, 2, 3, 4, 4], [1, 5, 2, 7, 13, 0, 3]] = [1, 2, 1, 1, 3, 1, 1]
ADAPTOR = ResidualAdaptor(
    P=np.linalg.qr(generator.standard_normal((D, D)))[0],
    W1=generator.standard_normal((D, H)),
    b1=generator.standard_normal(H),
    W2=generator.standard_normal((H, D)),
    b2=generator.standard_normal(D),
    activation="tanh",
)


def assert_gradients(evaluate, adaptor):
    """Hold the gradients of evaluate(adaptor) to differences of its loss."""
    loss, gradients = evaluate(adaptor)
    assert evaluate(adaptor)[0] == loss  # the same batch again
    assert gradients.keys() == adaptor.parameters.keys()
    for name, parameter in adaptor.parameters.items():
        expected = np.empty_like(parameter)
        for at in np.ndindex(parameter.shape):
            step = np.zeros_like(parameter)
            step[at] = 1e-6
            ahead, _ = evaluate(adaptor.replace(**{name: parameter + step}))
            behind, _ = evaluate(adaptor.replace(**{name: parameter - step}))
            expected[at] = (ahead - behind) / 2e-6
        scale = np.abs(expected).max()
        np.testing.assert_allclose(gradients[name], expected, rtol=0, atol=1e-6 * scale)


@pytest.mark.parametrize("objective", [{"listwise_weight": 1.0}, {"topk_weight": 0.7}])
@pytest.mark.parametrize("n_columns", [6, 11])
@pytest.mark.parametrize("with_neighbors", [True, False])
def test_document_task(objective, n_columns, with_neighbors):
    neighbors = np.argsort(-(T @ T.T), axis=1)[:, 1:4] if with_neighbors else None

    def evaluate(adaptor):
        sampler = DocumentSampler(N, 6, n_columns, np.random.default_rng(1), neighbors)
        task = DocumentTask(X, T, Objective(DIMS, **objective), sampler, reconstruction_weight=0.3)
        return task.gradients(adaptor)

    assert_gradients(evaluate, ADAPTOR)


@pytest.mark.parametrize("n_columns", [4, 11])
@pytest.mark.parametrize("with_neighbors", [True, False])
def test_document_task_with_queries(n_columns, with_neighbors):
    rows = np.concatenate([X, QUERIES])
    targets = np.concatenate([T, unit_rows(generator.standard_normal((5, D + 2)))])
    neighbors = np.argsort(-(targets @ T.T), axis=1)[:, 1:4] if with_neighbors else None
    objective = Objective(DIMS, topk_weight=0.5, prefix_temperature=0.4)

    def evaluate(adaptor):
        sampler = DocumentSampler(
            N, 6, n_columns, np.random.default_rng(1), neighbors, n_queries=5, query_share=0.4
        )
        return DocumentTask(rows, targets, objective, sampler).gradients(adaptor)

    assert_gradients(evaluate, ADAPTOR)


def test_queries_are_rows_and_never_columns():
    rows, columns, queries = np.array([3]), np.array([3, 8, 0, 5]), np.array([N + 1, N + 4])
    inputs = np.concatenate([X, QUERIES])
    targets = np.concatenate([T, T[:5]])
    task = DocumentTask(inputs, targets, Objective(DIMS, neighbor_temperature=0.2))
    loss, _ = task.evaluate(ResidualAdaptor(), DocumentBatch(rows, columns, None, queries))
    both = np.concatenate([rows, queries])
    pairs = np.ones((3, 4), dtype=bool)
    pairs[0, 0] = False  # the document itself
    S = targets[both] @ targets[columns].T
    expected, _ = listwise_loss(
        inputs[both], S, DIMS, temperature=0.2, columns=inputs[columns], pairs=pairs
    )
    assert loss == pytest.approx(expected, rel=1e-12)


def test_documents_are_compared_with_the_others():
    rows, columns = np.array([3, 8]), np.array([3, 8, 0, 5])
    task = DocumentTask(X, T, Objective(DIMS, neighbor_temperature=0.2))
    loss, gradients = task.evaluate(ResidualAdaptor(), DocumentBatch(rows, columns, None))
    S = T[rows] @ T[columns].T
    pairs = ~np.eye(2, 4, dtype=bool)
    expected, _ = listwise_loss(X[rows], S, DIMS, temperature=0.2, columns=X[columns], pairs=pairs)
    assert loss == pytest.approx(expected, rel=1e-12)
    assert gradients == {}


def test_reconstruction_is_added_where_there_is_an_mlp():
    batch = DocumentBatch(np.arange(5), np.arange(5), None)
    plain, weighted = (DocumentTask(X, T, Objective(DIMS), None, weight) for weight in (0.0, 0.5))
    Y, U, _ = ADAPTOR.forward(X[:5])
    added = weighted.evaluate(ADAPTOR, batch)[0] - plain.evaluate(ADAPTOR, batch)[0]
    assert added == pytest.approx(0.5 * reconstruction_loss(Y, U)[0], rel=1e-12)
    rotation = ResidualAdaptor(ADAPTOR.P)
    assert weighted.evaluate(rotation, batch)[0] == plain.evaluate(rotation, batch)[0]


@pytest.mark.parametrize("relevance", ["softmax", "logistic"])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"ranking_weight": 0.4, "reconstruction_weight": 0.2},
        {"input_noise": 0.3, "n_regularised": 4},
    ],
    ids=["plain", "weighted", "noisy"],
)
def test_query_task(relevance, settings):
    hard = np.argsort(-(QUERIES @ X.T), axis=1)[:, :4]
    objective = Objective(DIMS, topk_weight=0.5, n_neighbors=2, relevance=relevance)

    def evaluate(adaptor):
        seeded = np.random.default_rng(2)
        sampler = QuerySampler(csr_array(GRADES), 4, 9, hard, seeded)
        return QueryTask(QUERIES, X, T, objective, sampler, seeded, **settings).gradients(adaptor)

    assert_gradients(evaluate, ADAPTOR)


def test_query_task_without_documents_losses():
    hard = np.zeros((5, 1), dtype=int)
    alone = Objective(DIMS, listwise_weight=0.0)
    assert not alone.any_documents

    def evaluate(adaptor):
        seeded = np.random.default_rng(2)
        sampler = QuerySampler(csr_array(GRADES), 5, N, hard, seeded)
        task = QueryTask(QUERIES, X, T, alone, sampler, seeded, reconstruction_weight=0.0)
        return task.gradients(adaptor)

    assert_gradients(evaluate, ADAPTOR)
    order = np.random.default_rng(2).permutation(5)  # all queries, all documents: one value
    Y, Q = ADAPTOR.forward(X).Y, ADAPTOR.forward(QUERIES[order]).Y
    expected, _ = alone.queries(Q, Y, GRADES[order])
    assert evaluate(ADAPTOR)[0] == pytest.approx(expected, rel=1e-12)


def test_updater_rotates_the_rotation_and_decays():
    updater = Updater(0.1, max_iter=4)
    adaptor = ADAPTOR
    steps = []
    for done in range(5):
        gradients = {name: np.ones_like(array) for name, array in adaptor.parameters.items()}
        before, adaptor = adaptor, updater.update(adaptor, gradients, done)
        assert np.abs(adaptor.P.T @ adaptor.P - np.eye(D)).max() < 1e-5
        steps.append(before.b1 - adaptor.b1)
    # Adam's direction under a constant gradient is 1: what is left is the decay.
    expected = 0.1 * 0.5 * (1 + np.cos(np.pi * np.arange(5) / 4))
    np.testing.assert_allclose(np.array(steps), np.tile(expected[:, None], H), atol=1e-8)
    assert np.abs(adaptor.P - ADAPTOR.P).max() > 0.01


def test_updater_leaves_the_rest_alone():
    adaptor = Updater(0.1, max_iter=4).update(ADAPTOR, {"W2": np.ones((H, D))}, 0)
    assert adaptor.W2 is not ADAPTOR.W2
    assert adaptor.P is ADAPTOR.P
    assert adaptor.W1 is ADAPTOR.W1
