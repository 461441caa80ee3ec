"""Every bad argument of a method: which error, naming the argument, what was wanted and what came.

All of them come before any work, and leave nothing fitted behind.
"""

import numpy as np
import pytest
from scipy.sparse import coo_array, csr_array

import madapt.estimator
from madapt import MatryoshkaAdaptor

N, D, N_QUERIES = 40, 16, 6
X = np.random.default_rng(0).standard_normal((N, D)).astype(np.float32)
Q = X[:N_QUERIES] + 0.1
R = csr_array(np.eye(N_QUERIES, N, dtype=np.float32))
NAN, INF = X.copy(), X.copy()
NAN[3, 2], INF[4, 5] = np.nan, -np.inf
HUGE = X * np.float32(1e30)
FINITE = "must be a 2-D array of finite real numbers, got"
QUERY_IDS, CORPUS_IDS = [f"q{i}" for i in range(N_QUERIES)], [f"d{j}" for j in range(N)]
IDS = {"query_ids": QUERY_IDS, "corpus_ids": CORPUS_IDS}


def changed(at, grade):
    grades = R.copy()
    grades.data[at] = grade
    return grades


def as_rows(name):
    """List what is wrong with rows, wherever they come in: value, error, end of the message."""
    return [
        (NAN, ValueError, f"{name} {FINITE} nan in row 3, column 2"),
        (INF, ValueError, f"{name} {FINITE} -inf in row 4, column 5"),
        (INF.astype(np.float16), ValueError, f"{name} {FINITE} -inf in row 4, column 5"),
        (X.astype(complex), ValueError, f"{name} must be .*real numbers, got complex data"),
        (X.astype(str), ValueError, f"{name} must be numbers, got dtype <U"),
        ([["1", "2"]], ValueError, f"{name} must be numbers, got dtype <U1"),
        (np.full((N, D), "a", object), ValueError, f"{name} {FINITE} dtype object"),
        (X.astype("datetime64[s]"), ValueError, rf"{name} must be numbers, got dtype datetime64"),
        (X[0], ValueError, rf"{name} {FINITE} shape \(16,\)"),
        (X[None], ValueError, rf"{name} {FINITE} shape \(1, 40, 16\)"),
        (3.0, ValueError, rf"{name} {FINITE} shape \(\)"),
        (X[:0], ValueError, rf"{name} {FINITE} shape \(0, 16\)"),
        (X[:, :0], ValueError, rf"{name} {FINITE} shape \(40, 0\)"),
        ([[1.0, 2.0], [3.0]], ValueError, f"{name} {FINITE} rows of unequal length"),
        (csr_array(X), TypeError, f"Sparse data was passed for {name}, but dense data is required"),
    ]


