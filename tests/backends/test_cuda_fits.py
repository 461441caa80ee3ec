"""Whole fits, searches and streams by way of the CUDA kernels, run on a CPU."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import madapt._streamed
from madapt import MatryoshkaAdaptor
from madapt.backends import register, registry
from madapt.backends.cupy._kernels import kernels_of
from madapt.backends.numpy import NumpyBackend
from madapt.neighbors import top_k
from madapt.training.loop import minimise
from tests.backends.cuda_on_cpu import here, mixed_device, needs_a_compiler, order, there

pytestmark = needs_a_compiler

N, D = 120, 16
generator = np.random.default_rng(0)
X = (
    generator.standard_normal((N, 5)) @ generator.standard_normal((5, D))
    + 0.3 * generator.standard_normal((N, D))
).astype(np.float32)
JUDGED = {"queries": X[:40] + np.float32(0.1), "qrels": [{i: 1} for i in range(40)]}


class Kernels(NumpyBackend):
    """NumPy's arrays, and the kernels of the GPU backend for them."""

    name = "kernels"

    def __init__(self):
        found = kernels_of(mixed_device())

        def stream(blocks, rows, shape, dtype, make, take):
            def made():
                work = make()
                return lambda block: there(work(block))

            found["stream"](blocks, rows, shape, dtype, made, take)

        self._kernels = {**found, "stream": stream}

    @property
    def kernels(self):
        return self._kernels

    def asarray(self, X):
        return there(X)

    def to_numpy(self, X):
        return here(np.asarray(X).view(np.ndarray))


@pytest.fixture(autouse=True)
def _backend(monkeypatch):
    monkeypatch.setattr(registry, "_makers", dict(registry._makers))
    register("kernels", Kernels)
    order.mixed = order.tells = True
    yield
    order.mixed = order.tells = False


@pytest.mark.parametrize("labels", [False, True])
def test_a_fit_finds_what_numpys_finds(labels):
    found = []
    for backend in ("numpy", "kernels"):
        model = MatryoshkaAdaptor(
            (4, 8, 16), max_iter=3, guard=False, random_state=0, batch_size=16, backend=backend
        )
        model.fit(X, **(JUDGED if labels else {}))
        assert len(model.loss_curve_) == model.n_iter_
        assert all(type(loss) is float for loss in model.loss_curve_)
        Z = model.set_params(backend="numpy").transform(X, dim=8)
        found.append(Z @ Z.T)
    assert_allclose(found[1], found[0], atol=1e-3)


@pytest.mark.parametrize("options", [{}, {"dim": 8, "precision": "int8"}])
def test_rows_stream_through(options, monkeypatch):
    monkeypatch.setattr(madapt._streamed, "BLOCK_BYTES", 16 * D * 4)
    model = MatryoshkaAdaptor(max_iter=2, random_state=0).fit(X, **JUDGED)
    rows = X.copy()
    rows[3], rows[50] = 0, 1e25 * rows[50]
    wanted = model.transform(rows, **options)
    found = model.set_params(backend="kernels").transform(rows, **options)
    assert type(found) is np.ndarray
    if options:
        assert np.mean(found != wanted) < 0.01
    else:
        assert_allclose(found, wanted, atol=1e-6)
    out = np.empty_like(wanted)
    assert model.transform(rows, **options, out=out) is out
    assert_array_equal(out, found)
    rows[77, 5] = np.nan
    with pytest.raises(ValueError, match="nan in row 77, column 5"):
        model.transform(np.asfortranarray(rows), **options)


@pytest.mark.parametrize("max_bytes", [2**28, 20_000])
@pytest.mark.parametrize("exclude_self", [False, True])
def test_a_search(max_bytes, exclude_self):
    rows = np.vstack([X[:60], X[:5]])  # some of them twice
    options = {"exclude_self": exclude_self, "max_bytes": max_bytes}
    wanted, similarities = top_k(rows, rows, 4, **options)
    indices, found = top_k(rows, rows, 4, backend="kernels", **options)
    assert_array_equal(indices, wanted)
    assert_allclose(found, similarities, atol=1e-6)


def test_a_loss_that_is_not_finite_is_found_later():
    """It is read after some steps; what it led to is taken back all the same."""

    def step(state, done):
        return there(np.float64(np.nan if done == 7 else 1.0)), state + 1

    def at_once(state, done):
        loss, state = step(state, done)
        return float(loss), state

    for each in (step, at_once):
        kept, history = minimise(0, each, max_iter=15)
        assert (kept, history.losses) == (6, [1.0] * 7)
    order.tells = False
    with pytest.raises(AssertionError, match="the host waits"):
        minimise(0, step, max_iter=15)
