"""No argument is copied without need: what is shared, and how much memory transform takes."""

import subprocess
import sys

import numpy as np
import pytest

from madapt import MatryoshkaAdaptor
from madapt._inputs import as_rows
from madapt.baselines import Truncation

N, D = 80_000, 64
TWO_BLOCKS = 8 * 2**20
ROWS = np.random.default_rng(0).standard_normal((N, D)).astype(np.float32)
MODEL = MatryoshkaAdaptor(dim=8, max_iter=1, random_state=0, guard=False).fit(ROWS[:300])


def pyarrow_lists(rows, d):
    pa = pytest.importorskip("pyarrow")
    return pa.FixedSizeListArray.from_arrays(pa.array(rows.ravel()), d)


def variable_lists(rows, d):
    pa = pytest.importorskip("pyarrow")
    edges = pa.array(np.arange(0, rows.size + 1, d, dtype=np.int32))
    return pa.ListArray.from_arrays(edges, pa.array(rows.ravel()))


def in_chunks(rows, d):
    pa = pytest.importorskip("pyarrow")
    parts = [pyarrow_lists(part, d) for part in np.array_split(rows, 7)]
    return pa.chunked_array(parts)


def polars_column(rows, d):
    pl = pytest.importorskip("polars")
    return pl.Series("e", rows, dtype=pl.Array(pl.Float32, d))


#: What shares memory with the array it is made of.
SHARED = {
    "NumPy": lambda rows, d: rows,
    "Fortran order": lambda rows, d: np.asfortranarray(rows),
    "read-only": lambda rows, d: np.broadcast_to(rows, rows.shape),
    "pyarrow": pyarrow_lists,
    "pyarrow lists": variable_lists,
    "pyarrow, sliced": lambda rows, d: pyarrow_lists(rows, d)[5:],
    "PyTorch": lambda rows, d: pytest.importorskip("torch").from_numpy(rows),
    "pandas": lambda rows, d: pytest.importorskip("pandas").DataFrame(rows, copy=False),
    "array-api-strict": lambda rows, d: pytest.importorskip("array_api_strict").asarray(rows),
}


def address(rows):
    return rows.__array_interface__["data"][0]


@pytest.mark.parametrize("name", SHARED)
def test_memory_is_shared(name):
    source = ROWS[:100].copy()
    given = SHARED[name](source, D)
    rows = as_rows(given, "X")
    if name in ("Fortran order", "array-api-strict"):  # made by a copy of their own
        assert address(rows) == address(np.asarray(given))
    else:
        assert np.shares_memory(rows, source)


def test_chunks_are_shared():
    given = in_chunks(ROWS[:100], D)
    rows = as_rows(given, "X")
    for part, chunk in zip(rows.parts, given.chunks, strict=True):
        assert address(part) == address(chunk.flatten().to_numpy())
    np.testing.assert_array_equal(rows[3:90], ROWS[3:90])
    assert np.shares_memory(rows[2:10], rows.parts[0])
    assert rows[5:5].shape == (0, D)


@pytest.mark.parametrize("name", ["polars", "JAX"])
def test_columns_and_tensors_are_not_copied(name):
    if name == "polars":
        given = polars_column(ROWS[:100], D)
        buffer = given.to_numpy(allow_copy=False)
    else:
        given = pytest.importorskip("jax").numpy.asarray(ROWS[:100])
        buffer = np.asarray(given)
    assert address(as_rows(given, "X")) == address(buffer)


FORMS = {
    **SHARED,
    "chunks": in_chunks,
    "polars": polars_column,
    "strided": lambda rows, d: np.repeat(rows, 2, axis=1)[:, ::2],
    "negative strides": lambda rows, d: rows[::-1],
    "big-endian": lambda rows, d: rows.astype(">f4"),
    "float16": lambda rows, d: rows.astype(np.float16),
    "integers": lambda rows, d: rows.astype(np.int64),
    "PyTorch, float16": lambda rows, d: pytest.importorskip("torch").from_numpy(rows).half(),
}


@pytest.mark.parametrize("name", FORMS)
def test_transform_holds_blocks_and_not_the_whole(peak_of, name):
    given = FORMS[name](ROWS, D)
    out = np.empty((given.shape[0] if hasattr(given, "shape") else len(given), 8), np.float32)
    MODEL.transform(FORMS[name](ROWS[:20], D))  # imports
    peak = peak_of(lambda: MODEL.transform(given, out=out))
    assert peak < TWO_BLOCKS < ROWS.nbytes / 2


def test_a_memory_map_is_not_read_whole(peak_of, tmp_path):
    np.save(tmp_path / "X.npy", ROWS)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    out = np.empty((N, 8), np.float32)
    assert peak_of(lambda: MODEL.transform(mapped, out=out)) < TWO_BLOCKS


def test_a_baseline_gives_memory_of_its_own():
    rows = ROWS[:50].copy()
    Z = Truncation(normalize=False).fit(rows).transform(rows)
    assert not np.shares_memory(Z, rows)


def test_none_of_the_libraries_is_imported():
    code = (
        "import sys, numpy as np; from madapt import MatryoshkaAdaptor; "
        "X = np.random.default_rng(0).standard_normal((50, 8)); "
        "MatryoshkaAdaptor(max_iter=1).fit(X).transform(X.tolist()); "
        "print(sorted({'torch', 'jax', 'polars'} & set(sys.modules)))"  # scikit-learn has pandas
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["[]"]
