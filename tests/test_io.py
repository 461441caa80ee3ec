"""Embeddings in files."""

import sys

import numpy as np
import pytest

from madapt._row_source import is_row_sliceable
from madapt.exceptions import InvalidTypeError, InvalidValueError
from madapt.io import Embeddings, open_embeddings

N, D = 57, 6
X = np.random.default_rng(0).standard_normal((N, D)).astype(np.float32)


@pytest.fixture(name="arrow")
def _arrow():
    return pytest.importorskip("pyarrow")


def save_parquet(arrow, path, column, **options):
    from pyarrow import parquet

    parquet.write_table(arrow.table({"id": range(len(column)), "emb": column}), path, **options)
    return path


def lists(arrow, rows, kind):
    """Return rows as an Arrow column of fixed-size, variable or large lists."""
    flat, d = arrow.array(rows.ravel()), rows.shape[1]
    if kind == "fixed":
        return arrow.FixedSizeListArray.from_arrays(flat, d)
    make = arrow.LargeListArray if kind == "large" else arrow.ListArray
    offsets = np.arange(0, rows.size + 1, d, dtype=np.int64 if kind == "large" else np.int32)
    return make.from_arrays(offsets, flat)


def save_arrow(arrow, folder, kind, column=None):
    """Write X, or a column, in batches of 10 rows, as a file or a stream, packed or not."""
    from pyarrow import ipc

    words = kind.split()
    path = folder / f"X.{next(word for word in words if word not in ('packed', 'stream'))}"
    column = (
        lists(arrow, X, "fixed" if "feather" in words else "variable") if column is None else column
    )
    table = arrow.table({"id": range(len(column)), "emb": column})
    options = ipc.IpcWriteOptions(compression="zstd" if "packed" in words else None)
    make = ipc.new_stream if "stream" in words else ipc.new_file
    with make(path, table.schema, options=options) as writer:
        writer.write_table(table[:0])
        writer.write_table(table, max_chunksize=10)
    return path


def save_chunks(folder, kind):
    """Write X to HDF5 or zarr, whole or in chunks of 10 rows, in zarr also in a group."""
    path = folder / f"X.{kind.split()[-1]}"
    if path.suffix == ".h5":
        h5py = pytest.importorskip("h5py")
        with h5py.File(path, "w") as file:
            file.create_dataset("id", data=np.arange(N))
            file.create_dataset("a/emb", data=X, chunks=(10, 4) if "chunked" in kind else None)
        return path
    zarr = pytest.importorskip("zarr")
    if "group" in kind:
        group = zarr.open_group(path, mode="w")
        group.create_array("id", data=np.arange(N))
        group.create_group("a").create_array("emb", data=X, chunks=(10, D))
    else:
        zarr.create_array(path, data=X, chunks=(10, 4))
    return path


@pytest.fixture(
    name="opened",
    params=[
        *("npy", "fortran npy", "f32", "bin", "fixed", "variable", "large", "one group"),
        *("arrow", "feather", "packed ipc", "arrow stream", "packed arrow stream"),
        *("h5", "chunked h5", "zarr", "group zarr"),
    ],
)
def _opened(request, tmp_path):
    """Every format with the same rows in it."""
    kind = request.param
    if "npy" in kind:
        path = tmp_path / "X.npy"
        np.save(path, np.asfortranarray(X) if "fortran" in kind else X)
        return open_embeddings(path)
    if kind in ("f32", "bin"):
        path = tmp_path / f"X.{kind}"
        X.tofile(path)
        return open_embeddings(str(path), dtype=None if kind == "f32" else "float32", shape=D)
    if "h5" in kind or "zarr" in kind:
        return open_embeddings(save_chunks(tmp_path, kind))
    arrow = pytest.importorskip("pyarrow")
    if any(word in kind for word in ("arrow", "feather", "ipc")):
        return open_embeddings(save_arrow(arrow, tmp_path, kind))
    one = kind == "one group"
    column = lists(arrow, X, "fixed" if one else kind)
    path = save_parquet(arrow, tmp_path / "X.parquet", column, row_group_size=N if one else 10)
    return open_embeddings(path, column="emb")


