"""Many threads, other processes and forks give the same bits and leave nothing behind."""

import copy
import multiprocessing
import os
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import joblib
import numba
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy.sparse import csr_array
from threadpoolctl import threadpool_info, threadpool_limits

from madapt import MatryoshkaAdaptor
from madapt.adaptor import ResidualAdaptor
from madapt.exceptions import InterruptedWarning
from madapt.quantization import PRECISIONS

N, D, N_THREADS = 120, 16, 8
ROOT = Path(__file__).parents[1]
generator = np.random.default_rng(0)
X = generator.standard_normal((N, 6)) @ generator.standard_normal((6, D))
X = (X + 0.3 * generator.standard_normal((N, D))).astype(np.float32)
Q = X[:40] + np.float32(0.3) * generator.standard_normal((40, D), dtype=np.float32) - 1
R = csr_array((np.ones(40, np.float32), (np.arange(40), np.arange(40))), (40, N))


def fitted(**parameters):
    chosen = {"max_iter": (3, 6), "hidden_dim": 8, "center": 0.5, "guard": False}
    model = MatryoshkaAdaptor(**{**chosen, "random_state": 0, **parameters})
    return model.fit(X, queries=Q, qrels=R)


@pytest.fixture(scope="module")
def model():
    """Read-only in all its parts, so that whoever writes fails; fitted by Numba's kernels."""
    found = fitted(backend="numba", guard=True)
    mlp = fitted(backend="numba")
    found.adaptor_, found.quantizer_ = mlp.adaptor_, mlp.quantizer_
    for array in arrays_of(found):
        array.setflags(write=False)
    return found


def arrays_of(model):
    held_out = model.held_out_
    yield from model.adaptor_.parameters.values()
    yield from model.quantizer_.arrays.values()
    yield from (model.center_, held_out.scores, held_out.full, held_out.weights)


CALLS = {
    "score": lambda model: model.score(X),
    "recommend_dim": lambda model: str(model.recommend_dim(0.9)),
    "stamp": lambda model: model.stamp(4),
    "names": lambda model: model.get_feature_names_out(dim=4),
}
for m in (1, 5, D):
    for precision in (None, *PRECISIONS):
        CALLS[f"transform {m} {precision}"] = lambda model, m=m, precision=precision: (
            model.transform(Q, m, "query", precision=precision)
        )
    for precision in PRECISIONS:
        CALLS[f"dequantize {m} {precision}"] = lambda model, m=m, precision=precision: (
            model.dequantize(model.transform(X, m, precision=precision), precision, m)
        )


def all_of(model):
    return [call(model) for call in CALLS.values()]


def assert_equal(found, expected):
    for name, one, other in zip(CALLS, found, expected, strict=True):
        assert_array_equal(one, other, err_msg=name)


def snapshot(model):
    return [(name, id(value)) for name, value in vars(model).items()], copy.deepcopy(vars(model))


def assert_unchanged(model, before):
    identities, values = before
    assert [(name, id(value)) for name, value in vars(model).items()] == identities
    for name, value in vars(model).items():
        assert repr(value) == repr(values[name])


def test_many_threads_give_the_same_bits_and_change_nothing(model):
    expected, before = all_of(model), snapshot(model)
    with ThreadPoolExecutor(N_THREADS) as pool:
        for found in pool.map(all_of, [model] * (4 * N_THREADS)):
            assert_equal(found, expected)
    assert_unchanged(model, before)


def test_threads_transform_while_others_fit(model):
    expected = all_of(model)
    with ThreadPoolExecutor(4) as pool:
        fits = [pool.submit(fitted, backend="numba") for _ in range(4)]
        for found in pool.map(all_of, [model] * 4):
            assert_equal(found, expected)
    assert {fit.result().fingerprint_ for fit in fits} == {fitted(backend="numba").fingerprint_}


def test_threads_load_and_save(model, tmp_path):
    path = tmp_path / "model"
    model.save(path)

    def load_and_save(_):
        loaded = MatryoshkaAdaptor.load(path)
        loaded.save(path)
        return loaded.fingerprint_

    with ThreadPoolExecutor(N_THREADS) as pool:
        assert set(pool.map(load_and_save, range(40))) == {model.fingerprint_}
    assert [child.name for child in tmp_path.iterdir()] == ["model"]


def fit_and_use(model):
    """Return what a model gives in this process, and the print of another fit."""
    return all_of(model), fitted(backend="numba").fingerprint_


METHODS = sorted({"spawn", "forkserver"} & set(multiprocessing.get_all_start_methods()))


