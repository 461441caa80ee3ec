"""Search-Adaptor: its face, the gradients of a whole step, and that it learns."""

import inspect
import pickle

import array_api_strict as strict
import autograd.numpy as anp
import numpy as np
import pytest
from autograd import grad
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array
from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer
from sklearn.utils.estimator_checks import parametrize_with_checks

import madapt.baselines.search_adaptor
from madapt import MadaptError, MadaptWarning
from madapt._checks import check_dim
from madapt.adaptor import ResidualAdaptor
from madapt.baselines import SearchAdaptor, Truncation
from madapt.baselines._search import QueryPredictor, SearchTask, State
from madapt.datasets import load_cranfield
from madapt.evaluation import dimension_curve
from madapt.losses import Objective
from madapt.training.sampling import QuerySampler

N, D, H, B = 9, 6, 5, 4
rng = np.random.default_rng(12)  # a draw that keeps far from every kink, see below
DOCUMENTS, QUERIES = rng.standard_normal((N, D)), rng.standard_normal((B, D))
GRADES = np.zeros((B, N))
GRADES[[0, 0, 1, 2, 3, 3], [3, 8, 0, 4, 4, 7]] = [1, 2, 1, 1, 3, 1]
WEIGHTS = {
    part: {
        "W1": rng.standard_normal((D, H)),
        "b1": rng.standard_normal(H),
        "W2": 0.5 * rng.standard_normal((H, D)),
        "b2": rng.standard_normal(D),
    }
    for part in ("adaptor", "predictor")
}

X = np.random.default_rng(0).standard_normal((60, 16)).astype(np.float32)
Q = X[:20] + np.float32(0.1)
R = csr_array(np.eye(20, 60, dtype=np.float32))


def search(**parameters):
    return SearchAdaptor(**{"max_iter": 3, "batch_size": 8, "random_state": 0, **parameters})


class JudgedByItself(SearchAdaptor):
    """What scikit-learn's checks can fit: each row is a query for itself."""

    def fit(self, X, y=None):
        n = (X if hasattr(X, "shape") else np.asarray(X)).shape[0]
        return super().fit(X, queries=X, qrels=[{i: 1} for i in range(n)])


@parametrize_with_checks([JudgedByItself(max_iter=2), JudgedByItself(max_iter=2, normalize=False)])
def test_scikit_learn_checks(estimator, check):
    check(estimator)


# Gradients.


def task_of(convert=np.asarray, recovery_weight=0.3, prediction_weight=0.7):
    hard = np.empty((B, 0), dtype=int)
    sampler = QuerySampler(csr_array(GRADES), B, N, hard, np.random.default_rng(0), n_positives=9)
    return SearchTask(
        convert(QUERIES),
        convert(DOCUMENTS),
        Objective((D,), relevance="logistic", relevance_temperature=1.0),
        sampler,
        recovery_weight,
        prediction_weight,
    )


def state_of(weights, convert=np.asarray):
    there = {
        part: {name: convert(W) for name, W in arrays.items()} for part, arrays in weights.items()
    }
    return State(ResidualAdaptor(**there["adaptor"]), QueryPredictor(**there["predictor"]))


def naive(weights, recovery_weight=0.3, prediction_weight=0.7):
    """Return the loss of all queries and documents, written out."""

    def mlp(rows, part):
        W = weights[part]
        return anp.maximum(rows @ W["W1"] + W["b1"], 0.0) @ W["W2"] + W["b2"]

    changes = [mlp(rows, "adaptor") for rows in (QUERIES, DOCUMENTS)]
    q, x = QUERIES + changes[0], DOCUMENTS + changes[1]
    C = (q @ x.T) / anp.sqrt(anp.sum(q * q, axis=1))[:, None] / anp.sqrt(anp.sum(x * x, axis=1))
    gap = GRADES[:, :, None] - GRADES[:, None, :]
    terms = np.maximum(gap, 0.0) * anp.log(1.0 + anp.exp(C[:, None, :] - C[:, :, None]))
    recovery = sum(anp.mean(anp.sum(anp.abs(change), axis=1)) for change in changes)
    distances = anp.sum(anp.abs(q[:, None, :] - mlp(x, "predictor")[None, :, :]), axis=2)
    prediction = anp.sum(GRADES * distances) / GRADES.sum()
    ranking = anp.sum(terms) / np.sum(gap > 0)
    return ranking + recovery_weight * recovery + prediction_weight * prediction


