"""Rows by slices, from anything that has them."""

import numpy as np
import pytest

from madapt._row_source import is_row_sliceable, row_blocks
from madapt.exceptions import InvalidValueError

N, D = 103, 24
X = np.random.default_rng(0).standard_normal((N, D)).astype(np.float32)


class Sliced:
    """Rows by slice and nothing else, as zarr and h5py have them."""

    def __init__(self, array, chunks=None):
        self.array, self.asked = array, []
        self.shape, self.dtype, self.chunks = array.shape, array.dtype, chunks

    def __getitem__(self, rows):
        assert isinstance(rows, slice)
        self.asked.append((rows.start, rows.stop))
        return self.array[rows]


class Lazy:
    """A slice that becomes an array only when asked, as dask has it."""

    def __init__(self, array):
        self.array, self.shape, self.dtype = array, array.shape, array.dtype
        self.chunks = ((40, 3, 60), (D,))

    def __getitem__(self, rows):
        return Lazy(self.array[rows])

    def __array__(self, dtype=None, copy=None):
        return self.array


def joined(source, rows):
    """Return all blocks as one array, once their places and sizes are known to be right."""
    blocks, end = [], 0
    for start, block in row_blocks(source, rows, "X"):
        assert start == end
        assert 1 <= len(block) <= rows
        end += len(block)
        blocks.append(block.copy())
    return np.concatenate(blocks)


@pytest.mark.parametrize("chunks", [None, (16, D), (1, D), (1000, 5), (3, D)])
def test_objects_that_only_slice(chunks):
    source = Sliced(X, chunks)
    np.testing.assert_array_equal(joined(source, 8), X)
    starts, stops = zip(*source.asked, strict=True)
    assert starts == (0, *stops[:-1])
    assert stops[-1] == N
    size = 1 if chunks is None else chunks[0]
    assert all(start % size == 0 for start in starts), "a chunk is unpacked twice"


def test_objects_that_slice_lazily():
    np.testing.assert_array_equal(joined(Lazy(X), 7), X)


def test_small_chunks_are_asked_for_together():
    source = Sliced(X, ((2,) * 51 + (1,), (D,)))
    joined(source, 8)
    lengths = [stop - start for start, stop in source.asked]
    assert sum(lengths) == N
    assert set(lengths[:-1]) == {max(lengths)}
    assert max(lengths) == 8


@pytest.mark.parametrize("stored", ["float16", ">f2", ">f4", "int8"])
def test_memory_is_used_again(stored):
    source = Sliced((8 * X).astype(stored), (1000, D))
    np.testing.assert_array_equal(joined(source, 7), source.array.astype(np.float32))
    addresses = {block.ctypes.data for _, block in row_blocks(source, 7, "X")}
    assert len(addresses) == 1


def test_nothing_is_copied_without_need():
    assert all(np.shares_memory(block, X) for _, block in row_blocks(X, 7, "X"))


def test_a_slice_that_is_not_what_was_promised():
    source = Sliced(X)
    source.shape = (N + 1, D)
    with pytest.raises(InvalidValueError, match="X.0:104. must have shape .104, 24., got .103, 24"):
        list(row_blocks(source, 500, "X"))


def test_what_is_read_by_slices(tmp_path):
    X = np.ones((3, 2), np.float32)
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    copied_else = [X.astype(np.float16), X.astype(int), X.astype(bool), X.astype(">f4")]
    copied_else += [np.asfortranarray(X), X[::-1], X[:, ::2], np.ones((3, 4))[:, 1:]]
    for sliceable in (mapped, *copied_else, Sliced(X), Lazy(X), Sliced(X.astype(np.int8))):
        assert is_row_sliceable(sliceable)


def test_what_is_left_to_the_usual_checks():
    import array_api_strict
    import pandas as pd
    import polars as pl
    from scipy import sparse

    X = np.ones((3, 2), np.float32)
    nameless = Sliced(X)
    nameless.dtype = None
    others = [
        X,
        X.astype(np.float64),
        X[:0].astype(np.float16),
        X.astype(object),
        X.astype(complex),
        X[0].astype(np.float16),
        np.float16(1),
        X.tolist(),
        np.ma.array(X.astype(np.float16)),
        sparse.csr_array(X),
        sparse.csr_matrix(X),
        pd.DataFrame(X),
        pd.Series(X[0]),
        pl.DataFrame(X),
        array_api_strict.asarray(X),
        Sliced(X.astype(complex)),
        Sliced(X[0]),
        nameless,
        None,
        "text",
    ]
    for other in others:
        assert not is_row_sliceable(other), type(other)
