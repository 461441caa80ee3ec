"""Whatever holds vectors gives the numbers of a plain array; docs/inputs.md is the table."""

import re
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn import config_context
from sklearn.base import clone

from madapt import MatryoshkaAdaptor
from madapt.baselines import PCAReducer, SearchAdaptor, Truncation

N, D, N_QUERIES = 40, 16, 25
#: Whole numbers that float16, bfloat16 and int8 hold, too.
ROWS = np.random.default_rng(0).integers(-50, 50, (N, D)).astype(np.float32)
QUERIES = ROWS[:N_QUERIES] + 1
QRELS = [{i: 1} for i in range(N_QUERIES)]
PAGE = Path(__file__).parents[1] / "docs" / "inputs.md"


def pandas():
    return pytest.importorskip("pandas")


def polars():
    return pytest.importorskip("polars")


def pyarrow():
    return pytest.importorskip("pyarrow")


def torch():
    return pytest.importorskip("torch")


def jax():
    return pytest.importorskip("jax").numpy


def strict():
    return pytest.importorskip("array_api_strict")


def objects(rows, make):
    column = np.empty(len(rows), object)
    column[:] = [make(row) for row in rows]
    return column


def names():
    return [f"column{i}" for i in range(D)]


def wide(rows):
    found = np.zeros((2 * len(rows), 2 * D), rows.dtype)
    found[::2, ::2] = rows
    return found[::2, ::2]


def read_only(rows):
    rows = rows.copy()
    rows.setflags(write=False)
    return rows


def mapped(rows, folder):
    path = folder / f"{len(list(folder.iterdir()))}.npy"
    np.save(path, rows)
    return np.load(path, mmap_mode="r")


def fixed_size(rows):
    arrow = pyarrow()
    return arrow.FixedSizeListArray.from_arrays(arrow.array(rows.ravel()), D)


def sliced(rows):
    padded = np.vstack([rows[:3], rows, rows[:2]])
    return fixed_size(padded).slice(3, len(rows))


def chunked(rows):
    return pyarrow().chunked_array([fixed_size(rows[:7]), fixed_size(rows[7:])])


def lists(rows):
    return pyarrow().array(list(rows))


def arrow_table(rows):
    return pyarrow().table({"embedding": chunked(rows)})


def arrow_coordinates(rows):
    return pyarrow().table(dict(zip(names(), rows.T, strict=True)))


def pandas_column(rows):
    return pandas().Series(list(rows))


def pandas_arrow(rows):
    return pandas().Series(lists(rows), dtype=pandas().ArrowDtype(lists(rows).type))


def pandas_frame(rows):
    return pandas().DataFrame(rows, columns=names())


def pandas_nullable(rows):
    return pandas_frame(rows).astype("Float32")


def polars_frame(rows):
    return polars().DataFrame(rows, schema=names())


def polars_array(rows):
    return polars().Series(rows, dtype=polars().Array(polars().Float32, D))


def polars_list(rows):
    return polars_array(rows).cast(polars().List(polars().Float32))


#: What a row of the page is called, and how it is made of float32 rows.
FORMS = {
    "NumPy, Fortran order": np.asfortranarray,
    "NumPy, negative strides": lambda rows: rows[::-1, ::-1].copy()[::-1, ::-1],
    "NumPy, not contiguous": wide,
    "NumPy, read-only": read_only,
    "NumPy, big-endian": lambda rows: rows.astype(">f4"),
    "NumPy, float16": lambda rows: rows.astype(np.float16),
    "NumPy, integers": lambda rows: rows.astype(np.int8),
    "NumPy, array of arrays": lambda rows: objects(rows, np.array),
    "NumPy, masked, no entry masked": np.ma.array,
    "list of arrays": list,
    "list of tensors": lambda rows: [torch().tensor(row) for row in rows],
    "memory map": mapped,
    "pandas data frame": pandas_frame,
    "pandas data frame, nullable": pandas_nullable,
    "pandas column of arrays": pandas_column,
    "pandas column over pyarrow": pandas_arrow,
    "pandas data frame of one column of arrays": lambda rows: pandas_column(rows).to_frame("e"),
    "polars data frame": polars_frame,
    "polars column of Array": polars_array,
    "polars column of List": polars_list,
    "polars data frame of one column of Array": lambda rows: polars_array(rows).to_frame("e"),
    "pyarrow fixed-size lists": fixed_size,
    "pyarrow fixed-size lists, sliced": sliced,
    "pyarrow fixed-size lists in chunks": chunked,
    "pyarrow lists": lists,
    "pyarrow table of one column of lists": arrow_table,
    "pyarrow table of numbers": arrow_coordinates,
    "PyTorch": lambda rows: torch().tensor(rows),
    "PyTorch, transposed": lambda rows: torch().tensor(np.ascontiguousarray(rows.T)).T,
    "PyTorch, float16": lambda rows: torch().tensor(rows).half(),
    "PyTorch, bfloat16": lambda rows: torch().tensor(rows).bfloat16(),
    "JAX": lambda rows: jax().asarray(rows),
    "JAX, bfloat16": lambda rows: jax().asarray(rows, dtype=jax().bfloat16),
    "array-api-strict": lambda rows: strict().asarray(rows),
}
DOUBLE = {
    "NumPy, float64": lambda rows: rows,
    "nested lists": np.ndarray.tolist,
    "NumPy, array of lists": lambda rows: objects(rows, list),
    "pandas column of lists": lambda rows: pandas().Series(rows.tolist()),
    "polars column of List, float64": lambda rows: polars().Series(rows.tolist()),
    "pyarrow lists, float64": lambda rows: pyarrow().array(rows.tolist()),
    "PyTorch, float64": lambda rows: torch().tensor(rows),
}
ALL = [*((name, np.float32) for name in FORMS), *((name, np.float64) for name in DOUBLE)]


