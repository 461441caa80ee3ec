"""Losses, adaptor, optimisers and tasks use nothing beyond the array API.

Everything runs on a strict array type, also on a device that is not the default, and
gives NumPy's numbers.
"""

from types import SimpleNamespace

import array_api_strict as strict
import numpy as np
import pytest
from scipy.sparse import csr_array

from madapt._activations import ACTIVATIONS
from madapt._rows import unit_rows
from madapt.adaptor import ResidualAdaptor
from madapt.losses import (
    Objective,
    graded_listwise_loss,
    listwise_loss,
    neighbor_pairs,
    pairwise_loss,
    prediction_loss,
    ranking_loss,
    reconstruction_loss,
    topk_loss,
)
from madapt.training.optimizers import Adam, OrthogonalAdam, nearest_orthogonal
from madapt.training.sampling import DocumentSampler, QuerySampler
from madapt.training.tasks import DocumentTask, QueryTask, Updater

N, B, D, H = 12, 5, 8, 6
DIMS = (2, 3, 7)
MIXED = Objective(DIMS, topk_weight=0.5, pairwise_weight=2.0, n_neighbors=3, weights=(1, 2, 3))
LOSSES = {
    "pairwise": lambda a: pairwise_loss(a.Y, a.S, DIMS),
    "pairwise, columns": lambda a: pairwise_loss(a.rows, a.S[:B, :], DIMS, columns=a.Y),
    "topk": lambda a: topk_loss(a.Y, a.S, a.near, DIMS),
    "reconstruction": lambda a: reconstruction_loss(a.Y, 0.5 * a.Y),
    "listwise": lambda a: listwise_loss(a.Y, a.S, DIMS),
    "listwise, columns": lambda a: listwise_loss(
        a.rows, a.S[:B, :], DIMS, columns=a.Y, pairs=a.pairs[:B, :], weights=(1, 1, 4)
    ),
    "ranking": lambda a: ranking_loss(a.rows, a.documents, a.grades, DIMS),
    "prediction": lambda a: prediction_loss(a.rows, a.documents, a.grades),
    "graded": lambda a: graded_listwise_loss(
        a.rows, a.documents, a.grades, DIMS, pairs=a.pairs[:B, B:]
    ),
    "documents": lambda a: MIXED.documents(a.Y, a.S),
    "documents, columns": lambda a: MIXED.documents(
        a.rows, a.S[:B, :], neighbors=a.near[:B, :], columns=a.Y, pairs=a.pairs[:B, :]
    ),
    "queries": lambda a: MIXED.queries(a.rows, a.documents, a.grades),
}


@pytest.fixture(params=[np.float32, np.float64])
def dtype(request):
    return request.param


@pytest.fixture(params=["CPU_DEVICE", "device1"])
def to_strict(request):
    device = strict.Device(request.param)
    return lambda array: strict.asarray(array, device=device)


@pytest.fixture
def data(dtype):
    """Arrays by name: Y and what the losses need, the adaptor's parameters."""
    generator = np.random.default_rng(0)
    grades = np.zeros((B, N - B))
    grades[[0, 0, 0, 2, 3], [1, 2, 6, 3, 0]] = [2, 1, 1, 3, 1]
    grades[4] = 1
    arrays = {
        "Y": generator.standard_normal((N, D)),
        "T": unit_rows(generator.standard_normal((N, D))),
        "S": np.corrcoef(generator.standard_normal((N, D))),
        "grades": grades,
        "P": np.linalg.qr(generator.standard_normal((D, D)))[0],
        "W1": generator.standard_normal((D, H)),
        "b1": generator.standard_normal(H),
        "W2": generator.standard_normal((H, D)),
        "b2": generator.standard_normal(D),
    }
    arrays = {name: array.astype(dtype) for name, array in arrays.items()}
    arrays["near"] = generator.random((N, N)) < 0.4
    arrays["pairs"] = generator.random((N, N)) < 0.7
    arrays["rows"], arrays["documents"] = arrays["Y"][:B], arrays["Y"][B:]
    return arrays


def adaptor_of(data, convert=lambda array: array, **settings):
    names = ("P", "W1", "b1", "W2", "b2")
    return ResidualAdaptor(**{name: convert(data[name]) for name in names}, **settings)


def assert_same(actual, expected, dtype, *, places=20):
    """Hold what strict arrays gave to what NumPy gave, to `places` eps of the largest entry."""
    tolerance = places * float(np.finfo(dtype).eps)
    if isinstance(expected, tuple):
        for one, other in zip(actual, expected, strict=True):
            assert_same(one, other, dtype, places=places)
    elif isinstance(expected, dict):
        assert actual.keys() == expected.keys()
        for name in expected:
            assert_same(actual[name], expected[name], dtype, places=places)
    elif isinstance(expected, float):
        assert isinstance(actual, float)
        assert actual == pytest.approx(expected, rel=tolerance)
    else:
        assert isinstance(actual, type(strict.ones(1)))
        actual = np.from_dlpack(actual)
        assert actual.dtype == expected.dtype == dtype
        atol = tolerance * np.abs(expected).max(initial=0.0)
        np.testing.assert_allclose(actual, expected, rtol=0, atol=atol)