def test_one_face(opened):
    with opened:
        assert isinstance(opened, Embeddings)
        assert is_row_sliceable(opened)
        assert opened.shape == (N, D)
        assert opened.dtype == np.float32
        assert len(opened) == N
        assert opened.ndim == 2
        assert opened.filename.name in repr(opened)
        np.testing.assert_array_equal(np.asarray(opened), X)
        assert np.asarray(opened, np.float64).dtype == np.float64


def test_rows_by_slice(opened):
    generator = np.random.default_rng(1)
    with opened:
        ends = [(0, N), (0, 10), (9, 11), (50, N), (3, 3), (5, 2), (-4, None), (None, None)]
        ends += [tuple(pair) for pair in generator.integers(0, N, (40, 2))]
        for a, b in ends:
            block = opened[a:b]
            assert type(block) is np.ndarray
            assert block.dtype == np.float32
            np.testing.assert_array_equal(block, X[a:b])
        np.testing.assert_array_equal(opened[50:3:-7], X[50:3:-7])
        np.testing.assert_array_equal(opened[::20], X[::20])


def test_rows_by_index(opened):
    with opened:
        np.testing.assert_array_equal(opened[-1], X[-1])
        np.testing.assert_array_equal(opened[np.int64(3)], X[3])
        index = np.random.default_rng(2).integers(-N, N, 100)
        np.testing.assert_array_equal(opened[index], X[index])
        np.testing.assert_array_equal(opened[index.tolist()], X[index])
        np.testing.assert_array_equal(opened[X[:, 0] > 0], X[X[:, 0] > 0])
        assert opened[[]].shape == (0, D)
        for wrong in (N, -N - 1, [0, N]):
            with pytest.raises(IndexError, match="rows must lie in -57..56, got"):
                opened[wrong]
        for wrong in (1.5, [True], "0", [[1]], (slice(3), 0)):
            with pytest.raises(InvalidTypeError, match="rows must be a slice, an integer, "):
                opened[wrong]
        assert sum(1 for _ in opened) == N


def test_closing(opened):
    with opened as same:
        assert same is opened
        block = opened[3:5]
    opened.close()
    assert "closed" in repr(opened)
    np.testing.assert_array_equal(block, X[3:5])
    with pytest.raises(InvalidValueError, match="must be open to read rows, it was closed"):
        opened[:1]


@pytest.mark.parametrize("shape", [D, (N, D), (-1, D), [N, D], np.int64(D)])
@pytest.mark.parametrize("dtype", [np.float16, "<f4", ">f4", np.int8])
def test_raw_shapes_and_dtypes(tmp_path, shape, dtype):
    path = tmp_path / "vectors"
    rows = (10 * X).astype(dtype)
    rows.tofile(path)
    with open_embeddings(path, dtype=dtype, shape=shape) as opened:
        assert opened.dtype == np.dtype(dtype)
        np.testing.assert_array_equal(opened[:], rows)