@pytest.fixture(params=ALL, ids=[name for name, _ in ALL])
def form(request, tmp_path):
    """Return the dtype of the plain array, and what makes the other form of it."""
    name, dtype = request.param
    make = {**FORMS, **DOUBLE}[name]
    return dtype, (lambda rows: make(rows, tmp_path)) if make is mapped else make


def adaptor(**parameters):
    return MatryoshkaAdaptor(max_iter=2, random_state=0, guard=False, **parameters)


def test_rows_queries_and_corpus_of_fit(form):
    dtype, make = form
    X, Q = ROWS.astype(dtype), QUERIES.astype(dtype)
    model = adaptor(hidden_dim=4, center=0.5)
    expected = clone(model).fit(X, queries=Q, qrels=QRELS).fingerprint_
    assert clone(model).fit(make(X), queries=make(Q), qrels=QRELS).fingerprint_ == expected
    assert clone(model).fit(make(Q), QRELS, corpus=make(X)).fingerprint_ == expected


NAMELESS = pytest.mark.filterwarnings("ignore:X has feature names, but")
FITTED = {dtype: adaptor().fit(ROWS.astype(dtype)) for dtype in (np.float32, np.float64)}


@pytest.mark.parametrize("method", ["transform", "inverse_transform", "score"])
@NAMELESS
def test_rows_of_a_fitted_model(form, method):
    dtype, make = form
    call = getattr(FITTED[dtype], method)
    expected = call(ROWS.astype(dtype))
    found = call(make(ROWS.astype(dtype)))
    assert type(found) is type(expected)
    assert_array_equal(found, expected, strict=True)


@NAMELESS
@pytest.mark.parametrize("precision", ["int8", "binary"])
def test_codes(form, precision):
    dtype, make = form
    expected = FITTED[dtype].transform(ROWS.astype(dtype), precision=precision)
    found = FITTED[dtype].transform(make(ROWS.astype(dtype)), precision=precision)
    assert_array_equal(found, expected, strict=True)


@pytest.mark.parametrize("baseline", [PCAReducer, Truncation])
def test_baselines(form, baseline):
    dtype, make = form
    X = ROWS.astype(dtype)
    found = baseline().fit(make(X)).transform(make(X), dim=5)
    assert_array_equal(found, baseline().fit(X).transform(X, dim=5), strict=True)


def test_search_adaptor(form):
    dtype, make = form
    X, Q = ROWS.astype(dtype), QUERIES.astype(dtype)
    parameters = {"max_iter": 1, "hidden_dim": 4, "random_state": 0, "early_stopping": False}
    expected = SearchAdaptor(**parameters).fit(X, queries=Q, qrels=QRELS).transform(X)
    one = SearchAdaptor(**parameters).fit(make(X), queries=make(Q), qrels=QRELS)
    assert_array_equal(one.transform(make(X)), expected, strict=True)


def test_the_page_lists_what_is_tested():
    cells = re.findall(r"^\| ([^|]+) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert set(cells) - {"input", "---"} == {*FORMS, *DOUBLE}


@pytest.mark.parametrize("make", [pandas_frame, pandas_nullable, polars_frame])
@pytest.mark.parametrize("estimator", [adaptor(), PCAReducer()])
def test_names_of_columns_are_kept_and_checked(make, estimator):
    frame = make(ROWS)
    estimator.fit(frame)
    assert list(estimator.feature_names_in_) == names()
    with pytest.raises(ValueError, match="feature names should match"):
        estimator.transform(frame[names()[::-1]])
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        estimator.transform(ROWS)


def test_a_column_of_vectors_has_no_names():
    assert not hasattr(adaptor().fit(pandas_column(ROWS).to_frame("e")), "feature_names_in_")


@pytest.mark.parametrize("name", ["PyTorch", "JAX", "array-api-strict"])
@pytest.mark.parametrize("method", ["transform", "inverse_transform"])
def test_under_dispatch_results_come_back_in_the_namespace(monkeypatch, name, method):
    X = FORMS[name](ROWS)
    monkeypatch.setenv("SCIPY_ARRAY_API", "1")
    with config_context(array_api_dispatch=True):
        one = adaptor().fit(X)
        Z = getattr(one, method)(X)
        reduced = PCAReducer().fit(X).transform(X)
        plain = getattr(one, method)(ROWS)
        share = one.score(X)
    assert type(Z) is type(reduced) is type(X)
    assert type(plain) is np.ndarray
    assert isinstance(share, float)
    assert_array_equal(np.from_dlpack(Z), plain)
    assert isinstance(getattr(one, method)(X), np.ndarray)


def test_out_is_what_comes_back_under_dispatch(monkeypatch):
    out = np.empty((N, 4), np.float32)
    monkeypatch.setenv("SCIPY_ARRAY_API", "1")
    with config_context(array_api_dispatch=True):
        Z = FITTED[np.float32].transform(FORMS["array-api-strict"](ROWS), dim=4, out=out)
    assert Z is out


def test_the_index_of_a_data_frame_is_kept():
    frame = pandas_frame(ROWS).set_index(np.arange(N) + 7)
    Z = adaptor().set_output(transform="pandas").fit(frame).transform(frame, dim=3)
    assert list(Z.index) == list(frame.index)
