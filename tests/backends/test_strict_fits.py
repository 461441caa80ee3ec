"""A whole fit uses nothing beyond the array API, and its arrays stay on their device."""

import array_api_strict as strict
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from madapt import MatryoshkaAdaptor
from madapt.backends import Backend, register, registry
from madapt.baselines import SearchAdaptor

N, D, N_QUERIES = 300, 24, 40
generator = np.random.default_rng(0)


def rows(n):
    factors = generator.standard_normal((n, 6)) @ generator.standard_normal((6, D))
    return (factors + 0.3 * generator.standard_normal((n, D))).astype(np.float32)


X, MANY = rows(N), rows(2500)
Q = X[:N_QUERIES] + 0.2 * rows(N_QUERIES)
JUDGED = {"queries": Q, "qrels": [{i: 1} for i in range(N_QUERIES)]}
#: Parameters, and what is fitted on.
FITS = {
    "documents": ({}, X, {}),
    "many documents, early stopping": ({}, MANY, {}),
    "documents, float64": ({}, X.astype(np.float64), {}),
    "documents, all losses of pairs": (
        {"listwise_weight": 0.5, "topk_weight": 1.0, "pairwise_weight": 0.5},
        X,
        {},
    ),
    "documents, an MLP": ({"rotation": "svd", "hidden_dim": 8, "topk_weight": 1.0}, MANY, {}),
    "queries": ({"center": 0.5}, X, {"queries": Q}),
    "judgments": ({}, X, JUDGED),
    "judgments, no guard": ({"guard": False}, X, JUDGED),
    "judgments, logistic loss": ({"guard": False, "ranking_loss": "logistic"}, X, JUDGED),
}


class StrictBackend(Backend):
    """Arrays that know only the standard, on a device that NumPy cannot read."""

    name = "strict"
    xp = strict
    device = strict.Device("device1")

    def asarray(self, X):
        """Take rows to the device."""
        return strict.asarray(X, device=self.device)

    def to_numpy(self, X):
        """Take rows from the device."""
        assert X.device == self.device
        return np.asarray(X.to_device(strict.Device("CPU_DEVICE")))


@pytest.fixture(autouse=True)
def backend(monkeypatch):
    monkeypatch.setattr(registry, "_makers", dict(registry._makers))
    register("strict", StrictBackend)


def both(make, *arguments, **keywords):
    """Return what the reference backend and the strict one learn."""
    return [make(backend).fit(*arguments, **keywords) for backend in ("numpy", "strict")]


@pytest.mark.parametrize("name", FITS)
def test_a_fit_gives_numpys_bits(name):
    parameters, documents, labels = FITS[name]

    def make(backend):
        return MatryoshkaAdaptor(max_iter=12, random_state=0, backend=backend, **parameters)

    one, other = both(make, documents, **labels)
    assert one.fingerprint_ == other.fingerprint_
    assert one.validation_scores_ == other.validation_scores_
    assert_array_equal(one.loss_curve_, other.loss_curve_)
    assert len(one.loss_curve_) > 0
    assert type(other.rotation_) is np.ndarray


def test_the_papers_method_gives_numpys_bits():
    def make(backend):
        return MatryoshkaAdaptor.from_paper(max_iter=6, random_state=0, backend=backend)

    one, other = both(make, X, **JUDGED)
    assert one.fingerprint_ == other.fingerprint_


def test_search_adaptor_gives_numpys_bits():
    def make(backend):
        return SearchAdaptor(max_iter=6, random_state=0, backend=backend)

    one, other = both(make, X, **JUDGED)
    assert_array_equal(one.transform(X, dim=8), other.transform(X, dim=8))


@pytest.mark.parametrize("parameters", [{}, {"rotation": "svd", "hidden_dim": 8}])
def test_a_second_fit_goes_on_with_numpys_bits(parameters):
    def make(backend):
        model = MatryoshkaAdaptor(max_iter=6, random_state=0, backend=backend, **parameters)
        return model.fit(X).set_params(warm_start=True)

    one, other = both(make, X, **JUDGED)
    assert one.fingerprint_ == other.fingerprint_


def test_a_stream_gives_numpys_bits():
    def learned(backend):
        model = MatryoshkaAdaptor(max_iter=6, random_state=0, backend=backend)
        for part in np.array_split(MANY, 3):
            model.partial_fit(part)
        return model

    assert learned("numpy").fingerprint_ == learned("strict").fingerprint_
