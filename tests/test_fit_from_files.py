"""`fit` on rows that are read by slices: the sample that an array gives, and no other rows."""

import tracemalloc

import numpy as np
import pytest
from scipy.sparse import csr_array

from madapt import MatryoshkaAdaptor
from madapt._fit_data import FitData
from madapt._row_source import rows_at
from madapt.exceptions import InvalidValueError
from madapt.io import open_embeddings

N, D, SAMPLE = 700, 24, 150
X = np.random.default_rng(0).standard_normal((N, D)).astype(np.float16).astype(np.float32)
Q = X[::70] + np.float32(0.5)
QRELS = csr_array((np.ones(10), (np.arange(10), np.arange(0, N, 70))), shape=(10, N))
KINDS = ["npy", "f16", "parquet", "arrow", "h5", "zarr"]


class Sliced:
    """Rows by slice and nothing else; it notes which are asked for."""

    def __init__(self, array, chunks=None):
        self.array, self.chunks, self.asked = array, chunks, []
        self.shape, self.dtype = array.shape, array.dtype

    def __getitem__(self, rows):
        self.asked.append((rows.start, rows.stop))
        return self.array[rows]


@pytest.fixture(name="opened", params=KINDS)
def _opened(request, tmp_path):
    """The rows in a file of each kind."""
    path = tmp_path / f"X.{request.param}"
    if path.suffix == ".npy":
        np.save(path, X)
    elif path.suffix == ".f16":
        X.astype(np.float16).tofile(path)
        return open_embeddings(path, shape=D)
    elif path.suffix == ".h5":
        with pytest.importorskip("h5py").File(path, "w") as file:
            file.create_dataset("emb", data=X, chunks=(90, D))
    elif path.suffix == ".zarr":
        pytest.importorskip("zarr").create_array(path, data=X, chunks=(90, D))
    else:
        arrow = pytest.importorskip("pyarrow")
        from pyarrow import feather, parquet

        table = arrow.table({"emb": arrow.array(X.tolist(), arrow.list_(arrow.float32()))})
        if path.suffix == ".parquet":
            parquet.write_table(table, path, row_group_size=90)
        else:
            feather.write_feather(table, path, chunksize=90)
    return open_embeddings(path)


def fitted(*rows, **others):
    parameters = {"max_iter": 3, "guard": False, "random_state": 0, "hidden_dim": 8}
    return MatryoshkaAdaptor(max_fit_rows=SAMPLE, **parameters).fit(*rows, **others)


def test_a_file_gives_what_an_array_gives(opened):
    with opened:
        assert fitted(opened).fingerprint_ == fitted(X).fingerprint_


@pytest.mark.filterwarnings("ignore:the judgments")
def test_with_queries_and_judgments(tmp_path):
    np.save(tmp_path / "X.npy", X)
    with open_embeddings(tmp_path / "X.npy") as opened:
        for others in ({"queries": Q}, {"queries": Q, "qrels": QRELS}):
            assert fitted(opened, **others).fingerprint_ == fitted(X, **others).fingerprint_
        found = fitted(Q, QRELS, corpus=opened)
    assert found.fingerprint_ == fitted(Q, QRELS, corpus=X).fingerprint_


@pytest.mark.parametrize("chunks", [None, (64, D), ((100,) * 7, (D,))])
def test_one_pass_over_few_rows(chunks):
    source = Sliced(X, chunks)
    found = FitData(source).sample(SAMPLE, np.random.default_rng(3))
    np.testing.assert_array_equal(
        found.documents, FitData(X).sample(SAMPLE, np.random.default_rng(3)).documents
    )
    starts, stops = zip(*source.asked, strict=True)
    assert all(stop <= start for stop, start in zip(stops, starts[1:], strict=False))
    few = FitData(Sliced(X)).sample(5, np.random.default_rng(3)).documents
    assert few.shape == (5, D)


@pytest.mark.parametrize("most", [1, 4, 50, 10_000])
def test_rows_are_read_in_runs(most, monkeypatch):
    monkeypatch.setattr("madapt._row_source._READ_BYTES", 4 * D * most)
    generator = np.random.default_rng(most)
    for size in (1, 2, 40, 600, N):
        index = np.sort(generator.choice(N, size, replace=False))
        source = Sliced(X)
        np.testing.assert_array_equal(rows_at(source, index, "X"), X[index])
        assert max(stop - start for start, stop in source.asked) <= most


def test_memory_is_that_of_the_sample(tmp_path):
    n, d = 150_000, 64
    np.save(tmp_path / "X.npy", np.ones((n, d), np.float16))
    with open_embeddings(tmp_path / "X.npy") as opened:
        data = FitData(opened)
        tracemalloc.start()
        sample = data.sample(2000, np.random.default_rng(0))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert sample.documents.dtype == np.float32
    drawing = 8 * n * 3  # a permutation, its order, and what sorts it
    assert peak < sample.documents.nbytes + drawing + 2**20 < 4 * n * d / 2


def test_what_is_not_finite_is_found_where_it_is_drawn():
    kept = np.sort(np.random.default_rng(0).permutation(N)[:SAMPLE])
    holed = X.copy()
    holed[kept[7], 3] = np.nan
    with pytest.raises(InvalidValueError, match=f"got nan in row {kept[7]}, column 3"):
        FitData(Sliced(holed)).sample(SAMPLE, np.random.default_rng(0))
    short = Sliced(X[:-1])
    short.shape = (N, D)
    with pytest.raises(InvalidValueError, match="must have shape"):
        rows_at(short, np.array([0, N - 1]), "X")


def test_columns_that_do_not_fit():
    with pytest.raises(InvalidValueError, match="corpus must have 24 columns, got shape"):
        fitted(Q, QRELS, corpus=Sliced(X[:, :20]))
    further = fitted(X).set_params(warm_start=True)
    with pytest.raises(ValueError, match="X has 20 features"):
        further.fit(Sliced(X[:, :20]))


def test_an_interrupted_fit_knows_the_file_again():
    from madapt._trained import digest

    settings = ("some", 1)
    assert digest(FitData(Sliced(X.astype(np.float16))), settings) == digest(FitData(X), settings)
    assert digest(FitData(Sliced(X + 1)), settings) != digest(FitData(X), settings)


@pytest.mark.parametrize("n_judged", [0, 3, 20, 30])
def test_of_very_many_no_permutation_is_drawn(n_judged, monkeypatch):
    monkeypatch.setattr("madapt._fit_data._PERMUTED", 10)
    judged = np.sort(np.random.default_rng(1).choice(N, n_judged, replace=False))
    ones = (np.ones(n_judged), (np.zeros(n_judged, int), judged))
    qrels = csr_array(ones, shape=(1, N)) if n_judged else None
    times = np.zeros(N)
    for seed in range(400):
        data = FitData(X[:, :1] * 0 + np.arange(N)[:, None], None, qrels)
        kept = data.sample(20, np.random.default_rng(seed)).documents[:, 0].astype(int)
        assert len(np.unique(kept)) == 20
        assert (np.diff(kept) > 0).all()
        times[kept] += 1
    assert (times[judged] == 400).all() or n_judged > 20
    others = np.delete(times, judged)
    assert others.sum() == 400 * max(0, 20 - n_judged)
    if n_judged < 20:
        expected = others.mean()
        assert np.square(others - expected).mean() < 1.3 * expected
