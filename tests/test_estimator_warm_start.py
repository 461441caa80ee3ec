"""warm_start: a further fit starts from what was learned."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from madapt import MatryoshkaAdaptor
from madapt.baselines import SVDRotation
from madapt.training import first_stage, second_stage
from madapt.training.composition import carried

N, D = 120, 16
FAST = {"max_iter": (10, 10), "hidden_dim": 8, "center": None, "random_state": 0}


def rows():
    generator = np.random.default_rng(0)
    factors = generator.standard_normal((N, 6)) @ generator.standard_normal((6, D))
    return (factors + 0.4 * generator.standard_normal((N, D))).astype(np.float32)


X = rows()
Q = X[:24] + 0.2 * np.random.default_rng(1).standard_normal((24, D)).astype(np.float32)
LABELS = {"queries": Q, "qrels": [{i: 1, i + 60: 2} for i in range(24)]}


@pytest.fixture
def accept(monkeypatch):
    for stage in (first_stage, second_stage):
        monkeypatch.setattr(stage, "is_no_worse", lambda *scores, **options: True)
    monkeypatch.setattr(second_stage, "falls_below", lambda *scores, **options: False)


def fitted(labels=None, **parameters):
    return MatryoshkaAdaptor(**{**FAST, **parameters}).fit(X, **(labels or {}))


def again(model, **parameters):
    return pickle.loads(pickle.dumps(model)).set_params(warm_start=True, **parameters)


def test_off_is_a_fresh_fit():
    model = fitted(guard=False)
    before = model.fingerprint_
    assert model.fit(X).fingerprint_ == before


def test_a_first_fit_is_the_same_with_and_without():
    assert fitted(LABELS, warm_start=True).fingerprint_ == fitted(LABELS).fingerprint_


@pytest.mark.parametrize("guard", ["accepts", "off"])
def test_no_further_steps_change_nothing(guard, request):
    """Of neither the rotation nor the MLP."""
    if guard == "accepts":
        request.getfixturevalue("accept")
    model = fitted(LABELS, guard=guard != "off")
    more = again(model, max_iter=0).fit(X, **LABELS)
    assert model.adaptor_.has_mlp
    assert more.n_iter_ == 0
    assert_allclose(more.transform(X), model.transform(X), atol=2e-6)
    assert_allclose(more.rotation_, model.rotation_, atol=2e-6)


def test_the_rotation_goes_on_from_where_it_stands():
    parameters = {"guard": False, "early_stopping": False, "learning_rate": 1e-3}
    model = fitted(**parameters)
    more = again(model).fit(X)
    start = SVDRotation().fit(X).rotation_
    moved = np.abs(more.rotation_ - model.rotation_).max()
    assert 0 < moved < np.abs(more.rotation_ - start).max()
    assert_allclose(more.rotation_ @ more.rotation_.T, np.eye(D), atol=2e-6)
    assert np.mean(more.loss_curve_[-3:]) < np.mean(model.loss_curve_[:3])


@pytest.mark.parametrize("rotation", ["svd", "identity"])
def test_an_mlp_goes_on_from_its_weights(rotation):
    parameters = {"rotation": rotation, "guard": False, "early_stopping": False}
    model = fitted(**parameters)
    assert_array_equal(
        again(model, max_iter=0).fit(X).adaptor_.W2, model.adaptor_.W2
    )  # not one step
    more = again(model, learning_rate=1e-5).fit(X)
    assert_allclose(more.adaptor_.W1, model.adaptor_.W1, atol=1e-3)
    assert np.abs(more.adaptor_.W2 - model.adaptor_.W2).max() > 0


@pytest.mark.usefixtures("accept")
def test_of_labels_only_the_second_stage():
    """The rotation stays, the MLP is trained further."""
    model = fitted(LABELS)
    more = again(model, max_iter=(0, 10)).fit(X, **LABELS)
    assert_allclose(more.rotation_, model.rotation_, atol=2e-6)
    assert more.adaptor_.W1.shape == model.adaptor_.W1.shape == (D, 8)
    assert np.abs(more.adaptor_.W2 - model.adaptor_.W2).max() > 1e-4


@pytest.mark.usefixtures("accept")
def test_without_labels_no_mlp_is_kept():
    model = fitted(LABELS)
    assert not again(model).fit(X).adaptor_.has_mlp


def test_the_guard_compares_with_the_proper_start(monkeypatch):
    """A start that was spoilt does not pass, and the SVD rotation takes its place."""
    model = fitted(guard=False)
    spoilt = np.linalg.qr(np.random.default_rng(0).standard_normal((D, D)))[0].astype(np.float32)
    model.adaptor_ = model.adaptor_.replace(P=spoilt)
    more = again(model, guard=True, max_iter=1).fit(X)
    assert set(more.validation_scores_["kept"]) == {"start"}
    assert_array_equal(more.rotation_, SVDRotation().fit(X).rotation_)


def test_the_guard_of_labels_compares_with_what_there_is_without_the_mlp(monkeypatch):
    seen = []
    original = second_stage.cross_validate

    def cross_validate(*arguments, **keywords):
        seen.append(original(*arguments, **keywords))
        return seen[-1]

    monkeypatch.setattr(second_stage, "cross_validate", cross_validate)
    # Where the first stage has seen no query, both are measured behind one rotation.
    model = fitted(LABELS, query_share=0.0)
    generator = np.random.default_rng(0)
    weights = (
        3 * generator.standard_normal(shape).astype(np.float32) for shape in ((D, 8), (8, D))
    )
    model.adaptor_ = model.adaptor_.with_mlp(*weights)
    again(model, max_iter=(0, 0)).fit(X, **LABELS)
    cold, warm = seen
    assert_allclose(warm.before.mean(), cold.before.mean(), atol=1e-3)
    assert warm.after[1.0].mean() < warm.before.mean() - 0.01  # the spoilt MLP itself


def test_an_mlp_carried_over_adds_the_same_vector():
    model = fitted(LABELS, guard=False)
    P = np.linalg.qr(np.random.default_rng(0).standard_normal((D, D)))[0].astype(np.float32)
    other = carried(model.adaptor_, P).replace(P=P)
    before = model.adaptor_.transform(X) @ model.adaptor_.P.T
    assert_allclose(other.transform(X) @ P.T, before, atol=2e-5)
    assert carried(fitted().adaptor_, P) is None


def test_another_dtype():
    model = fitted(guard=False)
    more = again(model).fit(X.astype(np.float64))
    assert more.rotation_.dtype == np.float64
    assert_allclose(more.rotation_ @ more.rotation_.T, np.eye(D), atol=1e-12)


def test_another_number_of_features_is_refused_and_nothing_is_lost():
    model = again(fitted())
    before = model.fingerprint_
    with pytest.raises(ValueError, match="X has 8 features, but MatryoshkaAdaptor is expecting 16"):
        model.fit(X[:, :8])
    assert model.n_features_in_ == D
    assert model.fingerprint_ == before
    assert model.set_params(warm_start=False).fit(X[:, :8]).n_features_in_ == 8


def test_another_mlp_is_refused():
    model = again(fitted(LABELS, guard=False))
    with pytest.raises(ValueError, match="hidden_dim must be 8, as in the adaptor that .* got 4"):
        model.set_params(hidden_dim=4).fit(X, **LABELS)
    with pytest.raises(ValueError, match="activation must be 'relu', as in .* got 'tanh'"):
        model.set_params(hidden_dim=8, activation="tanh").fit(X, **LABELS)
    assert model.set_params(hidden_dim="auto", activation="relu").fit(X, **LABELS).adaptor_.has_mlp