WIDTHS = [
    ({"queries": X[:, :5]}, ValueError, r"queries must have 16 columns, got shape \(40, 5\)"),
    ({"y": R, "corpus": X[:, :5]}, ValueError, r"corpus must have 16 columns, got .*\(40, 5\)"),
]
#: Arguments of fit, error, message. X is given unless it is among them.
FIT = [
    *[({"X": rows}, error, message) for rows, error, message in as_rows("X")],
    *[({"queries": rows}, error, message) for rows, error, message in as_rows("queries")],
    *[({"y": R, "corpus": rows}, error, message) for rows, error, message in as_rows("corpus")],
    ({"X": None}, ValueError, rf"X {FINITE} shape \(\)"),
    *WIDTHS,
    # Judgments alone, names alone, both forms at once.
    ({"qrels": R}, TypeError, "qrels must come with queries, got .*csr_array and queries=None"),
    ({"query_ids": QUERY_IDS}, TypeError, "query_ids must come with queries, got .*list"),
    ({"corpus_ids": CORPUS_IDS}, TypeError, "corpus_ids must come with queries, got .*list"),
    *[
        ({"y": R, "corpus": X, **more}, ValueError, "corpus must not come with .* got both forms")
        for more in ({"queries": Q}, {"qrels": R}, {"queries": Q, "qrels": R})
    ],
    # Judgments where nothing is said of a corpus.
    ({"y": np.ones((N, 2))}, ValueError, r"y must be 1-D, .*unless corpus=.* got shape \(40, 2\)"),
    ({"y": csr_array((N, 3))}, ValueError, r"y must be 1-D, .* got shape \(40, 3\)"),
    ({"y": [[1, 0]] * N}, ValueError, "y must be 1-D, .* got a list of rows"),
    ({"y": [{0: 1}] * N}, ValueError, "y must be 1-D, .* got a list of rows"),
    ({"y": {0: {0: 1}}}, ValueError, "y must be 1-D, .* got a dict of rows"),
]
#: Judgments, what comes with them, error, message.
QRELS = [
    (R[:5], {}, ValueError, r"must have shape \(6, 40\), queries by documents, got \(5, 40\)"),
    (R.T, {}, ValueError, r"must have shape \(6, 40\), queries by documents, got \(40, 6\)"),
    ([{0: 1}] * 5, {}, ValueError, "must hold one dict for each of the 6 queries, got 5"),
    ([{40: 1}] * 6, {}, ValueError, r"must name documents in 0\.\.39, got 40"),
    ([{-1: 1}] * 6, {}, ValueError, r"must name documents in 0\.\.39, got -1"),
    ({6: {0: 1}}, {}, ValueError, r"must name queries in 0\.\.5, got 6"),
    ([{"d1": 1}] * 6, {}, TypeError, "must name documents by row number .* got 'd1'"),
    ({"q1": {0: 1}}, {}, TypeError, "must name queries by row number .* got 'q1'"),
    ({"q1": {"d40": 1}}, IDS, ValueError, "must name documents of corpus_ids, got 'd40'"),
    ({"q6": {"d1": 1}}, IDS, ValueError, "must name queries of query_ids, got 'q6'"),
    ([[1, 2]] * 6, {}, TypeError, "must be sparse: .*, got nested lists"),
    ([0.5] * 6, {}, TypeError, "must hold a dict, document to grade, .* got 0.5"),
    (R.toarray(), {}, TypeError, r"must be sparse: .* got a dense array of shape \(6, 40\)"),
    ("qrels.tsv", {}, TypeError, "must be sparse, a list of dicts or a dict of dicts, got str"),
    (7, {}, TypeError, "must be sparse, a list of dicts or a dict of dicts, got int"),
    (changed(2, -1), {}, ValueError, r"must hold finite grades of at least 0, got -1.0 \(query 2"),
    (changed(2, np.nan), {}, ValueError, r"must hold finite grades of at least 0, got nan"),
    (changed(2, np.inf), {}, ValueError, r"must hold finite grades of at least 0, got inf"),
    ([{0: -2}] * 6, {}, ValueError, "must hold finite grades of at least 0, got -2.0"),
    ([{0: "high"}] * 6, {}, TypeError, "must hold numbers as grades, got 'high' for query 0"),
    (R.astype(complex), {}, TypeError, "must hold real numbers, got dtype complex"),
    (0 * R, {}, ValueError, "must hold at least one grade above 0, got none in 6 judgments"),
    ([{}] * 6, {}, ValueError, "must hold at least one grade above 0, got none in 0 judgments"),
    (
        coo_array(([1, 2], ([3, 3], [9, 9])), shape=(6, 40)),
        {},
        ValueError,
        "must judge a pair once, got query 3, document 9 twice",
    ),
]
NAMES = [
    ({"query_ids": ["a"]}, ValueError, "query_ids must hold 6 ids, one a row, got 1"),
    ({"corpus_ids": ["a"]}, ValueError, "corpus_ids must hold 40 ids, one a row, got 1"),
    ({"corpus_ids": ["a"] * 40}, ValueError, "corpus_ids must be distinct, got 'a' twice"),
    ({"query_ids": [[]] * 6}, TypeError, r"query_ids must hold text or numbers, got \[\]"),
]
for _grades, _more, _error, _message in QRELS:
    FIT.append(({"queries": Q, "qrels": _grades, **_more}, _error, f"qrels {_message}"))
    FIT.append(({"X": Q, "y": _grades, "corpus": X, **_more}, _error, f"y {_message}"))
for _more, _error, _message in NAMES:
    FIT.append(({"queries": Q, "qrels": R, **_more}, _error, _message))

