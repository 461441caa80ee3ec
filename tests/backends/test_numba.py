"""What Numba's backend promises beside the right numbers: bits, threads, memory, whole fits."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from madapt import MatryoshkaAdaptor
from madapt._rows import unit_rows
from madapt.backends import get_backend
from madapt.backends.numba import _gram
from madapt.backends.numba._compile import power_of_two_array
from madapt.backends.numba._threads import in_parallel, one_blas_thread
from madapt.losses import Objective

KERNELS = get_backend("numba").kernels


def corpus(n, n_rows):
    """Return (Y, S) and options, all rows against all or the first against all."""
    generator = np.random.default_rng(0)
    X = unit_rows(generator.standard_normal((n, 24)))
    Y = (X + generator.standard_normal(X.shape) / 8).astype(np.float32)
    S = (X @ X.T).astype(np.float32)
    if n_rows is None:
        return (Y, S), {}
    others = np.ones((n_rows, n), dtype=bool)
    np.fill_diagonal(others, False)
    return (Y[:n_rows], S[:n_rows]), {"columns": Y, "pairs": others}


def parts(gradient):
    return gradient if isinstance(gradient, tuple) else (gradient,)


def test_the_power_of_two_over_its_range():
    y = np.linspace(-126, 127, 1_000_003).astype(np.float32)
    found = np.empty_like(y)
    power_of_two_array(y, found)
    assert np.abs(found / np.exp2(y.astype(float)) - 1).max() < 1.5e-7
    whole = np.arange(-126, 128, dtype=np.float32)
    exact = np.empty_like(whole)
    power_of_two_array(whole, exact)
    np.testing.assert_array_equal(exact, np.exp2(whole.astype(float)))


def test_the_power_of_two_beyond_its_range():
    y = np.asarray([-np.inf, -1e30, -200, 200, 1e30, np.inf], np.float32)
    found = np.empty_like(y)
    power_of_two_array(y, found)
    np.testing.assert_array_equal(found, 2.0 ** np.asarray([-126] * 3 + [127] * 3))


@pytest.mark.parametrize("n_rows", [None, 200])
def test_same_bits_each_time_and_no_input_is_changed(n_rows):
    objective = Objective((4, 12, 24), topk_weight=1.0, pairwise_weight=1.0, kernels=KERNELS)
    arrays, options = corpus(300, n_rows)
    before = [X.copy() for X in arrays]
    value, gradient = objective.documents(*arrays, **options)
    kept = [part.copy() for part in parts(gradient)]
    for _ in range(3):
        again = objective.documents(*arrays, **options)
        assert again[0] == value
        for part, other in zip(kept, parts(again[1]), strict=True):
            np.testing.assert_array_equal(part, other)
    for part, other in zip(kept, parts(gradient), strict=True):
        np.testing.assert_array_equal(part, other)  # not scratch memory
    for array, copy in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(array, copy)


@pytest.mark.parametrize("n_threads", [2, 3])
@pytest.mark.parametrize("n_rows", [None, 150])
def test_any_number_of_threads_and_blas_gets_its_own_back(n_rows, n_threads):
    objective = Objective((4, 12, 24), topk_weight=1.0, pairwise_weight=1.0, kernels=KERNELS)
    arrays, options = corpus(300, n_rows)
    with threadpool_limits(1, user_api="blas"):
        wanted, right = objective.documents(*arrays, **options)
    with threadpool_limits(n_threads, user_api="blas"):
        before = [library["num_threads"] for library in threadpool_info()]
        value, gradient = objective.documents(*arrays, **options)
        assert [library["num_threads"] for library in threadpool_info()] == before
    assert value == pytest.approx(wanted, rel=1e-6)
    for found, part in zip(parts(gradient), parts(right), strict=True):
        np.testing.assert_allclose(found, part, atol=1e-6 * np.abs(part).max())


def test_callers_in_several_threads():
    objective = Objective((4, 12, 24), topk_weight=1.0, kernels=KERNELS)
    inputs = [corpus(200 + 10 * place, None)[0] for place in range(8)]
    alone = [objective.documents(*arrays) for arrays in inputs]
    before = [library["num_threads"] for library in threadpool_info()]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda arrays: objective.documents(*arrays), inputs))
    assert [library["num_threads"] for library in threadpool_info()] == before
    for one, other in zip(alone, together, strict=True):
        assert one[0] == other[0]
        np.testing.assert_array_equal(one[1], other[1])


def test_an_error_in_a_thread_is_raised_and_blas_gets_its_own_back():
    before = [library["num_threads"] for library in threadpool_info()]

    def fail(part):
        if part:
            raise MemoryError("in the other thread")

    with pytest.raises(MemoryError, match="in the other"), one_blas_thread():
        in_parallel(fail, 2)
    assert [library["num_threads"] for library in threadpool_info()] == before


def test_memory_does_not_grow_with_the_number_of_dims_times_rows():
    rows = 4096
    for L in (1, 8, 24):
        widest = max(stop - start for start, stop in _gram._spans(rows, rows, L, 1))
        assert 4 * L * widest * rows <= max(_gram.TILE_BYTES, 4 * L * 8 * rows)


@pytest.mark.parametrize("labelled", [False, True])
def test_a_whole_fit(labelled):
    generator = np.random.default_rng(0)
    scales = np.linspace(2, 0.1, 40)
    X = (generator.standard_normal((300, 40)) * scales).astype(np.float32)
    options: dict[str, Any] = {}
    if labelled:
        options["queries"] = X[:60] + 0.3 * generator.standard_normal((60, 40)).astype(np.float32)
        options["qrels"] = {i: {i: 1} for i in range(60)}
    outputs = []
    for backend in ("numpy", "numba"):
        adaptor = MatryoshkaAdaptor(
            dims=(4, 8, 16, 40), backend=backend, max_iter=40, guard=False, random_state=0
        )
        outputs.append(adaptor.fit(X, **options).transform(X))
    for m in (4, 8, 16, 40):
        one, other = (unit_rows(Z[:, :m]) for Z in outputs)
        assert np.abs(one @ one.T - other @ other.T).max() < 1e-3