@pytest.mark.parametrize("of_losses", [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (0.3, 0.7)])
def test_gradients_of_a_step_against_autograd(of_losses):
    value, gradients = task_of(np.asarray, *of_losses).gradients(state_of(WEIGHTS))
    assert value == pytest.approx(naive(WEIGHTS, *of_losses), rel=1e-12)
    expected = grad(naive)(WEIGHTS, *of_losses)
    for part in ("adaptor", "predictor"):
        if part == "predictor" and not of_losses[1]:
            assert gradients.predictor == {}
            continue
        for name, gradient in getattr(gradients, part).items():
            assert_allclose(gradient, expected[part][name], atol=1e-12)


def test_gradients_of_a_step_against_finite_differences():
    _, gradients = task_of().gradients(state_of(WEIGHTS))
    for part, arrays in WEIGHTS.items():
        for name, W in arrays.items():
            step = 1e-6 * rng.standard_normal(W.shape)
            ahead, behind = (
                {**WEIGHTS, part: {**arrays, name: W + sign * step}} for sign in (1, -1)
            )
            rise = task_of().gradients(state_of(ahead))[0]
            rise -= task_of().gradients(state_of(behind))[0]
            gradient = getattr(gradients, part)[name]
            error = rise / 2e-6 - np.sum(gradient * step) / 1e-6
            assert abs(error) < 1e-6 * np.linalg.norm(gradient)


def test_a_step_uses_nothing_beyond_the_array_api():
    value, there = task_of(strict.asarray).gradients(state_of(WEIGHTS, strict.asarray))
    expected, here = task_of().gradients(state_of(WEIGHTS))
    assert value == pytest.approx(expected, rel=1e-12)
    for part in ("adaptor", "predictor"):
        for name, gradient in getattr(there, part).items():
            assert_allclose(np.from_dlpack(gradient), getattr(here, part)[name], atol=1e-12)


# What it learns.


@pytest.fixture(scope="module")
def cranfield():
    return load_cranfield("train"), load_cranfield("test")


def test_held_out_ndcg_rises_on_cranfield(cranfield):
    train, test = cranfield
    adaptor = SearchAdaptor(max_iter=100, batch_size=64, n_negatives=4, random_state=0)
    adaptor.fit(train.corpus, queries=train.queries, qrels=train.qrels)
    methods = {"frozen": Truncation().fit(train.corpus), "adapted": adaptor}
    dims = (16, 64, 384)
    found = dimension_curve(methods, test.corpus, test.queries, test.qrels, dims=dims)
    rise = np.subtract(*(found.scores[name]["ndcg@10"] for name in ("adapted", "frozen")))
    assert rise.mean() > 0.01  # mostly at the short prefixes: these are few queries
    assert rise.min() > -0.005
    # It kept the step that was best on queries it had held out, and that was no worse before.
    held_out = dict(adaptor.validation_curve_)
    assert max(held_out.values()) > held_out[0]


def test_it_learns_to_find_what_is_far_away():
    # A query's document is its image under a rotation.
    rotation, _ = np.linalg.qr(np.random.default_rng(1).standard_normal((16, 16)))
    corpus = np.random.default_rng(2).standard_normal((300, 16))
    data = {"queries": corpus[:200] @ rotation, "qrels": csr_array(np.eye(200, 300))}
    adaptor = SearchAdaptor(recovery_weight=0, learning_rate=3e-3, max_iter=200, random_state=0)
    adaptor.fit(corpus, **data)
    scores = [score for _, score in adaptor.validation_curve_]
    assert max(scores) > scores[0] + 0.1