DIM = [
    (0, ValueError, "dim must lie in 1..16, got 0"),
    (-1, ValueError, "dim must lie in 1..16, got -1"),
    (17, ValueError, "dim must lie in 1..16, got 17"),
    (8.0, TypeError, "dim must be an integer in 1..16, got 8.0"),
    (True, TypeError, "dim must be an integer in 1..16, got True"),
    ("8", TypeError, "dim must be an integer in 1..16, got '8'"),
    ([8], TypeError, r"dim must be an integer in 1..16, got \[8\]"),
]


@pytest.fixture
def no_training(monkeypatch):
    """Fail where training begins."""

    def called(*arguments, **keywords):
        raise AssertionError("training was called")

    monkeypatch.setattr(madapt.estimator, "fit_adaptor", called)


@pytest.fixture(scope="module")
def fitted():
    return MatryoshkaAdaptor(max_iter=1, hidden_dim=None).fit(X)


def refused(call, error, message):
    with pytest.raises(error, match=message) as caught:
        call()
    return caught.value


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize(("arguments", "error", "message"), FIT)
def test_arguments_of_fit(arguments, error, message):
    model = MatryoshkaAdaptor()
    refused(lambda: model.fit(**{"X": X, **arguments}), error, message)
    assert not hasattr(model, "adaptor_")


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_a_refused_fit_leaves_no_number_of_columns(method):
    model = MatryoshkaAdaptor(dims=(2, 4), rotation="other")
    refused(lambda: getattr(model, method)(X), ValueError, "rotation must be")
    assert vars(model) == model.get_params()


def test_a_refused_fit_leaves_the_fitted_model_whole():
    model = MatryoshkaAdaptor(dims=(2, 4), max_iter=1, random_state=0).fit(X)
    expected = model.transform(X)
    refused(lambda: model.fit(X[:, :5], queries=Q), ValueError, "queries must have 5 columns")
    assert model.n_features_in_ == D
    np.testing.assert_array_equal(model.transform(X), expected)


@pytest.mark.usefixtures("no_training")
def test_huge_rows_as_they_are_for_an_mlp():
    model = MatryoshkaAdaptor(normalize=False, rotation="svd")
    refused(lambda: model.fit(HUGE), ValueError, "normalize must be True .*, got False and .e.30")


@pytest.mark.parametrize(("rows", "error", "message"), as_rows("X"))
@pytest.mark.parametrize("method", ["transform", "inverse_transform", "score"])
def test_rows_of_a_fitted_model(fitted, method, rows, error, message):
    refused(lambda: getattr(fitted, method)(rows), error, message)


@pytest.mark.parametrize("method", ["transform", "score"])
def test_rows_of_another_width(fitted, method):
    message = "X has 5 features, but MatryoshkaAdaptor is expecting 16 features"
    refused(lambda: getattr(fitted, method)(X[:, :5]), ValueError, message)


def test_rows_too_wide_for_the_way_back(fitted):
    rows = np.ones((3, 17))
    refused(lambda: fitted.inverse_transform(rows), ValueError, "X must have 1..16 columns, got 17")


@pytest.mark.parametrize(("dim", "error", "message"), DIM)
def test_dim_of_transform(fitted, dim, error, message):
    refused(lambda: fitted.transform(X, dim=dim), error, message)


@pytest.mark.parametrize("side", ["doc", "", None, 3, ["query"]])
@pytest.mark.parametrize("method", ["transform", "inverse_transform"])
def test_side(fitted, method, side):
    message = "side must be one of 'document', 'query', got "
    raised = refused(lambda: getattr(fitted, method)(X, side=side), ValueError, message)
    assert str(raised).endswith(repr(side))


def test_one_row_has_no_neighbours_to_score(fitted):
    message = "X must have at least 2 rows to score, got 1"
    refused(lambda: fitted.score(X[:1]), ValueError, message)


@pytest.mark.parametrize("y", [np.arange(N), ["a"] * N, [0.5] * 3, np.full(N, np.nan)])
def test_a_one_dimensional_y_is_no_bad_input(y):
    assert MatryoshkaAdaptor(max_iter=1).fit(X, y).dims_ == (8, 16)