@pytest.mark.parametrize("method", METHODS)
def test_other_processes_give_the_same_bits(model, method):
    context = multiprocessing.get_context(method)
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        found, fingerprint = pool.submit(fit_and_use, model).result(timeout=300)
    assert_equal(found, all_of(model))
    assert fingerprint == fitted(backend="numba").fingerprint_


def test_joblib_gives_the_same_bits(model):
    expected = all_of(model)
    for backend in ("loky", "threading"):
        with joblib.parallel_config(backend, n_jobs=2):
            for found in joblib.Parallel()(joblib.delayed(all_of)(model) for _ in range(2)):
                assert_equal(found, expected)


#: In a process of its own, whose other threads are those of the kernels alone.
FORKED = """
import hashlib, os, sys, threading, warnings
import numpy as np
from threadpoolctl import threadpool_info
from madapt import MatryoshkaAdaptor
from madapt.backends.numba import _threads

warnings.simplefilter("ignore", DeprecationWarning)  # of forks beside threads, from 3.12 on
X = np.random.default_rng(0).standard_normal((300, 32)).astype(np.float32)

def fit():
    return MatryoshkaAdaptor(max_iter=5, guard=False, backend="numba", random_state=0).fit(X)

def state():
    model = fit()
    digest = hashlib.sha256(model.fingerprint_.encode() + model.transform(X, 8).tobytes())
    blas = [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]
    return f"{digest.hexdigest()} {blas}"

expected = state()

def forked():
    child = os.fork()
    if not child:
        os._exit(0 if state() == expected else 3)
    assert os.waitpid(child, 0)[1] == 0

forked()  # after a fit
with _threads.one_blas_thread():  # while a kernel runs in this thread
    forked()
with _threads._lock:  # while another thread enters or leaves one
    forked()
assert state() == expected
print("same")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_fork_after_and_during_a_fit_gives_the_same_bits():
    command = [sys.executable, "-c", FORKED]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=300)
    assert done.stdout.strip() == "same", done.stderr


def thread_counts():
    blas = [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]
    return blas, numba.get_num_threads()


@pytest.fixture
def two_threads(model):
    """Thread counts before, of BLAS libraries that are all loaded and have two threads each."""
    with threadpool_limits(2, user_api="blas"):
        yield thread_counts()


def test_thread_counts_come_back(model, two_threads):
    one = fitted(backend="numba", guard=True)
    assert thread_counts() == two_threads
    all_of(one)
    assert thread_counts() == two_threads


@pytest.mark.parametrize("error", [MemoryError, KeyboardInterrupt])
def test_thread_counts_come_back_after_an_error(monkeypatch, two_threads, error):
    seen = []

    def fail(*_, **__):
        seen.append(thread_counts()[0])
        raise error

    monkeypatch.setattr(ResidualAdaptor, "forward", fail)
    interrupted = error is KeyboardInterrupt
    with (
        pytest.warns(InterruptedWarning, match="interrupted")
        if interrupted
        else pytest.raises(error)
    ):
        fitted(backend="numba")
    assert set(seen[0]) == {1}  # it was within what holds BLAS to one thread
    assert thread_counts() == two_threads


#: In a process of its own, which has not loaded faiss and its BLAS yet.
LOADED_LATER = """
from threadpoolctl import threadpool_info, threadpool_limits
from madapt.backends.numba._threads import one_blas_thread

def counts():
    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]

with threadpool_limits(2, user_api="blas"), one_blas_thread() as n_threads:
    assert n_threads == 2, n_threads
before = len(counts())
import faiss
assert len(counts()) > before, counts()
with threadpool_limits(2, user_api="blas"):
    with one_blas_thread():
        print(*set(counts()))
    print(*set(counts()))
"""


def test_a_blas_that_is_loaded_later_is_held_too():
    pytest.importorskip("faiss", reason="it brings a BLAS of its own")
    command = [sys.executable, "-c", LOADED_LATER]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=300)
    assert done.stdout.split() == ["1", "2"], done.stderr


def test_thread_counts_come_back_after_a_transform_that_fails(model, two_threads):
    bad = X.copy()
    bad[3, 4] = np.nan
    for rows in (bad, X[:, :3]):
        with pytest.raises(ValueError, match="X"):
            model.transform(rows)
    assert thread_counts() == two_threads


def test_no_threads_of_numba_are_started(model):
    """So its threading layers, which do not survive a fork or two callers, do not matter."""
    script = (
        "import numpy as np, numba; from madapt import MatryoshkaAdaptor\n"
        "X = np.random.default_rng(0).standard_normal((99, 16)).astype(np.float32)\n"
        "MatryoshkaAdaptor(max_iter=2, backend='numba').fit(X).score(X)\n"
        "try: numba.threading_layer()\n"
        "except ValueError as error: print(error)\n"
    )
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
    assert "not initialized" in done.stdout
