"""What holds no vectors: one error that names the argument and says what came, before any work."""

import numpy as np
import pytest

import madapt.estimator
from madapt import InvalidValueError, MatryoshkaAdaptor
from madapt.baselines import PCAReducer

N, D = 20, 4
ROWS = np.random.default_rng(0).standard_normal((N, D)).astype(np.float32)
WANTED = "must be a 2-D array of finite real numbers, got"
LISTS = ROWS.tolist()
RAGGED = [*LISTS[:5], [1.0, 2.0, 3.0], *LISTS[6:]]
MISSING = [*LISTS[:5], None, *LISTS[6:]]
NAN = [*LISTS[:5], [1.0, np.nan, 2.0, 3.0], *LISTS[6:]]
HOLE = [*LISTS[:5], [1.0, None, 2.0, 3.0], *LISTS[6:]]
UNEQUAL = f"{WANTED} rows of unequal length, 4 in row 0 and 3 in row 5"
NULL, NULL_ENTRY = f"{WANTED} a null in row 5", f"{WANTED} a null in row 5, column 1"
NOT_A_NUMBER = f"{WANTED} nan in row 5, column 1"


def library(name):
    return pytest.importorskip(name)


def objects(rows):
    column = np.empty(len(rows), object)
    column[:] = rows
    return column


def arrow(rows, kind="list_"):
    pa = library("pyarrow")
    size = (D,) if kind == "fixed" else ()
    return pa.array(rows, pa.list_(pa.float32(), *size))


def arrow_chunks(rows):
    return library("pyarrow").chunked_array([arrow(rows[:3]), arrow(rows[3:])])


def frame(name, rows):
    columns = {f"column{j}": [row[j] for row in rows] for j in range(D)}
    module = library(name)
    return module.table(columns) if name == "pyarrow" else module.DataFrame(columns)


def nullable(rows):
    return frame("pandas", rows).astype("Float64")


def beside(name):
    columns = {"id": list(range(N)), "embedding": LISTS}
    module = library(name)
    return module.table(columns) if name == "pyarrow" else module.DataFrame(columns)


def masked():
    return np.ma.array(ROWS, mask=np.arange(N * D).reshape(N, D) == 21)


def meta():
    return library("torch").empty((N, D), device="meta")


def tensor(**options):
    return library("torch").tensor(ROWS, **options)


class OnAnotherDevice:
    """A tensor that is on a GPU."""

    device = "cuda:0"

    def __dlpack_device__(self):
        return (2, 0)

    def __dlpack__(self, **options):
        raise AssertionError("nothing is to be read")


BESIDE = "must be columns of numbers or one column of vectors, got vectors in column 'embedding'"
#: What makes it, and the message after the argument's name.
BAD = {
    "lists, ragged": (lambda: RAGGED, UNEQUAL),
    "lists, null": (lambda: HOLE, NULL_ENTRY),
    "lists, NaN": (lambda: NAN, NOT_A_NUMBER),
    "objects, ragged": (lambda: objects(RAGGED), UNEQUAL),
    "objects, null": (lambda: objects(MISSING), NULL),
    "objects, NaN": (lambda: objects(NAN), NOT_A_NUMBER),
    "objects, text": (lambda: objects(["text"] * N), f"{WANTED} shape .20,."),
    "arrays, ragged": (lambda: [np.array(row) for row in RAGGED], UNEQUAL),
    "tensors, ragged": (lambda: [library("torch").tensor(row) for row in RAGGED], UNEQUAL),
    "masked": (masked, f"{WANTED} a masked entry at .5, 1."),
    "pandas, NaN": (lambda: frame("pandas", NAN), NOT_A_NUMBER),
    "pandas, null": (lambda: nullable(HOLE), NULL_ENTRY),
    "pandas column, ragged": (lambda: library("pandas").Series(RAGGED), UNEQUAL),
    "pandas column, null": (lambda: library("pandas").Series(MISSING), NULL),
    "pandas column, NaN": (lambda: library("pandas").Series(NAN), NOT_A_NUMBER),
    "pandas column, numbers": (lambda: library("pandas").Series(ROWS[0]), f"{WANTED} shape .4,."),
    "pandas, beside": (lambda: beside("pandas"), BESIDE),
    "polars, NaN": (lambda: frame("polars", NAN), NOT_A_NUMBER),
    "polars, null": (lambda: frame("polars", HOLE), NULL_ENTRY),
    "polars column, ragged": (lambda: library("polars").Series(RAGGED), UNEQUAL),
    "polars column, null": (lambda: library("polars").Series(MISSING), NULL),
    "polars column, null in it": (lambda: library("polars").Series(HOLE), NOT_A_NUMBER),
    "polars, beside": (lambda: beside("polars"), BESIDE),
    "pyarrow, ragged": (lambda: arrow(RAGGED), UNEQUAL),
    "pyarrow chunks, ragged": (lambda: arrow_chunks(RAGGED), UNEQUAL),
    "pyarrow, null": (lambda: arrow(MISSING), NULL),
    "pyarrow fixed, null": (lambda: arrow(MISSING, "fixed"), NULL),
    "pyarrow chunks, null": (lambda: arrow_chunks(MISSING), NULL),
    "pyarrow, null in it": (lambda: arrow(HOLE), NULL_ENTRY),
    "pyarrow fixed, null in it": (lambda: arrow(HOLE, "fixed"), NULL_ENTRY),
    "pyarrow chunks, null in it": (lambda: arrow_chunks(HOLE), NULL_ENTRY),
    "pyarrow, NaN": (lambda: arrow(NAN), NOT_A_NUMBER),
    "pyarrow table, null": (lambda: frame("pyarrow", HOLE), NULL_ENTRY),
    "pyarrow, beside": (lambda: beside("pyarrow"), BESIDE),
    "PyTorch, gradients": (lambda: tensor(requires_grad=True), "must not require gradients"),
    "PyTorch, sparse": (lambda: tensor().to_sparse(), "must be a dense tensor"),
    "PyTorch, elsewhere": (meta, "must be .*tensor"),
    "PyTorch, NaN": (lambda: library("torch").tensor(NAN), NOT_A_NUMBER),
    "another device": (OnAnotherDevice, "must be in the memory of the CPU, .* on cuda:0"),
}