def test_recovery_holds_rows_where_they_were():
    distances = []
    for weight in (0.0, 10.0):
        adaptor = search(recovery_weight=weight, max_iter=30, early_stopping=False)
        Z = adaptor.fit(X, queries=Q, qrels=R).transform(X)
        distances.append(np.abs(Z - Truncation().fit(X).transform(X)).sum())
    assert distances[1] < 0.5 * distances[0]


# What comes out.


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_prefix_is_the_beginning_of_the_whole(dtype, normalize):
    rows = X.astype(dtype)
    adaptor = search(normalize=normalize).fit(rows, queries=Q, qrels=R)
    whole = adaptor.transform(rows)
    assert whole.dtype == dtype
    for m in (1, 5, 16):
        Z = adaptor.transform(rows, dim=m)
        wanted = whole[:, :m]
        if normalize:
            wanted = wanted / np.linalg.norm(wanted, axis=1, keepdims=True)
        assert_allclose(Z, wanted, atol=100 * np.finfo(dtype).eps)


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_the_same_seed_gives_the_same_numbers(backend):
    one, other, another = (
        search(backend=backend, random_state=seed).fit(X, queries=Q, qrels=R) for seed in (1, 1, 2)
    )
    assert_array_equal(one.transform(X), other.transform(X))
    assert one.loss_curve_ == other.loss_curve_
    assert not np.array_equal(one.transform(X), another.transform(X))


def test_backends_agree():
    one, other = (search(backend=name).fit(X, queries=Q, qrels=R) for name in ("numpy", "numba"))
    assert_allclose(one.transform(X), other.transform(X), atol=1e-4)


def test_both_forms_of_fit_are_one():
    one = search().fit(X, queries=Q, qrels=R)
    other = search().fit(Q, R, corpus=X)
    names = search().fit(
        X,
        queries=Q,
        qrels={f"q{i}": {f"d{i}": 1} for i in range(20)},
        query_ids=[f"q{i}" for i in range(20)],
        corpus_ids=[f"d{i}" for i in range(60)],
    )
    assert_array_equal(one.transform(X), other.transform(X))
    assert_array_equal(one.transform(X), names.transform(X))


def test_queries_without_a_positive_are_left_out():
    qrels = csr_array(([1.0, 0.0, 2.0], ([0, 1, 5], [0, 7, 3])), shape=(20, 60))
    with pytest.warns(MadaptWarning, match="1 of 3 judged queries have no positive"):
        one = search().fit(X, queries=Q, qrels=qrels)
    other = search().fit(X, queries=Q[[0, 5]], qrels=csr_array(qrels[[0, 5]]))
    assert_array_equal(one.transform(X), other.transform(X))


def test_early_stopping():
    fit = {"queries": Q, "qrels": R}
    without = search(early_stopping=False, max_iter=4).fit(X, **fit)
    assert without.validation_curve_ == []
    assert without.n_iter_ == len(without.loss_curve_) == 4
    patient = search(max_iter=200, n_iter_no_change=25, recovery_weight=100.0).fit(X, **fit)
    assert patient.n_iter_ < 200
    assert [done for done, _ in patient.validation_curve_][:2] == [0, 25]


@pytest.mark.parametrize("n", [1, 2])
def test_few_queries_and_documents(n):
    adaptor = search().fit(X[:n], queries=Q[:n], qrels=csr_array(np.eye(n)))
    assert np.isfinite(adaptor.transform(X)).all()
    assert search(max_iter=0).fit(X, queries=Q, qrels=R).n_iter_ == 0