@pytest.mark.parametrize("name", LOSSES)
def test_losses(name, data, to_strict, dtype):
    there = {key: to_strict(array) for key, array in data.items()}
    actual = LOSSES[name](SimpleNamespace(**there))
    assert_same(actual, LOSSES[name](SimpleNamespace(**data)), dtype, places=100)


def test_neighbor_pairs_and_unit_rows(data, to_strict, dtype):
    for k in (0, 3, N + 1):
        actual, expected = neighbor_pairs(to_strict(data["S"]), k), neighbor_pairs(data["S"], k)
        np.testing.assert_array_equal(np.from_dlpack(actual), expected)
    X = data["Y"].copy()
    X[2] = 0.0
    assert_same(unit_rows(to_strict(X)), unit_rows(X), dtype)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("lacking", [(), ("P",), ("W1", "b1", "W2", "b2")])
def test_adaptor(activation, lacking, data, to_strict, dtype):
    without = dict.fromkeys(lacking)
    here = adaptor_of(data, activation=activation).replace(**without)
    there = adaptor_of(data, to_strict, activation=activation).replace(**without)
    X, dY, dU = data["Y"], data["S"][:, :D], data["T"]
    actual, expected = there.forward(to_strict(X)), here.forward(X)
    assert_same(actual[:2], expected[:2], dtype)
    assert_same(
        actual.backward(to_strict(dY), to_strict(dU)), expected.backward(dY, dU), dtype, places=100
    )
    for dim in (None, 3):
        assert_same(there.transform(to_strict(X), dim), here.transform(X, dim), dtype)


def test_mlp_with_zero_biases(data, to_strict, dtype):
    there = ResidualAdaptor().with_mlp(to_strict(data["W1"]), to_strict(data["W2"]))
    here = ResidualAdaptor().with_mlp(data["W1"], data["W2"])
    assert_same(there.parameters, here.parameters, dtype)


@pytest.mark.parametrize("optimizer", [Adam, OrthogonalAdam])
def test_optimizers(optimizer, data, to_strict, dtype):
    generator = np.random.default_rng(1)
    here, there = optimizer(), optimizer()
    P, P_there = data["P"], to_strict(data["P"])
    for _ in range(5):
        gradient = generator.standard_normal((D, D)).astype(P.dtype)
        P = here.step(P, gradient, 0.05)
        P_there = there.step(P_there, to_strict(gradient), 0.05)
    assert_same(P_there, P, dtype, places=100)


def test_nearest_orthogonal(data, to_strict, dtype):
    near = 1.01 * data["P"]
    assert_same(nearest_orthogonal(to_strict(near)), nearest_orthogonal(near), dtype)


@pytest.mark.parametrize("n_columns", [B, 9])
@pytest.mark.parametrize("with_neighbors", [True, False])
def test_document_task(n_columns, with_neighbors, data, to_strict, dtype):
    def result(convert):
        neighbors = np.argsort(-data["S"], axis=1)[:, 1:4] if with_neighbors else None
        sampler = DocumentSampler(N, B, n_columns, np.random.default_rng(2), neighbors)
        X, T = convert(data["Y"]), convert(data["T"])
        task = DocumentTask(X, T, MIXED, sampler, reconstruction_weight=0.5)
        return task.gradients(adaptor_of(data, convert))

    assert_same(result(to_strict), result(np.asarray), dtype, places=200)


@pytest.mark.parametrize("relevance", ["softmax", "logistic"])
def test_query_task(relevance, data, to_strict, dtype):
    def result(convert):
        qrels = csr_array(data["grades"].astype(np.float32)[[0, 2, 3, 4]])
        hard = np.argsort(-data["S"][[0, 2, 3, 4], B:], axis=1)[:, :3]
        generator = np.random.default_rng(3)
        task = QueryTask(
            convert(data["Y"][[0, 2, 3, 4]]),
            convert(data["documents"]),
            convert(data["T"][B:]),
            Objective(DIMS, topk_weight=0.5, n_neighbors=3, relevance=relevance),
            QuerySampler(qrels, 3, 6, hard, generator),
            generator,
            input_noise=0.1,
            n_regularised=4,
        )
        return task.gradients(adaptor_of(data, convert))

    assert_same(result(to_strict), result(np.asarray), dtype, places=200)


def test_updater(data, to_strict, dtype):
    def result(convert):
        adaptor, updater = adaptor_of(data, convert), Updater(0.01, max_iter=10)
        for done in range(3):
            gradients = {name: convert(data[name] ** 2) for name in adaptor.parameters}
            adaptor = updater.update(adaptor, gradients, done)
        return adaptor.parameters

    assert_same(result(to_strict), result(np.asarray), dtype, places=100)