@pytest.fixture(params=BAD)
def bad(request):
    make, message = BAD[request.param]
    return make(), message


@pytest.fixture
def no_training(monkeypatch):
    def called(*arguments, **keywords):
        raise AssertionError("training was called")

    monkeypatch.setattr(madapt.estimator, "fit_adaptor", called)


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize("name", ["X", "queries", "corpus"])
def test_arguments_of_fit(bad, name):
    given, message = bad
    more = {"y": [{0: 1}] * N} if name == "corpus" else {}
    with pytest.raises(InvalidValueError, match=f"^{name} {message}"):
        MatryoshkaAdaptor().fit(**{"X": ROWS, name: given, **more})


FITTED = [MatryoshkaAdaptor(max_iter=1, guard=False).fit(ROWS), PCAReducer().fit(ROWS)]


@pytest.mark.filterwarnings("ignore:X has feature names, but")
@pytest.mark.parametrize("method", ["transform", "inverse_transform", "score", "check_vectors"])
def test_rows_of_a_fitted_model(bad, method):
    given, message = bad
    with pytest.raises(InvalidValueError, match=f"^X {message}"):
        getattr(FITTED[0], method)(given)


@pytest.mark.filterwarnings("ignore:X has feature names, but")
def test_rows_of_a_baseline(bad):
    given, message = bad
    with pytest.raises(InvalidValueError, match=f"^X {message}"):
        FITTED[1].transform(given)
    with pytest.raises(InvalidValueError, match=f"^X {message}"):
        PCAReducer().fit(given)


WIDE = np.ones((N, D + 1), np.float32)
COLUMNS = {
    "NumPy": lambda: WIDE,
    "float16": lambda: WIDE.astype(np.float16),
    "PyTorch": lambda: library("torch").tensor(WIDE),
    "pyarrow": lambda: library("pyarrow").array(list(WIDE)),
    "polars": lambda: library("polars").Series(WIDE),
    "pandas": lambda: library("pandas").Series(list(WIDE)),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_another_number_of_columns(name):
    given = COLUMNS[name]()
    for model in FITTED:
        with pytest.raises(ValueError, match="X has 5 features, but .* is expecting 4 features"):
            model.transform(given)
    message = "queries must have 4 columns, got shape .20, 5."
    with pytest.raises(InvalidValueError, match=message):
        MatryoshkaAdaptor().fit(ROWS, queries=given)
    with pytest.raises(InvalidValueError, match=message.replace("queries", "corpus")):
        MatryoshkaAdaptor().fit(ROWS, [{0: 1}] * N, corpus=given)
