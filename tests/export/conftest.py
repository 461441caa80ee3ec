"""Adaptors of every kind, and rows of every kind, for all exports."""

import numpy as np
import pytest
from scipy.sparse import csr_array

from madapt import MatryoshkaAdaptor
from madapt._rows import unit_rows

N, D = 60, 12
generator = np.random.default_rng(5)
X = generator.standard_normal((N, 5)) @ generator.standard_normal((5, D)) + 0.4
X = (X + 0.3 * generator.standard_normal((N, D))).astype(np.float32)
Q = (X[:30] + 0.3 * generator.standard_normal((30, D)) - 0.5).astype(np.float32)
R = csr_array((np.ones(30, np.float32), (np.arange(30), np.arange(30))), shape=(30, N))

MATRICES = {
    "rotation": {},
    "svd": {"rotation": "svd"},
    "float64": {"dtype": np.float64},
    "as they are": {"normalize": False},
}
LABELLED = {
    name: {"center": 0.4, "hidden_dim": 7, "activation": name, "labels": True}
    for name in ("relu", "gelu", "silu", "tanh", "identity")
}
LINEAR = {**MATRICES, "centred": {"center": 0.6}, "identity": LABELLED["identity"]}
ALL = {**LINEAR, **LABELLED, "paper": {"rotation": "identity", "hidden_dim": 5}}


def fit(dtype=np.float32, labels=False, **parameters):
    more = {"queries": Q.astype(dtype)} if labels or "center" in parameters else {}
    if labels:
        more["qrels"] = R
    chosen = {"max_iter": 3, "hidden_dim": None, "guard": False, "random_state": 0}
    model = MatryoshkaAdaptor(**{**chosen, **parameters}).fit(X.astype(dtype), **more)
    adaptor = model.adaptor_
    if adaptor.has_mlp:
        # As large as the skip connection, so that a wrong MLP shows.
        random = np.random.default_rng(1)
        arrays = {
            name: random.standard_normal(getattr(adaptor, name).shape).astype(dtype) * 0.5
            for name in ("W1", "b1", "W2", "b2")
        }
        model.adaptor_ = adaptor.replace(**arrays)
    return model


@pytest.fixture(scope="session")
def models():
    """One of each kind."""
    return {name: fit(**kind) for name, kind in ALL.items()}


@pytest.fixture(scope="session", params=ALL)
def model(request, models):
    """Any kind."""
    return models[request.param]


@pytest.fixture(scope="session", params=LINEAR)
def linear_model(request, models):
    """Without an MLP, but for a linear one."""
    return models[request.param]


@pytest.fixture(scope="session", params=MATRICES)
def matrix_model(request, models):
    """A rotation and nothing else."""
    return models[request.param]


@pytest.fixture(scope="session", params=[name for name in ALL if name not in MATRICES])
def other_model(request, models):
    """More than a rotation."""
    return models[request.param]


@pytest.fixture(params=range(1, D + 1))
def dim(request):
    """Every prefix."""
    return request.param


@pytest.fixture(scope="session")
def rows():
    """Rows as they come: long, short and zero ones among them, float32."""
    Y = (generator.standard_normal((40, D)) + 0.2).astype(np.float32)
    Y[3], Y[7] = 0, Y[0]
    Y[11:30] *= 10.0 ** generator.uniform(-3, 3, (19, 1)).astype(np.float32)
    return Y


@pytest.fixture(scope="session")
def check(rows):
    """Compare rows with what `transform` gives: to 1e-6, which prefixes much shorter than the whole
    adapted row, and rows that are not scaled, make larger in proportion."""

    def compare(found, model, dim, side="document", X=rows):
        Z = model.transform(X, dim=dim, side=side)
        assert found.dtype == Z.dtype == np.float32
        assert found.shape == Z.shape
        Y = X.astype(np.float64)
        Y = unit_rows(Y) if model.normalize else Y
        Y = Y if model.center_ is None else Y - model.center_[int(side == "query")]
        Y = model.adaptor_.transform(Y)
        size, whole = (np.linalg.norm(A, axis=1, keepdims=True) for A in (Y[:, :dim], Y))
        scale = np.maximum(whole, 1) / np.where(size > 0, size, 1) if model.normalize else whole
        np.testing.assert_allclose((found - Z) / np.maximum(scale, 1), 0, atol=1e-6)

    return compare