def test_interrupted_it_keeps_what_there_is(monkeypatch):
    step = SearchTask.gradients

    def interrupted(self, state):
        if interrupted.steps == 2:
            raise KeyboardInterrupt
        interrupted.steps += 1
        return step(self, state)

    interrupted.steps = 0
    monkeypatch.setattr(SearchTask, "gradients", interrupted)
    with pytest.warns(MadaptWarning, match="interrupted after 2 steps"):
        adaptor = search(early_stopping=False).fit(X, queries=Q, qrels=R)
    assert adaptor.transform(X).shape == X.shape


# The face.


def test_default_width_names_and_containers():
    adaptor = search(dim=4).fit(X, queries=Q, qrels=R)
    assert adaptor.transform(X).shape == (60, 4)
    assert adaptor.transform(X, dim=7).shape == (60, 7)
    assert adaptor.get_feature_names_out().tolist() == [f"searchadaptor{i}" for i in range(4)]
    pandas = pytest.importorskip("pandas")
    frame = adaptor.set_output(transform="pandas").transform(X, dim=3)
    assert isinstance(frame, pandas.DataFrame)
    assert frame.shape == (60, 3)


def test_clone_and_pickle():
    adaptor = search().fit(X, queries=Q, qrels=R)
    again = pickle.loads(pickle.dumps(adaptor))
    assert_array_equal(again.transform(X), adaptor.transform(X))
    with pytest.raises(NotFittedError):
        clone(adaptor).transform(X)


def test_queries_reach_fit_by_metadata_routing():
    with config_context(enable_metadata_routing=True):
        pipeline = make_pipeline(Normalizer(), search()).fit(X, queries=Q, qrels=R)
        Z = pipeline.transform(X, dim=3)
    rows = Normalizer().transform(X)
    assert_array_equal(Z, search().fit(rows, queries=Q, qrels=R).transform(rows, dim=3))


# What is refused, before any work.


def numbers(name, low, wrong):
    return [
        ({name: wrong}, ValueError, f"{name} must be {low}, got {wrong}"),
        ({name: np.nan}, ValueError, f"{name} must be finite, got nan"),
        ({name: "1"}, TypeError, f"{name} must be a number, got '1'"),
        ({name: None}, TypeError, f"{name} must be a number, got None"),
    ]


def integers(name, low):
    return [
        ({name: low - 1}, ValueError, f"{name} must be at least {low}, got {low - 1}"),
        ({name: 2.5}, TypeError, f"{name} must be an integer, got 2.5"),
        ({name: True}, TypeError, f"{name} must be an integer, got True"),
        ({name: None}, TypeError, f"{name} must be an integer, got None"),
    ]


