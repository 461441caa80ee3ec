"""On workers of their own, of which some are killed: the result is the undisturbed one."""

import os
import signal

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from madapt.dask import DaskMatryoshkaAdaptor
from madapt.dask._work import Work

da = pytest.importorskip("dask.array", reason="the extra dask is not installed")
distributed = pytest.importorskip("distributed", reason="the extra dask is not installed")

pytestmark = pytest.mark.filterwarnings(
    # Of the processes that are killed here.
    "ignore::pytest.PytestUnraisableExceptionWarning",
    "ignore::ResourceWarning",
)
N, D = 200, 16
QUICK = {"max_iter": 4, "guard": False, "backend": "numpy", "random_state": 0, "max_fit_rows": 80}


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    with (
        distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=True,
            dashboard_address=None,
            local_directory=str(tmp_path_factory.mktemp("workers")),
        ) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def rows():
    return np.random.default_rng(0).standard_normal((N, D)).astype(np.float32)


def killing(X, marker):
    """Return X, whose third block kills the worker that makes it, the first time."""
    path = str(marker)

    def block(rows, block_info=None):
        if block_info[0]["chunk-location"][0] == 2 and not os.path.exists(path):  # noqa: PTH110
            open(path, "w").close()  # noqa: PTH123
            os.kill(os.getpid(), signal.SIGKILL)
        return rows

    return X.map_blocks(block, dtype=X.dtype)


@pytest.mark.parametrize("n_shards", [None, 2])
def test_fit_survives_a_worker_killed_while_it_reads(client, rows, tmp_path, n_shards):
    X = da.from_array(rows, chunks=(40, D))
    settings = {**QUICK, "n_shards": n_shards, "n_rounds": 2}
    here = DaskMatryoshkaAdaptor(**settings).fit(X)
    there = DaskMatryoshkaAdaptor(client=client, **settings).fit(killing(X, tmp_path / "killed"))
    assert (tmp_path / "killed").exists()
    assert_allclose(there.rotation_, here.rotation_, atol=1e-5)


def test_transform_survives_a_worker_killed_in_the_middle(client, rows, tmp_path):
    X = da.from_array(rows, chunks=(40, D))
    adaptor = DaskMatryoshkaAdaptor(**QUICK).fit(X)
    Z = adaptor.transform(killing(X, tmp_path / "killed"), dim=8)
    found = client.compute(Z).result()
    assert (tmp_path / "killed").exists()
    assert_array_equal(found, adaptor.transform(X, dim=8).compute())


def test_averaged_training_survives_a_worker_killed_between_rounds(client, rows, monkeypatch):
    X = da.from_array(rows, chunks=(40, D))
    settings = {**QUICK, "n_shards": 2, "n_rounds": 2}
    undisturbed = DaskMatryoshkaAdaptor(client=client, **settings).fit(X)
    calls, compute = [], Work.compute

    def disturbed(self, tasks):
        calls.append(len(tasks))
        if len(calls) == 3:  # after the one pass over X and the first round: rows are on workers
            pid = next(iter(client.run(os.getpid).values()))
            os.kill(pid, signal.SIGKILL)
        return compute(self, tasks)

    monkeypatch.setattr(Work, "compute", disturbed)
    found = DaskMatryoshkaAdaptor(client=client, **settings).fit(X)
    assert len(calls) == 3
    assert found.fingerprint_ == undisturbed.fingerprint_
