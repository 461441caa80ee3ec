"""partial_fit learns from a stream of batches."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

import madapt._stream
from madapt import MatryoshkaAdaptor
from madapt._linalg import svd_rotation
from madapt._rows import unit_rows
from madapt.exceptions import InterruptedWarning, InvalidValueError
from madapt.training import first_stage
from madapt.training.stream import Stream

N, D = 200, 16


def rows(n=N):
    generator = np.random.default_rng(0)
    factors = generator.standard_normal((n, 6)) @ generator.standard_normal((6, D))
    return (factors + 0.4 * generator.standard_normal((n, D))).astype(np.float32)


X = rows()
FAST = {"max_iter": 6, "random_state": 0}


def streamed(parts, X=X, **parameters):
    model = MatryoshkaAdaptor(**{**FAST, **parameters})
    for part in np.array_split(X, parts):
        assert model.partial_fit(part) is model
    return model


@pytest.mark.parametrize("parts", [1, 3, 7])
def test_the_start_is_the_svd_rotation_of_everything_seen(parts):
    model = streamed(parts, rotation="svd", hidden_dim=None, max_fit_rows=30)
    assert_allclose(model.rotation_, svd_rotation(unit_rows(X)), atol=1e-5)
    assert model.n_samples_seen_ == N
    assert model.stream_.rows.shape == (30, D)


def test_the_sample_does_not_depend_on_the_batches():
    one, other = streamed(1, max_fit_rows=50).stream_, streamed(9, max_fit_rows=50).stream_
    assert_array_equal(one.draws, other.draws)
    assert_array_equal(one.rows, other.rows)


def test_the_sample_is_uniform():
    counts = np.zeros(40)
    for seed in range(400):
        stream = Stream.empty(X, seed)
        for part in np.array_split(np.arange(40), 4):
            stream = stream.followed_by(np.repeat(part[:, None], D, axis=1), 10)
        counts[stream.rows[:, 0].astype(int)] += 1
    assert counts.sum() == 4000
    assert abs(counts[:10].sum() - 1000) < 120  # standard deviation 24
    assert counts.min() > 60  # 100 on average, standard deviation 9


def test_rows_that_were_trained_on_are_never_held_out_later():
    model = MatryoshkaAdaptor(**FAST)
    trained = np.zeros((0, 2))
    for part in np.array_split(rows(3000), 6):
        stream = model.partial_fit(part).stream_
        split = stream.split(model._settings_of_stream(stream))
        held_out = stream.draws[split.held_out_documents]
        assert not (trained[:, None] == held_out[None]).all(axis=2).any()
        trained = np.concatenate([trained, stream.draws[split.documents]])


@pytest.mark.parametrize("parameters", [{}, {"rotation": "identity", "hidden_dim": 4}])
def test_transforms_after_each_batch_and_is_deterministic(parameters):
    one, other = (MatryoshkaAdaptor(**FAST, **parameters) for _ in range(2))
    for part in np.array_split(X, 5):
        one.partial_fit(part)
        other = pickle.loads(pickle.dumps(other)).partial_fit(part)
        assert one.fingerprint_ == other.fingerprint_
        assert one.transform(X, dim=4).shape == (N, 4)
        assert one.n_iter_ == len(one.loss_curve_) > 0


def test_what_was_learned_is_carried_along(monkeypatch):
    """Without a step, into the SVD rotation of all rows."""
    monkeypatch.setattr(first_stage, "is_no_worse", lambda *scores, **options: True)
    model = MatryoshkaAdaptor(**FAST, dims=(2, 4, 16), rotation_dims=8).partial_fit(X[:150])
    n_iter, learned = model.n_iter_, model.rotation_
    model.partial_fit(X[150:])
    assert model.n_iter_ == n_iter
    P = svd_rotation(unit_rows(X))
    assert np.abs(model.rotation_[:8] - P[:8]).max() > 1e-4
    assert_allclose(model.rotation_[8:], P[8:], atol=1e-5)
    # Prefixes of 8 dims and more span what the SVD's span.
    assert_allclose(model.rotation_[:8].T @ model.rotation_[:8], P[:8].T @ P[:8], atol=1e-5)
    distance = np.linalg.norm(model.rotation_[:8] - learned[:8])
    assert distance < np.linalg.norm(P[:8] - learned[:8])
    model.partial_fit(X[:100])  # half as many again
    assert model.n_iter_ > n_iter


def test_the_guard_keeps_the_start(monkeypatch):
    monkeypatch.setattr(first_stage, "is_no_worse", lambda *scores, **options: False)
    model = streamed(3)
    assert set(model.validation_scores_["kept"]) == {"start"}
    assert_allclose(model.rotation_, svd_rotation(unit_rows(X)), atol=1e-5)
    assert model.stream_.candidate is not None
    assert not model.stream_.is_kept


def test_one_row_is_enough_to_begin():
    model = MatryoshkaAdaptor(**FAST).partial_fit(X[:1])
    assert model.transform(X).shape == (N, D)
    assert model.partial_fit(X[1:]).n_iter_ > 0


def test_what_is_refused_changes_nothing():
    model = streamed(2)
    before = pickle.dumps(model)
    for wrong, message in [
        (X[:, :5], "X has 5 features, but MatryoshkaAdaptor is expecting 16 features"),
        (X[:0], r"X must be a 2-D array of finite real numbers, got shape \(0, 16\)"),
        (np.full((2, D), np.nan), "got nan in row 0, column 0"),
    ]:
        with pytest.raises(ValueError, match=message):
            model.partial_fit(wrong)
        assert pickle.dumps(model) == before
    with pytest.raises(ValueError, match=r"got shape \(0, 16\)"):
        MatryoshkaAdaptor().partial_fit(X[:0])


def test_sums_of_squares_that_overflow_are_refused():
    model = MatryoshkaAdaptor(**FAST, normalize=False)
    with pytest.raises(InvalidValueError, match="normalize must be True where squares"):
        model.partial_fit(X.astype(np.float64) * 1e200)


def test_one_stream_has_rows_of_one_scale():
    model = streamed(2)
    before = model.fingerprint_
    with pytest.raises(InvalidValueError, match="normalize must be True, as for the rows before"):
        model.set_params(normalize=False).partial_fit(X)
    assert model.fingerprint_ == before
    assert model.set_params(normalize=True).partial_fit(X).n_samples_seen_ == 2 * N


@pytest.mark.parametrize("labels", [{"qrels": [{i: 1} for i in range(30)]}, {"center": 0.5}])
def test_labels_and_centring_are_not_thrown_away(labels):
    model = MatryoshkaAdaptor(**FAST, guard=False, center=labels.pop("center", None))
    model.fit(X, queries=X[:30] + 0.1, **labels)
    before = model.fingerprint_
    with pytest.raises(InvalidValueError, match="partial_fit must not follow a fit with labels or"):
        model.partial_fit(X)
    assert model.fingerprint_ == before
    assert clone(model).set_params(center=None).partial_fit(X).n_samples_seen_ == N


def test_after_fit_a_new_stream_begins():
    model = MatryoshkaAdaptor(**FAST).fit(X)
    streaming = streamed(2)
    assert not hasattr(model, "n_samples_seen_")
    assert clone(model).fit(X[:50]).partial_fit(X[:100]).n_samples_seen_ == 100
    again = MatryoshkaAdaptor(**FAST).fit(X[:50])
    for part in np.array_split(X, 2):
        again.partial_fit(part)
    assert again.fingerprint_ == streaming.fingerprint_
    assert streaming.fit(X).fingerprint_ == model.fingerprint_
    assert streaming.stream_ is None


def test_after_ctrl_c_the_batch_counts(monkeypatch):
    model = MatryoshkaAdaptor(**FAST)

    def report(name):
        def show(done, loss):
            raise KeyboardInterrupt

        return show

    with monkeypatch.context() as patched:
        patched.setattr(madapt._stream, "printer", lambda verbose: report)
        with pytest.warns(InterruptedWarning, match="partial_fit was interrupted after 1 steps"):
            model.partial_fit(X[:100])
    assert model.n_samples_seen_ == 100
    assert model.transform(X).shape == (N, D)
    assert model.partial_fit(X[100:101]).n_iter_ == 1 + 6  # trained now