PARAMETERS = [
    ({"dim": 17}, ValueError, "dim must lie in 1..16, got 17"),
    ({"dim": 2.0}, TypeError, "dim must be an integer in 1..16, got 2.0"),
    ({"normalize": "l2"}, ValueError, "normalize must be one of True, False, got 'l2'"),
    *integers("hidden_dim", 1),
    ({"activation": "other"}, ValueError, "activation must be one of 'relu', .* got 'other'"),
    *numbers("recovery_weight", "at least 0", -1),
    *numbers("prediction_weight", "at least 0", -1),
    *numbers("learning_rate", "above 0", 0),
    *integers("max_iter", 0),
    *integers("batch_size", 1),
    *integers("n_negatives", 1),
    ({"early_stopping": 1}, TypeError, "early_stopping must be True or False, got 1"),
    ({"validation_fraction": 1}, ValueError, "validation_fraction must lie strictly .* got 1"),
    ({"validation_fraction": "x"}, TypeError, "validation_fraction must be a number, got 'x'"),
    *integers("n_iter_no_change", 1),
    ({"backend": "other"}, ValueError, "backend must be one of 'auto', .*got 'other'"),
    ({"random_state": "x"}, ValueError, "'x' cannot be used to seed"),
    ({"verbose": -1}, ValueError, "verbose must be at least 0, got -1"),
    ({"verbose": "yes"}, TypeError, "verbose must be an integer, got 'yes'"),
]
NAN = X.copy()
NAN[3, 2] = np.nan
ARGUMENTS = [
    ({"qrels": None}, TypeError, "qrels must be given: .* judged queries alone, .* got None"),
    ({"qrels": None, "queries": None}, TypeError, "qrels must be given"),
    ({"queries": None}, TypeError, "qrels must come with queries"),
    ({"X": NAN}, ValueError, "X must be a 2-D array of finite .* got nan in row 3, column 2"),
    ({"X": X[0]}, ValueError, r"X must be a 2-D array of .* got shape \(16,\)"),
    ({"X": X.astype(str)}, ValueError, "X must be numbers, got dtype <U"),
    ({"queries": NAN[:20]}, ValueError, "queries must be .* got nan in row 3, column 2"),
    ({"queries": Q[:, :5]}, ValueError, r"queries must have 16 columns, got shape \(20, 5\)"),
    ({"qrels": R[:5]}, ValueError, r"qrels must have shape \(20, 60\), .* got \(5, 60\)"),
    ({"qrels": 0 * R}, ValueError, "qrels must hold at least one grade above 0"),
    ({"qrels": -1 * R}, ValueError, "qrels must hold finite grades of at least 0, got -1"),
    ({"qrels": R.toarray()}, TypeError, "qrels must be sparse: .* got a dense array"),
    ({"corpus": X}, ValueError, "corpus must not come with queries or qrels"),
    ({"y": R}, ValueError, r"y must be 1-D, .* got shape \(20, 60\)"),
    ({"query_ids": ["a"]}, ValueError, "query_ids must hold 20 ids, one a row, got 1"),
]


@pytest.fixture
def no_training(monkeypatch):
    def called(*arguments, **keywords):
        raise AssertionError("training was called")

    monkeypatch.setattr(madapt.baselines.search_adaptor, "train", called)


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize(("parameters", "error", "message"), PARAMETERS)
def test_bad_parameters_are_named(parameters, error, message):
    adaptor = SearchAdaptor(**parameters)  # is not the place for checks
    with pytest.raises(error, match=message) as caught:
        adaptor.fit(X, queries=Q, qrels=R)
    assert isinstance(caught.value, MadaptError) or "random_state" in parameters
    assert not hasattr(adaptor, "adaptor_")


def test_every_parameter_is_in_the_table():
    assert {name for row in PARAMETERS for name in row[0]} == set(SearchAdaptor().get_params())
    keywords = inspect.signature(SearchAdaptor).parameters.values()
    assert [p.name for p in keywords if p.kind is not p.KEYWORD_ONLY] == ["dim"]


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize(("arguments", "error", "message"), ARGUMENTS)
def test_bad_arguments_are_named(arguments, error, message):
    adaptor = SearchAdaptor()
    with pytest.raises(error, match=message):
        adaptor.fit(**{"X": X, "queries": Q, "qrels": R, **arguments})
    assert not hasattr(adaptor, "adaptor_")


@pytest.mark.usefixtures("no_training")
def test_rows_near_an_overflow_need_normalize():
    huge = X * np.float32(1e30)
    with pytest.raises(ValueError, match="normalize must be True where an MLP is trained"):
        SearchAdaptor(normalize=False).fit(huge, queries=Q, qrels=R)


@pytest.mark.parametrize("dim", [0, 17, True, "3"])
def test_bad_dims_of_transform_are_named(dim):
    adaptor = search().fit(X, queries=Q, qrels=R)
    with pytest.raises((ValueError, TypeError)) as wanted:
        check_dim(dim, 16)
    with pytest.raises(type(wanted.value), match=str(wanted.value)):
        adaptor.transform(X, dim=dim)


def test_progress_is_printed_under_its_name(capsys):
    search(verbose=1).fit(X, queries=Q, qrels=R)
    assert capsys.readouterr().out.startswith("[SearchAdaptor] training: step 1, loss ")
