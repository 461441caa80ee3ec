"""transform of arrays on a device: what NumPy's rows give, and nothing goes by way of the host.

array-api-strict's second device stands for a GPU: its arrays refuse to become NumPy's.
"""

import array_api_strict as strict
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import madapt._fold_on_device
import madapt._on_device
from madapt import MatryoshkaAdaptor
from madapt._on_device import is_on_device, to_host
from madapt.datasets import load_cranfield
from madapt.exceptions import InvalidTypeError, InvalidValueError, OtherModelWarning
from madapt.neighbors import top_k

DEVICE = strict.Device("device1")
N, D = 300, 24
generator = np.random.default_rng(0)
X = (
    generator.standard_normal((N, 6)) @ generator.standard_normal((6, D))
    + 0.3 * generator.standard_normal((N, D))
).astype(np.float32)
Q = X[:60] + np.float32(0.1)
JUDGED = {"queries": Q, "qrels": [{i: 1} for i in range(60)]}
MODELS = {
    "rotation": ({}, {}),
    "lengths kept": ({"normalize": False}, {}),
    "centred": ({"center": 0.7}, {"queries": Q}),
    "MLP": ({"hidden_dim": 8, "rotation": "svd"}, {}),
    "GELU, no rotation": ({"hidden_dim": 8, "rotation": "identity", "activation": "gelu"}, {}),
    "labels": ({"guard": False}, JUDGED),
}


@pytest.fixture(scope="module", params=MODELS)
def model(request):
    parameters, labels = MODELS[request.param]
    return MatryoshkaAdaptor(max_iter=8, random_state=0, **parameters).fit(X, **labels)


def there(A):
    return strict.asarray(A, device=DEVICE)


def rare_rows(dtype):
    """Return rows of which some are zero, and some very long or short."""
    rows = X.astype(dtype)
    rows[3] = 0
    rows[7] *= 1e-25
    rows[9] *= 1e25
    return rows


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("dim", [1, 8, None])
@pytest.mark.parametrize("side", ["document", "query"])
def test_it_stays_there_and_has_numpys_values(model, dtype, dim, side, monkeypatch):
    rows = X.astype(dtype) if not model.normalize else rare_rows(dtype)
    wanted = model.transform(rows, dim=dim, side=side)
    for size in (2**30, 4000):
        monkeypatch.setattr(madapt._fold_on_device, "BLOCK_BYTES", size)
        Z = model.transform(there(rows), dim=dim, side=side)
        assert Z.device == DEVICE
        assert to_host(Z).dtype == dtype
        eps = float(np.finfo(dtype).eps)
        assert_allclose(to_host(Z), wanted, rtol=0, atol=100 * eps * np.abs(wanted).max())
        assert_array_equal(to_host(Z) == 0, wanted == 0)


def test_nothing_but_a_sample_leaves_the_device(monkeypatch):
    """Only the rows that tell another model's vectors do."""
    corpus, seen = load_cranfield().corpus, []
    model = MatryoshkaAdaptor(max_iter=2, guard=False, random_state=0).fit(corpus)

    def noting(A):
        seen.append(A.shape[0])
        return to_host(A)

    monkeypatch.setattr(madapt._on_device, "to_host", noting)
    monkeypatch.setattr(madapt._fold_on_device, "to_host", None)
    model.transform(there(corpus), dim=8)
    assert 20 <= sum(seen) <= 50


def test_out(model):
    Z = strict.zeros((N, 8), dtype=strict.float32, device=DEVICE)
    assert model.transform(there(X), dim=8, out=Z) is Z
    assert_array_equal(to_host(Z), to_host(model.transform(there(X), dim=8)))
    with pytest.raises(InvalidTypeError, match="out must be an array of the library of X"):
        model.transform(there(X), dim=8, out=np.zeros((N, 8), np.float32))
    with pytest.raises(InvalidValueError, match=r"out must have shape .300, 8. on"):
        model.transform(there(X), dim=8, out=Z[:, :4])


@pytest.mark.parametrize("precision", ["float32", "float16", "int8", "int4", "binary"])
def test_codes(model, precision):
    if precision == "float16":
        pytest.skip("array-api-strict has no float16")
    found = model.transform(there(X), dim=8, precision=precision)
    wanted = model.transform(X, dim=8, precision=precision)
    assert found.device == DEVICE
    found = to_host(found)
    assert found.dtype == wanted.dtype
    assert np.mean(found != wanted) < 0.01 or precision == "float32"


def test_back(model):
    if model.adaptor_.has_mlp:
        with pytest.raises(InvalidValueError, match="without an MLP"):
            model.inverse_transform(there(X))
        return
    Z = model.transform(X, dim=8)
    back = model.inverse_transform(there(Z))
    assert back.device == DEVICE
    assert_allclose(to_host(back), model.inverse_transform(Z), atol=1e-5)
    with pytest.raises(InvalidValueError, match=r"X must have 1..24 columns, got 25"):
        model.inverse_transform(there(np.ones((3, 25), np.float32)))


def test_other_numbers(model):
    rows = (10 * X).astype(np.int32)
    Z = model.transform(there(rows), dim=4)
    assert Z.dtype == strict.float32
    assert_allclose(to_host(Z), model.transform(rows, dim=4), atol=1e-5 * np.abs(to_host(Z)).max())


