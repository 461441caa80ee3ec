"""Another model's vectors are told from other texts of the same model, and transform warns."""

import pickle
import warnings

import numpy as np
import pytest

from madapt import MatryoshkaAdaptor
from madapt._vector_check import VectorStatistics, sampled_rows, vector_statistics
from madapt.datasets import load_cranfield
from madapt.exceptions import OtherModelWarning

DATA = load_cranfield("test")
X, Q = DATA.corpus.astype(np.float32), DATA.queries.astype(np.float32)
N, D = X.shape
GENERATOR = np.random.default_rng(0)
ROTATION = np.linalg.qr(GENERATOR.standard_normal((D, D)))[0].astype(np.float32)
ORDER = GENERATOR.permutation(D)
MESSAGE = "X does not look like vectors of the model that this was fitted on .another model: sim"


def fitted(rows=X, **parameters):
    parameters = {"max_iter": 3, "random_state": 0, "guard": False, **parameters}
    return MatryoshkaAdaptor(**parameters).fit(rows)


MODELS = {
    "learned": fitted(),
    "svd": fitted(rotation="svd", hidden_dim=4, dim_weights=None),
    "identity": fitted(rotation="identity", hidden_dim=4, dim_weights=None),
    "as they are": fitted(normalize=False),
    "other half": fitted(X[::2]),
    "centred": MatryoshkaAdaptor(max_iter=3, guard=False, center=0.5).fit(X, queries=Q),
}


def nearest(row, n=20):
    return X[np.argsort(-(X @ X[row]))[:n]]


SAME = {
    "corpus": X,
    "queries": Q,
    "twenty": X[100:120],
    "one topic": nearest(7),
    "another topic": nearest(1000),
    "float16": X.astype(np.float16),
    "float64": X.astype(np.float64),
    "longer": 37 * X,
    "of many lengths": X * np.geomspace(1e-6, 1e6, N, dtype=np.float32)[:, None],
    "with zero rows": np.vstack([X[:30], np.zeros((300, D), np.float32)]),
    "two decimals": X.round(2),
}
OTHER = {
    "rotated": X @ ROTATION,
    "permuted": X[:, ORDER],
    "reversed": X[:, ::-1],
    "moved by one": np.roll(X, 1, axis=1),
    "queries, rotated": Q @ ROTATION,
    "twenty, permuted": X[100:120, ORDER],
    "noise": GENERATOR.standard_normal((500, D)),
}


@pytest.mark.parametrize("side", ["document", "query"])
@pytest.mark.parametrize("name", SAME)
@pytest.mark.parametrize("model", MODELS)
def test_the_same_model(model, name, side):
    found = MODELS[model].check_vectors(SAME[name])
    assert found.same_model is True
    assert found
    assert found.similarity > found.threshold + 0.1
    assert str(found).startswith("the same model: similarity ")
    MODELS[model].transform(SAME[name], dim=8, side=side)  # a warning would be an error


@pytest.mark.parametrize("name", OTHER)
@pytest.mark.parametrize("model", MODELS)
def test_another_model(model, name):
    found = MODELS[model].check_vectors(OTHER[name])
    assert found.same_model is False
    assert not found
    assert found.similarity < found.threshold - 0.05
    assert str(found).startswith("another model: similarity ")
    for form in (OTHER[name], OTHER[name].astype(np.float16)):
        with pytest.warns(OtherModelWarning, match=MESSAGE) as caught:
            MODELS[model].transform(form, dim=8)
        assert len(caught) == 1
        assert caught[0].filename == __file__


def test_the_warning_can_be_filtered_by_class():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OtherModelWarning)
        Z = MODELS["learned"].transform(OTHER["rotated"], dim=8)
    assert Z.shape == (N, 8)


