"""The fused search against sorting everything."""

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

import madapt._block_search
from madapt.backends import get_backend
from madapt.backends.numba import _nearest
from madapt.neighbors import top_k

KERNELS = get_backend("numba").kernels


@pytest.fixture(autouse=True)
def _small_tiles(monkeypatch):
    """Take many tiles, whole and cut ones, of few rows; kernels for any amount of work."""
    monkeypatch.setattr(_nearest, "ROWS", 100)
    monkeypatch.setattr(_nearest, "COLUMNS", 90)
    monkeypatch.setattr(madapt._block_search, "WORTH_A_KERNEL", 0.0)


def whole_numbers(n, d, seed=0):
    """Return rows whose products are exact, many of them equal, and all rows different."""
    generator = np.random.default_rng(seed)
    X = generator.integers(-2, 3, (n, d)).astype(np.float32)
    return np.unique(X, axis=0)[generator.permutation(len(np.unique(X, axis=0)))]


def sorted_whole(S, k):
    indices = np.argsort(-S, axis=1, kind="stable")[:, :k]
    return indices, np.take_along_axis(S, indices, axis=1)


@pytest.mark.parametrize("n_threads", [1, 2, 3])
@pytest.mark.parametrize("k", [1, 2, 9, 10, 31, 33, 200, 5000])
def test_the_best_and_their_ties(k, n_threads):
    corpus, queries = whole_numbers(731, 6), whole_numbers(250, 6, seed=1)
    with threadpool_limits(n_threads):
        indices, values = top_k(queries, corpus, k, "dot")
    wanted, best = sorted_whole(queries @ corpus.T, k)
    np.testing.assert_array_equal(indices, wanted)
    np.testing.assert_array_equal(values, best)


@pytest.mark.parametrize("n_threads", [1, 2, 3])
@pytest.mark.parametrize("n", [2, 64, 99, 100, 101, 731])
@pytest.mark.parametrize("k", [1, 10, 40, 5000])
def test_the_best_others_and_their_ties(n, k, n_threads):
    corpus = whole_numbers(1000, 6)[:n]
    with threadpool_limits(n_threads):
        indices, values = top_k(corpus, corpus, k, "dot", exclude_self=True)
    S = corpus @ corpus.T
    np.fill_diagonal(S, -np.inf)
    wanted, best = sorted_whole(S, min(k, n - 1))
    np.testing.assert_array_equal(indices, wanted)
    np.testing.assert_array_equal(values, best)


def test_it_is_the_kernel_that_runs(monkeypatch):
    calls = []
    for name in ("nearest", "nearest_others"):
        kernel = getattr(_nearest, name)
        monkeypatch.setattr(
            _nearest, name, lambda *args, n=name, f=kernel: calls.append(n) or f(*args)
        )
    corpus = whole_numbers(300, 6)
    top_k(corpus[:5], corpus, 3)
    top_k(corpus, corpus, 3, exclude_self=True)
    assert calls == ["nearest", "nearest_others"]


def test_many_neighbours_of_each_row_stay_within_the_budget(monkeypatch):
    # The candidates of all rows would take 16 n k bytes, twice the budget.
    n, k, budget = 4200, 500, 2**24
    assert 16 * n * k > 2 * budget
    calls = []
    monkeypatch.setattr(_nearest, "nearest_others", lambda *args: calls.append(args))
    corpus = np.random.default_rng(0).standard_normal((n, 8), dtype=np.float32)
    top_k(corpus, corpus, k, exclude_self=True, max_bytes=budget)
    assert not calls


@pytest.mark.parametrize("exclude_self", [False, True])
def test_repeated_rows_are_found_in_order(exclude_self):
    corpus = whole_numbers(300, 6)
    corpus = np.concatenate([corpus, corpus[::3], corpus[:50]])
    indices, values = top_k(corpus, corpus, 12, "dot", exclude_self=exclude_self)
    S = corpus @ corpus.T
    if exclude_self:
        np.fill_diagonal(S, -np.inf)
    wanted, best = sorted_whole(S, 12)
    np.testing.assert_array_equal(indices, wanted)
    np.testing.assert_array_equal(values, best)


@pytest.mark.parametrize("order", ["rising", "falling", "one value"])
def test_no_order_of_the_corpus_is_a_trap(order):
    steps = {"rising": 1.0, "falling": -1.0, "one value": 0.0}[order]
    corpus = np.ones((1000, 2), np.float32)
    corpus[:, 0] = 1 + steps * np.arange(1000, dtype=np.float32) / 1024
    corpus[:, 1] = np.arange(1000)
    queries = np.asarray([[1.0, 0.0], [-1.0, 0.0]], np.float32)
    indices, values = top_k(queries, corpus, 40, "dot")
    wanted, best = sorted_whole(queries @ corpus.T, 40)
    np.testing.assert_array_equal(indices, wanted)
    np.testing.assert_array_equal(values, best)


def test_zero_of_either_sign_is_one_value():
    corpus = np.asarray([[0.0], [1.0], [-0.0], [0.0]], np.float32)
    blocks = [(0, corpus)]
    # A product with the identity keeps the sign of a zero where the library does.
    indices, _ = KERNELS["nearest"](np.asarray([[-1.0]], np.float32), blocks, 4, None)
    np.testing.assert_array_equal(indices, [[0, 2, 3, 1]])


def test_fewer_rows_than_places():
    corpus = np.eye(3, dtype=np.float32)
    skipped = np.asarray([False, True, False])
    indices, values = KERNELS["nearest"](corpus[:1], [(0, corpus)], 5, skipped)
    np.testing.assert_array_equal(indices, [[0, 2, -1, -1, -1]])
    np.testing.assert_array_equal(values, [[1, 0, -np.inf, -np.inf, -np.inf]])


def test_float64_is_left_to_the_array_code():
    X = np.eye(4)
    assert KERNELS["nearest"](X, [(0, X)], 2, None) is None
    assert KERNELS["nearest_others"](X, 2) is None


@pytest.mark.parametrize("metric", ["dot", "cosine"])
def test_the_array_code_finds_the_same(metric, monkeypatch):
    generator = np.random.default_rng(0)
    queries, corpus = (generator.standard_normal((n, 24), dtype=np.float32) for n in (210, 3000))
    fused = top_k(queries, corpus, 15, metric)
    monkeypatch.setattr(madapt._block_search, "WORTH_A_KERNEL", np.inf)
    plain = top_k(queries, corpus, 15, metric)
    np.testing.assert_array_equal(fused[0], plain[0])
    np.testing.assert_allclose(fused[1], plain[1], rtol=1e-6, atol=1e-6)
