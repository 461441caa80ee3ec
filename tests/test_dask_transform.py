"""On a Dask array `transform` is lazy, and gives what it gives on the same rows here."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

from madapt import MatryoshkaAdaptor
from madapt.dask import DaskMatryoshkaAdaptor
from madapt.exceptions import InvalidTypeError, InvalidValueError

da = pytest.importorskip("dask.array", reason="the extra dask is not installed")

N, D = 90, 24
QUICK = {"max_iter": 2, "guard": False, "backend": "numpy", "random_state": 0}


@pytest.fixture(scope="module")
def rows():
    return np.random.default_rng(0).standard_normal((N, D)).astype(np.float32)


@pytest.fixture(scope="module")
def local(rows):
    return MatryoshkaAdaptor(**QUICK).fit(rows)


@pytest.fixture(scope="module")
def adaptor(local):
    return DaskMatryoshkaAdaptor.from_local(local)


@pytest.mark.parametrize("chunks", [(40, D), (7, 10), (N, 5)])
@pytest.mark.parametrize("m", [1, 8, D])
def test_blocks_give_what_one_array_gives(rows, local, adaptor, chunks, m):
    X = da.from_array(rows, chunks=chunks)
    Z = adaptor.transform(X, dim=m)
    assert Z.chunks == (X.chunks[0], (m,))
    assert Z.dtype == Z.compute().dtype == np.float32
    assert_allclose(Z.compute(), local.transform(rows, dim=m), atol=1e-6)


@pytest.mark.parametrize("precision", ["float16", "int8", "int4", "int2", "binary"])
def test_codes(rows, local, adaptor, precision):
    Z = adaptor.transform(da.from_array(rows, chunks=(N, D)), dim=9, precision=precision)
    here = local.transform(rows, dim=9, precision=precision)
    assert (Z.dtype, Z.shape) == (here.dtype, here.shape)
    assert_array_equal(Z.compute(), here)


@pytest.mark.parametrize(
    ("dtype", "found"), [(np.float64, np.float64), (np.float16, np.float32), (np.int8, np.float32)]
)
def test_dtypes_are_those_of_an_array(rows, local, adaptor, dtype, found):
    X = (10 * rows).astype(dtype)
    Z = adaptor.transform(da.from_array(X, chunks=(20, D)), dim=8)
    assert Z.dtype == Z.compute().dtype == found
    assert_allclose(Z.compute(), local.transform(X, dim=8), atol=1e-6)


def test_unknown_and_empty_chunks(rows, local, adaptor):
    X = da.from_array(rows, chunks=(30, 10))
    kept = np.arange(N) >= 35  # the first chunk loses all its rows
    filtered = X[da.from_array(kept, chunks=30)]
    Z = adaptor.transform(filtered, dim=8)
    assert np.isnan(Z.shape[0])
    assert Z.shape[1] == 8
    assert_allclose(Z.compute(), local.transform(rows[kept], dim=8), atol=1e-6)


def test_nothing_is_computed_before_it_is_asked_for(rows, adaptor):
    def refuse(block):
        raise AssertionError("computed")

    X = da.from_array(rows, chunks=(30, D)).map_blocks(refuse, dtype=np.float32, meta=rows[:0])
    Z = adaptor.transform(X, dim=8)
    with pytest.raises(AssertionError, match="computed"):
        Z.compute()


def test_the_model_is_in_the_graph_once_and_small(rows, adaptor):
    Z = adaptor.transform(da.from_array(rows, chunks=(10, D)), dim=4)
    models = [key for key in dict(Z.__dask_graph__()) if "madapt-model" in str(key)]
    assert len(models) == 1
    # Rows are in the graph, too; four of 24 columns of P are what the model needs.
    whole = len(pickle.dumps(adaptor.adaptor_.P))
    lazy = adaptor.transform(da.ones((1000, D), chunks=10, dtype=np.float32).rechunk((10, D)), 4)
    model = next(v for k, v in dict(lazy.__dask_graph__()).items() if "madapt-model" in str(k))
    assert len(pickle.dumps(model)) < whole


def test_sides_and_an_mlp(rows):
    queries, qrels = rows[:30] + 0.1, [{i: 1} for i in range(30)]
    here = MatryoshkaAdaptor(**QUICK, hidden_dim=4, center=0.5)
    here.fit(rows, queries=queries, qrels=qrels)
    there = DaskMatryoshkaAdaptor.from_local(here)
    assert here.adaptor_.has_mlp
    for side in ("document", "query"):
        Z = there.transform(da.from_array(rows, chunks=(20, D)), 8, side)
        assert_allclose(Z.compute(), here.transform(rows, 8, side), atol=1e-6)


def test_other_arrays_are_transformed_here(rows, local, adaptor):
    assert_array_equal(adaptor.transform(rows, 8), local.transform(rows, 8))
    assert adaptor.score(rows) == local.score(rows)


def test_score_of_few_rows_is_that_of_all(rows, local, adaptor):
    assert adaptor.score(da.from_array(rows, chunks=(20, 10))) == local.score(rows)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"dim": D + 1}, f"dim must lie in 1..{D}"),
        ({"side": "left"}, "side must be"),
        ({"precision": "int3"}, "precision must be"),
        ({"out": np.empty((N, D))}, "out must be None for a Dask array"),
    ],
)
def test_bad_arguments_are_refused_at_once(rows, adaptor, arguments, message):
    with pytest.raises(InvalidValueError, match=message):
        adaptor.transform(da.from_array(rows, chunks=(20, D)), **arguments)


def test_bad_arrays_are_refused_by_name(rows, adaptor):
    X = da.from_array(rows, chunks=(20, D))
    with pytest.raises(InvalidValueError, match=f"X must have {D} columns, got shape"):
        adaptor.transform(X[:, :5])
    with pytest.raises(InvalidValueError, match="X must be a 2-D dask array"):
        adaptor.transform(X[0])
    with pytest.raises(InvalidValueError, match="X must be real numbers, got dtype complex64"):
        adaptor.transform(X.astype(np.complex64))

    class Frame:
        def to_dask_array(self):
            raise NotImplementedError

    with pytest.raises(InvalidTypeError, match="hand in X.to_dask_array"):
        adaptor.transform(Frame())


def test_a_number_that_is_not_finite_is_found_in_its_block(rows, adaptor):
    bad = rows.copy()
    bad[50, 3] = np.nan
    Z = adaptor.transform(da.from_array(bad, chunks=(40, D)), dim=8)
    with pytest.raises(InvalidValueError, match="in a block of 40 rows: X must be .* got nan"):
        Z.compute(scheduler="synchronous")


def test_there_and_back(rows, local, adaptor, tmp_path):
    back = adaptor.to_local()
    assert type(back) is MatryoshkaAdaptor
    assert back.get_params() == local.get_params()
    assert_array_equal(back.transform(rows, 8), local.transform(rows, 8))
    adaptor.save(tmp_path / "adaptor.safetensors")
    for kind in (MatryoshkaAdaptor, DaskMatryoshkaAdaptor):
        loaded = kind.load(tmp_path / "adaptor.safetensors")
        assert type(loaded) is kind
        assert loaded.fingerprint_ == local.fingerprint_


def test_a_client_is_neither_copied_nor_pickled():
    class Client:
        compute = persist = gather = None

        def __deepcopy__(self, memo):
            raise AssertionError("copied")

        def __reduce__(self):
            raise AssertionError("pickled")

    client = Client()
    adaptor = DaskMatryoshkaAdaptor(dims=(8, 16), client=client, n_shards=3, max_iter=7)
    copy = clone(adaptor)
    assert copy.client is adaptor.client is client
    assert (copy.n_shards, copy.max_iter, copy.dims) == (3, 7, (8, 16))
    assert pickle.loads(pickle.dumps(adaptor)).client is None
    assert repr(adaptor).startswith("DaskMatryoshkaAdaptor(client=")
    assert "guard" in adaptor.get_params()
    with pytest.raises(TypeError, match="unknown"):
        DaskMatryoshkaAdaptor(unknown=1)