def bad(at, what):
    rows = X.copy()
    rows[at] = what
    return rows


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (bad((250, 3), np.nan), "finite real numbers, got nan in row 250, column 3"),
        (bad((0, 5), -np.inf), "finite real numbers, got -inf in row 0, column 5"),
        (X[:, :5], "X has 5 features, but MatryoshkaAdaptor is expecting 24"),
        (X[0], r"X must be a 2-D array of finite real numbers, got shape .24,."),
        (X[:0], r"X must be a 2-D array of finite real numbers, got shape .0, 24."),
        (X.astype(np.complex64), "X must be real numbers, got dtype .*complex64"),
    ],
)
def test_bad_rows(model, rows, message):
    with pytest.raises(ValueError, match=message):
        model.transform(there(rows))
    with pytest.raises(ValueError, match="dim must lie in 1..24, got 25"):
        model.transform(there(X), dim=25)


def test_a_frame_is_made_on_the_host(model):
    pandas = pytest.importorskip("pandas")
    framed = MatryoshkaAdaptor(max_iter=2, random_state=0).fit(X).set_output(transform="pandas")
    found = framed.transform(there(X), dim=3)
    assert isinstance(found, pandas.DataFrame)
    assert found.shape == (N, 3)


def test_the_warning_of_another_model():
    rows = load_cranfield().corpus
    fitted = MatryoshkaAdaptor(max_iter=1, guard=False, random_state=0).fit(rows)
    other = np.ascontiguousarray(rows[:, ::-1], np.float32)
    for place in (np.asarray, there):
        with pytest.warns(OtherModelWarning) as caught:
            fitted.transform(place(other), dim=8)
        assert caught[0].filename == __file__


def test_what_is_on_device():
    assert is_on_device(there(X))
    assert not is_on_device(strict.asarray(X))
    assert not is_on_device(X)
    assert not is_on_device([1.0])
    torch = pytest.importorskip("torch")
    assert not is_on_device(torch.zeros(2))
    assert not is_on_device(torch.zeros(2, device="meta"))


@pytest.mark.parametrize("metric", ["cosine", "dot", "euclidean"])
@pytest.mark.parametrize("exclude_self", [False, True])
@pytest.mark.parametrize("max_bytes", [2**28, 50_000])
def test_a_search_stays_there(metric, exclude_self, max_bytes):
    queries = X if exclude_self else Q
    options = {"metric": metric, "exclude_self": exclude_self, "max_bytes": max_bytes}
    wanted, similarities = top_k(queries, X, 7, **options)
    indices, found = top_k(there(queries), there(X), 7, **options)
    assert indices.device == found.device == DEVICE
    assert_array_equal(to_host(indices), wanted)
    assert to_host(found).dtype == np.float32
    assert_allclose(to_host(found), similarities, rtol=1e-5, atol=1e-5)


def test_of_equal_rows_the_first_comes_first_there():
    rows = np.eye(4, dtype=np.float32)[[0, 1, 0, 0, 2]]
    indices, _ = top_k(there(rows[:1]), there(rows), 4)
    assert_array_equal(to_host(indices), [[0, 2, 3, 1]])


@pytest.mark.parametrize(
    ("queries", "corpus", "message"),
    [
        (there(X), X, "must be on one device, got corpus of type ndarray in the memory of the CPU"),
        (there(X[:, :3]), there(X), "must have the same number of columns, got 3 and 24"),
        (there(bad((1, 2), np.nan)), there(X), "queries must be finite, got NaN or infinity"),
        (there(X), there(X[0]), "corpus must be a 2-D array"),
    ],
)
def test_bad_searches(queries, corpus, message):
    with pytest.raises((ValueError, TypeError), match=message):
        top_k(queries, corpus, 3)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("most", [100, 50_000])
@pytest.mark.parametrize("labels", [False, True])
def test_fit_learns_what_it_does_from_numpys_rows(dtype, most, labels):
    rows, queries = X.astype(dtype), Q.astype(dtype)
    parameters = {"max_iter": 4, "max_fit_rows": most, "random_state": 0}
    qrels = JUDGED["qrels"] if labels else None
    here = MatryoshkaAdaptor(**parameters).fit(rows, queries=queries, qrels=qrels)
    found = MatryoshkaAdaptor(**parameters).fit(there(rows), queries=there(queries), qrels=qrels)
    assert isinstance(found.rotation_, np.ndarray)
    assert found.fingerprint_ == here.fingerprint_
    assert found.score(there(rows)) == here.score(rows)


def test_of_many_rows_fit_brings_over_its_sample_alone(monkeypatch):
    brought = []
    read = madapt._on_device.RowsOnDevice.__getitem__

    def noting(self, rows):
        found = read(self, rows)
        brought.append(len(found))
        return found

    monkeypatch.setattr(madapt._on_device.RowsOnDevice, "__getitem__", noting)
    rows = np.tile(X, (40, 1))
    MatryoshkaAdaptor(max_iter=2, max_fit_rows=60, random_state=0).fit(there(rows))
    assert sum(brought) < len(rows) / 4


def test_fit_refuses_what_is_not_finite_there():
    rows = X.copy()
    rows[5, 2] = np.nan
    with pytest.raises(InvalidValueError, match="X must be .* got nan in row 5, column 2"):
        MatryoshkaAdaptor(max_iter=2).fit(there(rows))


def test_top_k_refuses_a_backend_that_there_is_not():
    with pytest.raises(InvalidValueError, match="backend must be one of .*, got 'gpu'"):
        top_k(there(Q), there(X), 3, backend="gpu")
