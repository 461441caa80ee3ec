"""`fit` on a Dask array: the SVD rotation of all rows, a sample, averaged training."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from madapt import MatryoshkaAdaptor
from madapt._linalg import svd_rotation
from madapt._rows import unit_rows
from madapt.adaptor import ResidualAdaptor
from madapt.dask import DaskMatryoshkaAdaptor
from madapt.dask._averaging import State, mean_state, polar_factor
from madapt.dask._reading import drawn_rows, within_blocks
from madapt.datasets import load_cranfield
from madapt.exceptions import InvalidTypeError, InvalidValueError

da = pytest.importorskip("dask.array", reason="the extra dask is not installed")

N, D = 300, 32
QUICK = {"max_iter": 3, "guard": False, "backend": "numpy", "random_state": 0}


@pytest.fixture(scope="module")
def rows():
    generator = np.random.default_rng(0)
    X = generator.standard_normal((N, D)) * np.arange(1, D + 1) ** -0.5
    return (X @ np.linalg.qr(generator.standard_normal((D, D)))[0]).astype(np.float32)


@pytest.fixture
def X(rows):  # noqa: N802
    return da.from_array(rows, chunks=(70, 20))


def cosines(adaptor, rows, m):
    Z = adaptor.transform(rows, dim=m).astype(np.float64)
    return Z @ Z.T


def orthogonality(adaptor):
    P = adaptor.rotation_.astype(np.float64)
    return np.abs(P @ P.T - np.eye(len(P))).max()


def test_the_svd_rotation_is_that_of_all_rows(rows, X):
    found = DaskMatryoshkaAdaptor(rotation="svd", hidden_dim=None, max_fit_rows=50).fit(X)
    assert_allclose(found.rotation_, svd_rotation(unit_rows(rows)), atol=2e-6)


def test_without_normalising_it_is_that_of_the_rows_as_they_are(rows, X):
    found = DaskMatryoshkaAdaptor(
        rotation="svd", hidden_dim=None, normalize=False, max_fit_rows=50
    ).fit(X)
    assert_allclose(found.rotation_, svd_rotation(rows), atol=2e-6)


def test_with_centring_it_is_that_of_the_centred_rows(rows, X):
    rows, X = rows + np.float32(0.3), X + np.float32(0.3)
    found = DaskMatryoshkaAdaptor(
        rotation="svd", hidden_dim=None, center=0.5, max_fit_rows=100, random_state=0
    ).fit(X, queries=rows[:40] + 1)
    assert found.center_ is not None
    centred = unit_rows(rows) - found.center_[0]
    assert_allclose(found.rotation_, svd_rotation(centred), atol=5e-6)


@pytest.mark.parametrize("labels", [False, True])
def test_where_all_rows_are_taken_it_is_the_local_fit(rows, X, labels):
    given = {}
    if labels:
        given = {"queries": rows[:60] + 0.05, "qrels": [{i: 1, i + 1: 2} for i in range(60)]}
        given["queries"] = given["queries"].astype(np.float32)
    settings = {**QUICK, "hidden_dim": 8 if labels else "auto"}
    here = MatryoshkaAdaptor(**settings).fit(rows, **given)
    if labels:
        given["queries"] = da.from_array(given["queries"], chunks=(25, 10))
    there = DaskMatryoshkaAdaptor(**settings).fit(X, **given)
    assert there.adaptor_.has_mlp == here.adaptor_.has_mlp == labels
    for m in (8, 16, D):
        assert_allclose(cosines(there, rows, m), cosines(here, rows, m), atol=1e-3)


@pytest.mark.parametrize("n_shards", [None, 2])
def test_the_same_chunks_and_seed_give_the_same_digits(X, n_shards):
    settings = {**QUICK, "max_fit_rows": 100, "n_shards": n_shards, "n_rounds": 2}
    one, other = (DaskMatryoshkaAdaptor(**settings).fit(X) for _ in range(2))
    assert_array_equal(one.rotation_, other.rotation_)
    assert one.fingerprint_ == other.fingerprint_
    another = DaskMatryoshkaAdaptor(**{**settings, "random_state": 1}).fit(X)
    assert another.fingerprint_ != one.fingerprint_


@pytest.mark.parametrize("settings", [{}, {"rotation": "svd", "hidden_dim": 6}])
def test_averaged_training_moves_and_stays_orthogonal(X, settings):
    settings = {**QUICK, "max_iter": 10, "n_rounds": 3, **settings}
    found = DaskMatryoshkaAdaptor(n_shards=3, **settings).fit(X)
    assert found.n_iter_ == 10
    assert orthogonality(found) < 2e-6
    start = DaskMatryoshkaAdaptor(rotation="svd", hidden_dim=None).fit(X)
    assert np.abs(found.transform(X, 8).compute() - start.transform(X, 8).compute()).max() > 1e-3
    assert np.isfinite(found.loss_curve_).all()


def test_the_number_of_rounds_changes_no_first_step(X):
    settings = {**QUICK, "max_iter": 6, "early_stopping": False}
    one = DaskMatryoshkaAdaptor(n_shards=1, n_rounds=1, **settings).fit(X)
    many = DaskMatryoshkaAdaptor(n_shards=1, n_rounds=6, **settings).fit(X)
    assert len(one.loss_curve_) == len(many.loss_curve_) == 6
    # The first round of both draws the same batches: its first step is the same.
    assert one.loss_curve_[0] == many.loss_curve_[0]


def test_held_out_rows_are_not_trained_on(X, monkeypatch):
    from madapt.dask import _rounds

    seen = []
    original = _rounds.AveragedTraining._inputs

    def watched(self, data, split, base, settings):
        tasks, sizes = original(self, data, split, base, settings)
        seen.append((len(split.held_out_documents), int(sizes.sum())))
        return tasks, sizes

    monkeypatch.setattr(_rounds.AveragedTraining, "_inputs", watched)
    DaskMatryoshkaAdaptor(n_shards=2, **{**QUICK, "guard": True}).fit(X)
    assert seen
    assert any(held_out > 0 for held_out, _ in seen)
    assert all(held_out + trained == N for held_out, trained in seen)


def test_averaged_training_is_near_the_local_fit():
    corpus = load_cranfield().corpus
    corpus = np.ascontiguousarray(corpus @ svd_rotation(corpus)[:64].T)
    settings = {"random_state": 0, "guard": False, "dims": (4, 8, 16, 32), "backend": "numpy"}
    settings |= {"max_iter": 40, "support_size": 256, "early_stopping": False}
    here = MatryoshkaAdaptor(**settings).fit(corpus)
    there = DaskMatryoshkaAdaptor(n_shards=2, n_rounds=8, **settings)
    there.fit(da.from_array(corpus, chunks=(350, -1)))
    start = MatryoshkaAdaptor(settings["dims"], rotation="svd", hidden_dim=None).fit(corpus)
    local, averaged, svd = (found.score(corpus) for found in (here, there, start))
    assert abs(averaged - local) < 0.01
    assert averaged > svd + 0.02


def test_the_guard_keeps_the_start_where_nothing_can_be_learned():
    noise = np.random.default_rng(0).standard_normal((400, 16)).astype(np.float32)
    X = da.from_array(noise, chunks=(100, -1))
    found = DaskMatryoshkaAdaptor(
        n_shards=2, dims=(4, 8), max_iter=4, backend="numpy", learning_rate=1e-6, random_state=0
    ).fit(X)
    assert set(found.validation_scores_["kept"]) == {"start"}
    assert_allclose(found.rotation_, svd_rotation(unit_rows(noise)), atol=2e-5)


def test_unknown_chunks(rows, X):
    filtered = X[da.from_array(np.arange(N) >= 80, chunks=70)]
    found = DaskMatryoshkaAdaptor(**QUICK).fit(filtered)
    same = DaskMatryoshkaAdaptor(**QUICK).fit(da.from_array(rows[80:], chunks=(70, -1)))
    assert_allclose(cosines(found, rows, 8), cosines(same, rows, 8), atol=1e-3)


def test_judged_documents_are_gathered_first(rows, X):
    qrels = [{10 * i: 1} for i in range(25)]
    settings = {**QUICK, "max_fit_rows": 40, "hidden_dim": 4, "max_iter": (2, 2)}
    found = DaskMatryoshkaAdaptor(**settings).fit(X, queries=rows[:25], qrels=qrels)
    assert found.adaptor_.has_mlp
    assert orthogonality(found) < 2e-6


@pytest.mark.parametrize("n", [5, 40])
def test_wanted_rows_come_first_and_others_are_uniform(n):
    wanted = np.array([0, 3, 4, 39]) if n == 40 else np.array([0, 3])
    counts = np.zeros(n)
    for seed in range(2000):
        drawn = drawn_rows(n, 5 if n == 40 else 3, wanted, np.random.default_rng(seed))
        assert (np.diff(drawn) > 0).all()
        assert np.isin(wanted, drawn).all()
        counts[drawn] += 1
    others = np.setdiff1d(np.arange(n), wanted)
    expected = 2000 / len(others)
    assert (np.abs(counts[others] - expected) < 5 * expected**0.5).all()
    assert_array_equal(drawn_rows(n, n, wanted, np.random.default_rng(0)), np.arange(n))
    only = drawn_rows(n, 1, wanted, np.random.default_rng(0))
    assert len(only) == 1
    assert only[0] in wanted


def test_indices_within_blocks():
    within = within_blocks(np.array([0, 2, 3, 9]), np.array([2, 0, 2, 6]))
    assert [part.tolist() for part in within] == [[0], [], [0, 1], [5]]


def test_the_mean_of_rotations_is_the_rotation_nearest_to_it():
    def turned(angle):
        c, s = np.cos(angle), np.sin(angle)
        return State(ResidualAdaptor(np.array([[c, -s], [s, c]])), {}, [angle])

    found = mean_state([turned(0.2), turned(0.6)], np.array([0.5, 0.5]))
    assert_allclose(found.adaptor.P, turned(0.4).adaptor.P, atol=1e-12)
    assert found.losses == [0.4]
    R = np.random.default_rng(0).standard_normal((6, 6))
    Q = polar_factor(R)
    assert_allclose(Q @ Q.T, np.eye(6), atol=1e-12)
    assert (np.linalg.eigvalsh(Q.T @ R + R.T @ Q) > 0).all()  # the symmetric factor


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_shards": 0}, "n_shards must"),
        ({"n_rounds": 1.5}, "n_rounds must"),
        ({"max_fit_rows": 0}, "max_fit_rows must"),
    ],
)
def test_bad_parameters_are_refused_before_any_block_is_read(rows, parameters, message):
    def refuse(block):
        raise AssertionError("read")

    X = da.from_array(rows, chunks=(70, D)).map_blocks(refuse, dtype=np.float32, meta=rows[:0])
    with pytest.raises((InvalidValueError, InvalidTypeError), match=message):
        DaskMatryoshkaAdaptor(**parameters).fit(X)


def test_bad_input_is_refused_by_name(rows, X):
    with pytest.raises(InvalidTypeError, match="client must be a distributed.Client or None"):
        DaskMatryoshkaAdaptor(client="tcp://127.0.0.1:1").fit(X)
    with pytest.raises(InvalidValueError, match="corpus must be None with Dask arrays"):
        DaskMatryoshkaAdaptor().fit(rows[:5], corpus=X)
    with pytest.raises(InvalidTypeError, match="qrels must come with queries"):
        DaskMatryoshkaAdaptor().fit(X, qrels=[{0: 1}])
    bad = rows.copy()
    bad[75, 3] = np.inf
    adaptor = DaskMatryoshkaAdaptor(**QUICK)
    with pytest.raises(InvalidValueError, match="block 1 of X must be .* got inf in row 5"):
        adaptor.fit(da.from_array(bad, chunks=(70, D)))
    assert not hasattr(adaptor, "n_features_in_")
    large = da.full((20, 4), 1e200, chunks=(10, 4))
    with pytest.raises(InvalidValueError, match="normalize must be True where squares"):
        DaskMatryoshkaAdaptor(normalize=False).fit(large)