def test_raw_files_that_do_not_fit(tmp_path):
    path, empty = tmp_path / "X.bin", tmp_path / "empty.f32"
    X.tofile(path)
    empty.touch()
    refused = [
        (path, {"shape": D}, "dtype must be given for raw files other than .f16, .f32, .f64"),
        (path, {"shape": D, "dtype": "O"}, "dtype must be one of real numbers"),
        (path, {"shape": D, "dtype": "U3"}, "dtype must be one of real numbers"),
        (path, {"shape": 7, "dtype": "f4"}, "path must hold a multiple of 28 bytes for shape 7"),
        (path, {"shape": (N - 1, D), "dtype": "f4"}, "path must hold 1344 bytes for shape (56, 6)"),
        (path, {"shape": 0, "dtype": "f4"}, "shape must be d or (n, d), d at least 1"),
        (path, {"shape": (0, D), "dtype": "f4"}, "shape must be d or (n, d), d at least 1"),
        (path, {"shape": D, "dtype": "f4", "column": "emb"}, "column must be None for .bin files"),
        (empty, {"shape": D}, "path must hold a multiple of 24 bytes for shape 6"),
    ]
    for name, arguments, message in refused:
        with pytest.raises(InvalidValueError) as caught:
            open_embeddings(name, **arguments)
        assert str(caught.value).startswith(message)
    for shape in (None, True, 1.5, (N, D, 1), "6", (None, D)):
        with pytest.raises(InvalidTypeError, match="shape must be d or "):
            open_embeddings(path, dtype="f4", shape=shape)
    with pytest.raises(InvalidTypeError, match="dtype must be a dtype, got 'no such'"):
        open_embeddings(path, dtype="no such", shape=D)


def test_npy_files_that_do_not_fit(tmp_path):
    path = tmp_path / "X.npy"
    unfit = {
        "1-D": (X[0], "path must hold a 2-D array that is not empty, got (6,)"),
        "empty": (X[:0], "path must "),
        "complex": (X.astype(complex), f"{path} must hold real numbers"),
        "objects": (X.astype(object), "path must be a .npy file of numbers"),
    }
    for array, message in unfit.values():
        np.save(path, array, allow_pickle=True)
        with pytest.raises(InvalidValueError) as caught:
            open_embeddings(path)
        assert str(caught.value).startswith(message)
    path.write_bytes(b"not an array")
    with pytest.raises(InvalidValueError, match="path must be a .npy file of numbers"):
        open_embeddings(path)
    for arguments in ({"dtype": "f4"}, {"shape": D}, {"column": "emb"}):
        with pytest.raises(InvalidValueError, match="must be None for .npy files"):
            open_embeddings(path, **arguments)


def test_paths_that_are_no_files(tmp_path):
    for path in (tmp_path, tmp_path / "none.npy"):
        with pytest.raises(FileNotFoundError, match="path must be a file that exists, got"):
            open_embeddings(path)
    with pytest.raises(InvalidTypeError, match="path must be a path, got 3"):
        open_embeddings(3)


@pytest.mark.parametrize("kind", ["fixed", "variable"])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int8])
def test_numbers_of_parquet_lists(arrow, tmp_path, kind, dtype):
    rows = (10 * X).astype(dtype)
    path = save_parquet(arrow, tmp_path / "X.pq", lists(arrow, rows, kind), row_group_size=20)
    with open_embeddings(path) as opened:
        assert opened.dtype == dtype
        np.testing.assert_array_equal(opened[:], rows)


@pytest.mark.parametrize("window_rows", [1, 4, 1000])
def test_windows_of_a_row_group(arrow, tmp_path, monkeypatch, window_rows):
    monkeypatch.setattr("madapt.io.windows.WINDOW_BYTES", 4 * D * window_rows)
    path = save_parquet(
        arrow, tmp_path / "X.parquet", lists(arrow, X, "variable"), row_group_size=25
    )
    with open_embeddings(path) as opened:
        for a, b in np.random.default_rng(3).integers(0, N, (60, 2)):
            np.testing.assert_array_equal(opened[a:b], X[a:b])
        index = np.random.default_rng(4).permutation(N)
        np.testing.assert_array_equal(opened[index], X[index])


def test_rising_slices_unpack_each_row_group_once(arrow, tmp_path, monkeypatch):
    path = save_parquet(arrow, tmp_path / "X.parquet", lists(arrow, X, "fixed"), row_group_size=10)
    with open_embeddings(path) as opened:
        begun, unpack = [], opened._unpacked
        monkeypatch.setattr(opened, "_unpacked", lambda g: (begun.append(g), unpack(g))[1])
        for a in range(0, N, 3):
            opened[a : a + 3]
        assert begun == [0, 1, 2, 3, 4, 5]


