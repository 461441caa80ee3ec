"""Arrow files, HDF5 and zarr: what is refused, and how much of them is read."""

import sys

import numpy as np
import pytest

from madapt.exceptions import InvalidTypeError, InvalidValueError
from madapt.io import open_embeddings

N, D = 57, 6
X = np.random.default_rng(0).standard_normal((N, D)).astype(np.float32)
EXTRAS = {"arrow": "parquet", "h5": "hdf5", "zarr": "zarr"}
LIBRARIES = {"arrow": "pyarrow", "h5": "h5py", "zarr": "zarr"}


def save(path, arrays):
    """Write arrays under their names, in the format of the path's ending; return the path."""
    library = pytest.importorskip(LIBRARIES[path.suffix[1:]])
    if path.suffix == ".h5":
        with library.File(path, "w") as file:
            for name, array in arrays.items():
                file[name] = array
    elif path.suffix == ".zarr":
        group = library.open_group(path, mode="w")
        for name, array in arrays.items():
            group.create_array(name, data=array)
    else:
        columns = {
            name: array if array.ndim == 1 else library.array(array.tolist())
            for name, array in arrays.items()
        }
        table = library.table(columns)
        with library.ipc.new_file(path, table.schema) as writer:
            writer.write_table(table)
    return path


@pytest.mark.parametrize("ending", EXTRAS)
def test_which_column_or_array(tmp_path, ending):
    arrays = {"id": np.arange(N), "text": X, "title": X + 1}
    path = save(tmp_path / f"X.{ending}", arrays)
    for wrong in (None, "id", "none"):
        with pytest.raises(InvalidValueError) as caught:
            open_embeddings(path, wrong)
        assert str(caught.value).startswith("column must name a ")
        assert f"where there is 'text', 'title', got {wrong!r}" in str(caught.value)
    with pytest.raises(InvalidTypeError, match="column must be a str or None, got 3"):
        open_embeddings(path, 3)
    with open_embeddings(path, "title") as opened:
        np.testing.assert_allclose(opened[7:9], X[7:9] + 1)
        assert opened.column == "title"
    for arguments in ({"dtype": "f4"}, {"shape": D}):
        with pytest.raises(InvalidValueError, match=f"must be None for .{ending} files"):
            open_embeddings(path, **arguments)


UNFIT = {"1-D": X[0], "empty": X[:0], "complex": X.astype(complex), "text": X.astype("S4")}
# Arrow has no lists of complex numbers, and zarr warns of bytes.
CASES = [("arrow", "1-D"), ("arrow", "empty"), *(("h5", name) for name in UNFIT)]
CASES += [("zarr", "1-D"), ("zarr", "empty"), ("zarr", "complex")]


@pytest.mark.parametrize(("ending", "unfit"), CASES)
def test_nothing_in_it_that_fits(tmp_path, ending, unfit):
    path = save(tmp_path / f"X.{ending}", {"emb": UNFIT[unfit]})
    with pytest.raises(InvalidValueError, match="(column|path) must .*, (got|where there is) none"):
        open_embeddings(path)


@pytest.mark.parametrize("ending", EXTRAS)
def test_files_of_other_kinds(tmp_path, ending):
    pytest.importorskip(LIBRARIES[ending])
    path = tmp_path / f"X.{ending}"
    if ending == "zarr":
        path.mkdir()
        (path / "zarr.json").write_text("no JSON")
    for content in (b"", b"ARROW1 and nothing else", b"nothing of the kind" * 9):
        if ending != "zarr":
            path.write_bytes(content)
        with pytest.raises(InvalidValueError, match="path must be an? "):
            open_embeddings(path)


def test_a_zarr_store_is_a_folder(tmp_path):
    path = tmp_path / "X.zarr"
    with pytest.raises(FileNotFoundError, match="path must be a folder that exists, got"):
        open_embeddings(path)
    path.mkdir()
    pytest.importorskip("zarr")
    with pytest.raises(InvalidValueError, match="path must be a zarr store, got"):
        open_embeddings(path)


@pytest.mark.parametrize("ending", EXTRAS)
def test_without_the_library(tmp_path, monkeypatch, ending):
    path = tmp_path / f"X.{ending}"
    path.mkdir() if ending == "zarr" else path.touch()
    monkeypatch.setitem(sys.modules, LIBRARIES[ending], None)
    with pytest.raises(ImportError, match=rf"pip install 'madapt\[{EXTRAS[ending]}\]'"):
        open_embeddings(path)


def test_rows_of_arrow_that_are_missing_or_ragged(tmp_path):
    arrow = pytest.importorskip("pyarrow")
    good, path = [1.0, 2.0, 3.0], tmp_path / "X.arrow"
    for rows, found in (
        ([good, good, None], "a missing one in row 2"),
        ([good, good, [1.0]], "1 in row 2"),
        ([good, good, [1.0, None, 2.0]], "a missing number at place 1 in row 2"),
    ):
        table = arrow.table({"emb": arrow.array(rows, arrow.list_(arrow.float32()))})
        with arrow.ipc.new_file(path, table.schema) as writer:
            writer.write_table(table, max_chunksize=2)
        with open_embeddings(path) as opened:
            with pytest.raises(InvalidValueError) as caught:
                opened[:]
            assert str(caught.value) == (
                f"{path} must hold 3 numbers in each row of column 'emb', got {found}"
            )
            np.testing.assert_array_equal(opened[1], good)


def test_an_arrow_file_is_a_map_and_a_packed_one_a_batch(tmp_path):
    arrow = pytest.importorskip("pyarrow")
    rows = np.random.default_rng(0).standard_normal((20_000, 64)).astype(np.float32)
    column = arrow.FixedSizeListArray.from_arrays(arrow.array(rows.ravel()), 64)
    table = arrow.table({"emb": column})
    for compression, most in ((None, 0.02), ("zstd", 0.25)):
        path = tmp_path / f"{compression}.arrow"
        options = arrow.ipc.IpcWriteOptions(compression=compression)
        with arrow.ipc.new_file(path, table.schema, options=options) as writer:
            writer.write_table(table, max_chunksize=2000)
        before, peak = arrow.total_allocated_bytes(), 0
        with open_embeddings(path) as opened:
            for a in range(0, len(rows), 500):
                np.testing.assert_array_equal(opened[a : a + 500], rows[a : a + 500])
                peak = max(peak, arrow.total_allocated_bytes() - before)
        assert peak <= most * rows.nbytes


@pytest.mark.parametrize("ending", ["h5", "zarr"])
def test_rising_slices_read_each_chunk_once(tmp_path, monkeypatch, ending):
    library = pytest.importorskip(LIBRARIES[ending])
    monkeypatch.setattr("madapt.io.windows.WINDOW_BYTES", 4 * D * 25)
    path = tmp_path / f"X.{ending}"
    if ending == "h5":
        with library.File(path, "w") as file:
            file.create_dataset("emb", data=X, chunks=(10, D))
    else:
        library.create_array(path, data=X, chunks=(10, D))
    with open_embeddings(path) as opened:
        begun, unpack = [], opened._unpack
        monkeypatch.setattr(opened, "_unpack", lambda row: (begun.append(row), unpack(row))[1])
        for a in range(0, N, 3):
            np.testing.assert_array_equal(opened[a : a + 3], X[a : a + 3])
        assert begun == [0, 20, 40]
