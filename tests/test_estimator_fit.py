"""What fit trains and keeps: scores, the guard, steps, documents, the published settings."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy.sparse import csr_array

from madapt import MatryoshkaAdaptor
from madapt.baselines import PCAReducer, SVDRotation
from madapt.training import first_stage, second_stage

N, D, N_QUERIES = 200, 24, 40


def topics_under_style(seed=0):
    """Documents and queries whose topic, six weak factors, is what is relevant.

    Four strong factors, the style, hide it; judgments can tell which is which.
    """
    generator = np.random.default_rng(seed)
    basis = np.linalg.qr(generator.standard_normal((D, D)))[0]
    topics = generator.standard_normal((20, 6))
    of_document, of_query = generator.integers(20, size=N), generator.integers(20, size=N_QUERIES)
    rows = []
    for topic in (of_document, of_query):
        style = 3 * generator.standard_normal((len(topic), 4))
        noise = 0.1 * generator.standard_normal((len(topic), D))
        rows.append((style @ basis[:4] + topics[topic] @ basis[4:10] + noise).astype(np.float32))
    return *rows, csr_array((of_query[:, None] == of_document).astype(np.float32))


X, Q, R = topics_under_style()
FAST = {"max_iter": (6, 15), "hidden_dim": 16, "learning_rate": ("auto", 1e-2), "random_state": 0}


def fitted(rows=X, *, queries=None, qrels=None, **parameters):
    model = MatryoshkaAdaptor(**{**FAST, **parameters})
    return model.fit(rows, queries=queries, qrels=qrels)


def test_scores_without_labels():
    scores = fitted(validation_fraction=0.3).validation_scores_
    columns = ["dim", "frozen", "truncation", "pca", "start", "adaptor", "kept", "metric"]
    assert list(scores) == columns
    assert all(len(column) == 3 for column in scores.values())
    assert scores["dim"] == [8, 16, 24]
    assert scores["frozen"] == pytest.approx([1, 1, 1], rel=1e-6)
    assert scores["truncation"][-1] == pytest.approx(1, rel=1e-6)
    assert scores["start"][-1] == pytest.approx(1, rel=1e-5)
    assert scores["metric"] == ["neighbor ndcg@10"] * 3
    assert scores["kept"] in (["start"] * 3, ["adaptor"] * 3)


def test_scores_with_labels_are_of_held_out_queries():
    model = fitted(queries=Q, qrels=R)
    scores = model.validation_scores_
    assert list(scores)[4:] == ["start", "adaptor", "supervised", "kept", "metric"]
    assert all(len(column) == 3 for column in scores.values())
    assert len(set(scores["frozen"])) == 1
    assert scores["frozen"][-1] == pytest.approx(scores["truncation"][-1], abs=1e-6)
    assert scores["metric"] == ["ndcg@10"] * 3
    assert scores["kept"] == ["supervised"] * 3
    assert np.mean(scores["supervised"]) > np.mean(scores["adaptor"]) + 0.02
    assert model.adaptor_.has_mlp
    assert isinstance(scores["pca"][0], float)


def test_scores_of_the_start_and_of_pca_can_be_had_by_hand():
    model = fitted(rotation="svd", validation_fraction=0.3)
    scores = model.validation_scores_
    seed = np.random.RandomState(0).randint(np.iinfo(np.int32).max)
    # Three folds hold out all 200 rows but two.
    order = np.random.default_rng(seed).permutation(N)[:198]
    unit = X / np.linalg.norm(X, axis=1, keepdims=True)
    discounts = 1 / np.log2(np.arange(2, 12))

    def nearest(rows, documents):
        rows, documents = (a / np.linalg.norm(a, axis=1, keepdims=True) for a in (rows, documents))
        return np.argsort(-rows @ documents.T, axis=1)[:, :10]

    def gained(held_out, name, m):
        corpus = np.delete(unit, held_out, axis=0)
        # Grades fall by a factor of e for each .05 that a document is less similar than the
        # nearest.
        similar = unit[held_out] @ corpus.T
        grades = np.exp((similar - similar.max(axis=1, keepdims=True)) / 0.05)
        best = np.take_along_axis(grades, nearest(unit[held_out], corpus), axis=1) @ discounts
        reducer = PCAReducer(normalize=False).fit(corpus) if name == "pca" else start
        found = nearest(reducer.transform(unit[held_out], dim=m), reducer.transform(corpus, dim=m))
        return np.take_along_axis(grades, found, axis=1) @ discounts / best

    start = SVDRotation().fit(unit)
    for name in ("pca", "start"):
        for place, m in enumerate(model.dims_):
            means = [gained(np.sort(fold), name, m).mean() for fold in np.split(order, 3)]
            assert scores[name][place] == pytest.approx(np.mean(means), abs=2e-3), (name, m)


@pytest.mark.parametrize("parameters", [{}, {"queries": Q, "qrels": R}])
def test_without_a_guard_there_are_no_scores(parameters):
    assert fitted(guard=False, **parameters).validation_scores_ == {}


def adversarial(seed=3):
    generator = np.random.default_rng(seed)
    return csr_array((generator.random((N_QUERIES, N)) < 0.02).astype(np.float32))


@pytest.mark.parametrize("normalize", [True, False])
def test_the_guard_rejects_what_random_judgments_teach(normalize):
    model = fitted(queries=Q, qrels=adversarial(), center=None, normalize=normalize)
    alone = fitted(queries=Q, center=None, normalize=normalize, hidden_dim=None)
    assert model.validation_scores_["kept"] == alone.validation_scores_["kept"]
    assert not model.adaptor_.has_mlp
    assert model.fingerprint_ == alone.fingerprint_
    assert_array_equal(model.transform(X, dim=5), alone.transform(X, dim=5))


def test_where_both_stages_are_rejected_the_start_is_what_was_kept(monkeypatch):
    for stage in (first_stage, second_stage):
        monkeypatch.setattr(stage, "is_no_worse", lambda *scores, **options: False)
    model = fitted(queries=Q, qrels=R, center=None)
    assert model.validation_scores_["metric"] == ["ndcg@10"] * 3
    assert model.validation_scores_["kept"] == ["start"] * 3
    assert model.validation_scores_["adaptor"] == model.validation_scores_["start"]
    assert_array_equal(model.rotation_, SVDRotation().fit(X).rotation_)


def test_without_a_guard_it_learns_even_from_random_judgments():
    model = fitted(queries=Q, qrels=adversarial(), center=None, guard=False)
    assert model.adaptor_.has_mlp
    assert np.abs(model.adaptor_.W2).max() > 0
    assert model.n_iter_ == 6 + 15


def test_the_guard_rejects_an_mlp_that_was_trained_badly():
    wild = {"rotation": "svd", "dim_weights": None, "early_stopping": False, "max_iter": 5}
    kept = fitted(learning_rate=3.0, **wild)
    assert kept.validation_scores_["kept"] == ["start"] * 3
    assert not kept.adaptor_.has_mlp
    assert_array_equal(kept.rotation_, SVDRotation().fit(X).rotation_)
    assert fitted(learning_rate=3.0, guard=False, **wild).adaptor_.has_mlp


@pytest.mark.parametrize("n", [2, 10, 19])
def test_with_nothing_held_out_the_guard_keeps_the_start(n):
    model = fitted(X[:n])
    assert_array_equal(model.rotation_, SVDRotation().fit(X[:n]).rotation_)
    assert (model.n_iter_, model.validation_scores_) == (0, {})
    assert fitted(X[:n], guard=False).n_iter_ == 6


def test_one_judged_query_cannot_be_held_out():
    judgments = {"queries": Q[:1], "qrels": R[:1], "center": None}
    assert not fitted(**judgments).adaptor_.has_mlp
    assert fitted(**judgments, guard=False).adaptor_.has_mlp


def test_max_fit_rows_takes_judged_documents_first():
    even = np.arange(0, N, 2)
    at = np.repeat(np.arange(N_QUERIES), len(even)), np.tile(even, N_QUERIES)
    judged = csr_array((R.toarray()[at], at), shape=R.shape)  # zeros are judged, too
    options = {"queries": Q, "center": 0.5, "rotation": "svd", "hidden_dim": None}
    some = fitted(qrels=judged, max_fit_rows=len(even), **options)
    alone = fitted(X[even], qrels=judged[:, even], **options)
    assert some.fingerprint_ == alone.fingerprint_
    assert some.fingerprint_ != fitted(qrels=judged, **options).fingerprint_
    assert fitted(max_fit_rows=1).rotation_.shape == (D, D)


@pytest.mark.parametrize(
    ("parameters", "n_iter"),
    [
        ({"max_iter": 4}, 8),
        ({"max_iter": (4, 7)}, 11),
        ({"max_iter": (0, 7)}, 7),
        ({"max_iter": (4, 0)}, 4),
        ({"max_iter": 0}, 0),
        ({"hidden_dim": None, "max_iter": 4}, 4),
        ({"rotation": "svd", "max_iter": 4}, 8),
    ],
)
def test_steps_and_losses(parameters, n_iter):
    model = fitted(queries=Q, qrels=R, guard=False, **parameters)
    assert model.n_iter_ == len(model.loss_curve_) == n_iter
    assert np.isfinite(model.loss_curve_).all()


def test_the_published_settings():
    model = MatryoshkaAdaptor.from_paper()
    published = {
        "rotation": "identity",
        "hidden_dim": 512,
        "activation": "relu",
        "center": None,
        "listwise_weight": 0.0,
        "topk_weight": 1.0,
        "pairwise_weight": 1.0,
        "reconstruction_weight": 1.0,
        "ranking_weight": 1.0,
        "ranking_loss": "logistic",
        "dim_weights": None,
        "batch_size": 128,
        "support_size": None,
        "max_iter": 5000,
        "learning_rate": 1e-3,
        "input_noise": 0.0,
        "n_iter_no_change": 500,
        "guard": False,
        "max_fit_rows": 50_000,
    }
    parameters = model.get_params()
    assert {name: parameters[name] for name in published} == published
    assert parameters["init_scale"][1] > 0
    assert MatryoshkaAdaptor.from_paper(max_iter=7, dim=3).get_params()["max_iter"] == 7


def test_the_published_method_trains():
    model = MatryoshkaAdaptor.from_paper(max_iter=25, random_state=0).fit(X)
    assert_array_equal(model.rotation_, np.eye(D))
    assert model.adaptor_.W1.shape == (D, 512)
    assert model.n_iter_ == 25
    assert np.mean(model.loss_curve_[-5:]) < np.mean(model.loss_curve_[:5])
    judged = MatryoshkaAdaptor.from_paper(max_iter=(5, 25), random_state=0)
    judged.fit(X, queries=Q, qrels=R)
    assert np.mean(judged.loss_curve_[-5:]) < np.mean(judged.loss_curve_[5:10])


@pytest.mark.parametrize("verbose", [1, 2, True])
def test_verbose_prints_each_stage(capsys, verbose):
    fitted(queries=Q, qrels=R, verbose=verbose)
    printed = capsys.readouterr().out.splitlines()
    assert all(line.startswith("[MatryoshkaAdaptor] stage ") for line in printed)
    for stage in ("stage 1, 24 dims: step 1, loss ", "stage 2, cv: step 1,", "stage 2: step 1,"):
        assert any(stage in line for line in printed), stage


@pytest.mark.parametrize("verbose", [0, False])
def test_it_is_quiet_unless_asked(capsys, verbose):
    fitted(queries=Q, qrels=R, verbose=verbose)
    assert capsys.readouterr() == ("", "")