def test_memory_of_one_large_row_group(arrow, tmp_path):
    n, d = 60_000, 256
    rows = np.random.default_rng(0).standard_normal((n, d)).astype(np.float32)
    path = save_parquet(
        arrow, tmp_path / "X.parquet", lists(arrow, rows, "fixed"), row_group_size=n
    )
    assert path.stat().st_size > 50 * 2**20
    before, most = arrow.total_allocated_bytes(), 0
    with open_embeddings(path, "emb") as opened:
        for a in range(0, n, 1000):
            np.testing.assert_array_equal(opened[a : a + 1000], rows[a : a + 1000])
            most = max(most, arrow.total_allocated_bytes() - before)
    assert most < rows.nbytes + 2**20
    assert most < 56 * 2**20


def test_rows_that_are_missing_or_ragged(arrow, tmp_path):
    good = [1.0, 2.0, 3.0]
    path = tmp_path / "X.parquet"
    cases = [
        ([good, good, None, good], "list", "a missing one in row 2"),
        ([good, good, good, [1.0, 2.0]], "list", "2 in row 3"),
        ([good, good, good, []], "list", "0 in row 3"),
        ([good, good, [1.0, None, 2.0], good], "list", "a missing number at place 1 in row 2"),
        ([good, good, None, good], "fixed", "a missing one in row 2"),
        ([good, good, good, [None, 1.0, 2.0]], "fixed", "a missing number at place 0 in row 3"),
    ]
    for rows, kind, found in cases:
        of = arrow.list_(arrow.float32(), 3) if kind == "fixed" else arrow.list_(arrow.float32())
        for group in (2, 4):
            save_parquet(arrow, path, arrow.array(rows, of), row_group_size=group)
            with open_embeddings(path) as opened:
                with pytest.raises(InvalidValueError) as caught:
                    opened[:]
                assert str(caught.value) == (
                    f"{path} must hold 3 numbers in each row of column 'emb', got {found}"
                )
                np.testing.assert_array_equal(opened[0] if group == 2 else good, good)


def test_parquet_files_that_do_not_fit(arrow, tmp_path):
    path = tmp_path / "X.parquet"
    none = arrow.array([None, [1.0]], arrow.list_(arrow.float32()))
    for column, message in (
        (arrow.array([1.0, 2.0]), "column must name a column of lists of numbers"),
        (arrow.array([["a"], ["b"]]), "column must name a column of lists of numbers"),
        (none, f"{path} must hold a list of numbers in each row of column 'emb', got a missing"),
        (none[:0], "path must hold at least one row, got none"),
    ):
        save_parquet(arrow, path, column)
        with pytest.raises(InvalidValueError) as caught:
            open_embeddings(path)
        assert str(caught.value).startswith(message)
    path.write_bytes(b"PAR1 and nothing else")
    with pytest.raises(InvalidValueError, match="path must be a Parquet file, got"):
        open_embeddings(path)
    with pytest.raises(InvalidValueError, match="dtype must be None for .parquet files"):
        open_embeddings(path, dtype="f4")


def test_which_column(arrow, tmp_path):
    from pyarrow import parquet

    path = tmp_path / "X.parquet"
    column = lists(arrow, X, "variable")
    parquet.write_table(arrow.table({"title": column, "text": column, "id": range(N)}), path)
    wanted = "where there is 'title', 'text', got"
    for wrong in (None, "id", "none"):
        with pytest.raises(InvalidValueError, match=f"{wanted} {wrong!r}"):
            open_embeddings(path, wrong)
    with pytest.raises(InvalidTypeError, match="column must be a str or None, got 3"):
        open_embeddings(path, 3)
    with open_embeddings(path, "text") as opened:
        np.testing.assert_array_equal(opened[7:9], X[7:9])


def test_without_pyarrow(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    path = tmp_path / "X.parquet"
    path.touch()
    with pytest.raises(ImportError, match=r"pip install 'madapt\[parquet\]'"):
        open_embeddings(path)