def test_few_rows_give_no_verdict_and_no_warning():
    model = MODELS["learned"]
    for rows in (OTHER["permuted"][:19], np.repeat(OTHER["permuted"][:19], 40, axis=0)):
        found = model.check_vectors(rows)
        assert found.same_model is None
        assert found
        assert found.reason == "X has 19 distinct rows, fewer than 20"
        assert str(found) == f"cannot tell: {found.reason}"
        model.transform(rows)


def test_zero_rows_alone_give_no_verdict():
    found = MODELS["learned"].check_vectors(np.zeros((30, D), np.float32))
    assert found.same_model is None
    assert found.n_rows == 0
    assert np.isnan(found.similarity)


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        (X[:60], "the 60 rows of fit were too few or too even: halves of them agree by "),
        (GENERATOR.standard_normal((500, D)), "the 500 rows of fit were too few or too even"),
        (X[:, :63], "vectors have 63 coordinates, fewer than 64"),
        (X[:1], "the 1 rows of fit were too few or too even"),
    ],
)
def test_a_fit_that_cannot_tell(rows, reason):
    model = fitted(rows)
    found = model.check_vectors(X[:, ORDER][:, : rows.shape[1]])
    assert found.same_model is None
    assert found.reason.startswith(reason)
    model.transform(X[:, ORDER][:, : rows.shape[1]])


def test_statistics_are_of_the_documents_and_small():
    statistics = MODELS["learned"].vector_statistics_
    assert statistics.n_rows == N
    assert statistics.basis is None
    assert statistics.energies.shape == (D,)
    assert statistics.energies.dtype == np.float32
    assert statistics.energies.sum() == pytest.approx(1, abs=1e-3)
    assert 0.9 < statistics.stability <= 1
    assert MODELS["identity"].vector_statistics_.basis.shape == (D, D)


def test_statistics_of_many_rows_are_of_some_of_them():
    rows = np.tile(X, (4, 1))
    found = vector_statistics(rows, MODELS["learned"].rotation_, own_basis=False)
    assert found.n_rows < 4096
    assert found.check(Q, MODELS["learned"].rotation_).same_model


def test_the_similarity_is_spearman_s():
    from scipy.stats import spearmanr

    rows = Q.astype(np.float64)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    model = MODELS["learned"]
    energies = np.mean((rows @ model.rotation_.T) ** 2, axis=0)
    expected = spearmanr(energies, model.vector_statistics_.energies).statistic
    assert model.check_vectors(rows).similarity == pytest.approx(expected, abs=1e-3)


def test_pickle_keeps_the_verdict():
    model = pickle.loads(pickle.dumps(MODELS["identity"]))
    assert model.check_vectors(Q) == MODELS["identity"].check_vectors(Q)
    assert isinstance(model.vector_statistics_, VectorStatistics)


@pytest.mark.parametrize(("n", "most"), [(5, 20), (20, 20), (21, 20), (1000, 50), (99, 50)])
def test_a_sample_is_spread_and_always_the_same(n, most):
    rows = np.arange(n)[:, None]
    found = sampled_rows(rows, most)[:, 0]
    assert len(found) == min(n, most)
    assert {0, n - 1} <= set(found.tolist())
    np.testing.assert_array_equal(found, sampled_rows(rows, most)[:, 0])


def test_of_what_only_slices_the_first_rows_are_looked_at():
    class Sliced:
        shape, dtype, asked = X.shape, X.dtype, []

        def __getitem__(self, rows):
            self.asked.append((rows.start, rows.stop))
            return X[rows][:, ORDER]

    with pytest.warns(OtherModelWarning, match=MESSAGE):
        MODELS["learned"].transform(Sliced(), dim=4)
    assert Sliced.asked[0] == (None, 20)
    assert not MODELS["learned"].check_vectors(Sliced())


def test_a_memory_map_is_looked_at(tmp_path):
    np.save(tmp_path / "X.npy", X[:, ORDER])
    with pytest.warns(OtherModelWarning, match=MESSAGE):
        MODELS["learned"].transform(np.load(tmp_path / "X.npy", mmap_mode="r"), dim=4)
