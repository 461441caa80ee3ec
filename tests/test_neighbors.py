"""The blocked search against sorting everything."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

import madapt._block_search
from madapt._duplicates import equal_rows
from madapt._selection import merge_largest
from madapt.neighbors import top_k

METRICS = ["cosine", "dot", "euclidean"]
# From all at once to a few rows a block, with blocks of odd sizes.
BUDGETS = [2**28, 150_000, 40_000, 9_000]


def sorted_whole(S, k, exclude_self=False):
    """Return the k best of each row of S, lower index first among equal ones."""
    S = np.array(S, dtype=np.float64)
    n = S.shape[1]
    if exclude_self:
        np.fill_diagonal(S, -np.inf)
        n -= 1
    indices = np.argsort(-S, axis=1, kind="stable")[:, : min(k, n)]
    return indices, np.take_along_axis(S, indices, axis=1)


def similarities(Q, C, metric):
    Q, C = np.asarray(Q, np.float64), np.asarray(C, np.float64)
    if metric == "euclidean":
        return -np.sqrt(((Q[:, None, :] - C[None, :, :]) ** 2).sum(axis=2))
    if metric == "cosine":
        Q, C = (X / np.linalg.norm(X, axis=1)[:, None] for X in (Q, C))
    return Q @ C.T


@pytest.fixture
def rows():
    generator = np.random.default_rng(7)
    return generator.standard_normal((23, 6)), generator.standard_normal((157, 6))


@pytest.mark.parametrize("max_bytes", BUDGETS)
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("k", [1, 7, 156, 157, 500])
def test_finds_what_sorting_finds(rows, metric, k, max_bytes):
    queries, corpus = rows
    indices, found = top_k(queries, corpus, k, metric, max_bytes=max_bytes)
    wanted, best = sorted_whole(similarities(queries, corpus, metric), k)
    assert indices.dtype == np.int64
    assert indices.shape == found.shape == (23, min(k, 157))
    np.testing.assert_array_equal(indices, wanted)
    np.testing.assert_allclose(found, best, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("max_bytes", BUDGETS)
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("k", [1, 5, 156, 157, 500])
def test_excludes_itself(rows, metric, k, max_bytes):
    corpus = rows[1]
    indices, found = top_k(corpus, corpus, k, metric, exclude_self=True, max_bytes=max_bytes)
    wanted, best = sorted_whole(similarities(corpus, corpus, metric), k, exclude_self=True)
    assert indices.shape == (157, min(k, 156))
    np.testing.assert_array_equal(indices, wanted)
    np.testing.assert_allclose(found, best, rtol=1e-12, atol=1e-7)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_ties_go_to_the_lower_index(data):
    # Products of small integers are exact, and full of ties at every place.
    n, d = data.draw(st.integers(1, 60)), data.draw(st.integers(1, 3))
    generator = np.random.default_rng(data.draw(st.integers(0, 2**20)))
    corpus = generator.integers(-1, 2, (n, d)).astype(np.int8)
    exclude_self = data.draw(st.booleans())
    queries = corpus if exclude_self else generator.integers(-1, 2, (9, d)).astype(np.int8)
    k = data.draw(st.integers(1, 70))
    max_bytes = data.draw(st.sampled_from([6_000, 20_000, 60_000, 2**28]))
    indices, found = top_k(
        queries, corpus, k, "dot", exclude_self=exclude_self, max_bytes=max_bytes
    )
    wanted, best = sorted_whole(similarities(queries, corpus, "dot"), k, exclude_self)
    np.testing.assert_array_equal(indices, wanted)
    np.testing.assert_array_equal(found, best)
    assert found.dtype == np.float32


@pytest.mark.parametrize("max_bytes", BUDGETS)
@pytest.mark.parametrize("exclude_self", [False, True])
@pytest.mark.parametrize("metric", METRICS)
def test_equal_rows_tie_whatever_the_product_rounds(metric, exclude_self, max_bytes):
    generator = np.random.default_rng(0)
    kinds = generator.standard_normal((9, 50)).astype(np.float32)
    kind = generator.integers(9, size=300)
    corpus = kinds[kind]
    indices, found = top_k(
        corpus, corpus, 120, metric, exclude_self=exclude_self, max_bytes=max_bytes
    )
    exact = similarities(kinds, kinds, metric)[kind][:, kind]
    wanted, best = sorted_whole(exact, 120, exclude_self)
    np.testing.assert_array_equal(indices, wanted)
    np.testing.assert_allclose(found, best, rtol=2e-6, atol=2e-6)


def test_any_budget_will_do(rows):
    queries, corpus = rows
    for one, other in zip(
        top_k(queries, corpus, 4, max_bytes=1), top_k(queries, corpus, 4), strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=1e-12)


def test_a_corpus_of_one_row_repeated():
    corpus = np.full((400, 33), 0.1, np.float32)
    indices, found = top_k(corpus[:3], corpus, 50)
    np.testing.assert_array_equal(indices, np.tile(np.arange(50), (3, 1)))
    assert len(np.unique(found)) == 1
    indices, _ = top_k(corpus, corpus, 50, exclude_self=True)
    np.testing.assert_array_equal(indices[10], [*range(10), *range(11, 51)])
    np.testing.assert_array_equal(indices[300], np.arange(50))


def test_a_corpus_from_worst_to_best_is_no_trap():
    # Every entry of every block beats the k-th best so far.
    corpus = np.linspace(-1, 1, 30_000, dtype=np.float32)[:, None]
    indices, _ = top_k(np.ones((2, 1), np.float32), corpus, 20, "dot", max_bytes=400_000)
    np.testing.assert_array_equal(indices, np.tile(np.arange(29_999, 29_979, -1), (2, 1)))


def test_a_wide_corpus_needs_no_sorting_of_all_of_it():
    # Wide enough for the bound by groups of columns, with columns left over.
    generator = np.random.default_rng(3)
    S = generator.standard_normal((5, 1_003))
    S[:, ::3] = np.round(S[:, ::3])
    empty = np.full((5, 11), -1), np.full((5, 11), -np.inf)
    indices, values = merge_largest(S, 0, *empty, np.empty(S.shape, bool))
    wanted, best = sorted_whole(S, 11)
    np.testing.assert_array_equal(indices, wanted)
    np.testing.assert_array_equal(values, best)


@pytest.mark.parametrize("cast", [np.float16, np.int8, np.uint8, bool, np.int64])
def test_narrow_numbers_are_computed_in_float32(rows, cast):
    queries, corpus = ((10 * X).round().astype(cast) for X in rows)
    indices, found = top_k(queries, corpus, 5, "dot")
    wanted, best = sorted_whole(similarities(queries, corpus, "dot"), 5)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(indices, wanted)
    np.testing.assert_array_equal(found, best)


@pytest.mark.parametrize("metric", METRICS)
def test_dtypes(rows, metric):
    single, double = rows[0].astype(np.float32), rows[1]
    assert top_k(single, single, 2, metric)[1].dtype == np.float32
    assert top_k(single, double, 2, metric)[1].dtype == np.float64
    assert top_k(double, single, 2, metric)[1].dtype == np.float64
    assert top_k(single, double.astype(np.longdouble), 2, metric)[1].dtype == np.float64
    assert top_k(single.tolist(), single, 2, metric)[1].dtype == np.float64


def test_distances_far_from_the_origin():
    generator = np.random.default_rng(0)
    corpus = (1000 + generator.standard_normal((200, 8))).astype(np.float32)
    indices, found = top_k(corpus, corpus, 10, "euclidean")
    wanted, best = sorted_whole(similarities(corpus, corpus, "euclidean"), 10)
    np.testing.assert_array_equal(indices, wanted)
    np.testing.assert_allclose(found, best, rtol=1e-5, atol=1e-4)


def test_zero_rows_have_cosine_zero_and_huge_and_tiny_ones_are_as_any_other():
    corpus = np.array([[0, 0], [1e-30, 0], [1e30, 1e30], [-1, 0]], np.float32)
    indices, found = top_k(corpus, corpus, 4)
    np.testing.assert_array_equal(indices[0], [0, 1, 2, 3])
    np.testing.assert_array_equal(found[0], np.zeros(4))
    np.testing.assert_array_equal(indices[1], [1, 2, 0, 3])
    np.testing.assert_allclose(found[1], [1, np.sqrt(0.5), 0, -1], rtol=1e-6)


def test_a_memory_mapped_corpus_is_left_as_it_is(tmp_path, rows):
    path = tmp_path / "corpus.npy"
    np.save(path, rows[1].astype(np.float16))
    mapped = np.load(path, mmap_mode="r")
    indices, _ = top_k(rows[0].astype(np.float32), mapped, 5, max_bytes=20_000)
    whole, _ = top_k(rows[0].astype(np.float32), np.load(path), 5)
    np.testing.assert_array_equal(indices, whole)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("crowd", [False, True])
def test_memory_stays_within_the_budget(metric, crowd):
    n, d, budget = 60_000, 64, 3_000_000
    generator = np.random.default_rng(0)
    corpus = generator.standard_normal((n, d)).astype(np.float16)
    if crowd:  # similarities that rise all the way, so that every block has its crowd
        corpus[:] = 0
        corpus[:, 0] = 1
        corpus[:, 1] = np.linspace(-8, 8, n)
    queries = np.ascontiguousarray(corpus[-700:])
    tracemalloc.start()
    indices, found = top_k(queries, corpus, 10, metric, max_bytes=budget)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < budget + indices.nbytes + found.nbytes + 48 * n
    # Cast whole, the corpus alone would take five times as much as the budget.
    assert corpus.size * 4 > 5 * budget


def test_queries_are_read_block_by_block(monkeypatch, rows):
    sizes = []
    prepare = madapt._block_search._prepare

    def noting(block, name, *others):
        sizes.append((name, len(block)))
        return prepare(block, name, *others)

    monkeypatch.setattr(madapt._block_search, "_prepare", noting)
    top_k(*rows, 3, max_bytes=40_000)
    assert sum(size for name, size in sizes if name == "queries") == 23
    assert max(size for name, size in sizes if name == "queries") < 23
    # The corpus is small enough to be prepared once, not for each block of queries.
    assert sum(size for name, size in sizes if name == "corpus") == 157


def test_rows_whose_heads_or_hashes_agree_are_told_apart(monkeypatch):
    X = np.zeros((40, 5), np.float32)
    X[:, 4] = np.arange(40) % 7
    monkeypatch.setattr("madapt._duplicates._hashes", lambda X, rows: np.zeros(rows.size, int))
    equal = equal_rows(X)
    np.testing.assert_array_equal(equal.repeats, np.arange(40) >= 7)
    indices, values = np.array([[3, 5, 0]]), np.array([[2.0, 1.0, 0.0]])
    equal.expand(indices, values)
    np.testing.assert_array_equal(indices, [[3, 10, 17]])
    np.testing.assert_array_equal(values, [[2.0, 2.0, 2.0]])


@pytest.mark.parametrize("dtype", [np.int8, np.float16, np.float32, np.float64])
@pytest.mark.parametrize("d", [1, 2, 3, 9])
def test_equal_rows_are_found_in_every_dtype(dtype, d):
    generator = np.random.default_rng(0)
    X = generator.integers(0, 3, (20, d)).astype(dtype)[generator.integers(20, size=50)]
    equal = equal_rows(X)
    _, first = np.unique(X, axis=0, return_index=True)
    np.testing.assert_array_equal(np.flatnonzero(~equal.repeats), np.sort(first))
    assert equal_rows(X[np.sort(first)]) is None


GOOD = np.eye(4, dtype=np.float32)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"k": 0}, ValueError, "k must be at least 1, got 0"),
        ({"k": 2.0}, TypeError, "k must be an integer, got 2.0"),
        ({"k": True}, TypeError, "k must be an integer, got True"),
        ({"metric": "l2"}, ValueError, "metric must be one of 'cosine', 'dot', 'euclidean'"),
        ({"max_bytes": 0}, ValueError, "max_bytes must be at least 1, got 0"),
        ({"exclude_self": "yes"}, TypeError, "exclude_self must be True or False, got 'yes'"),
        ({"queries": GOOD[0]}, ValueError, "queries must be 2-D and not empty"),
        ({"corpus": GOOD[:0]}, ValueError, "corpus must be 2-D and not empty"),
        ({"corpus": GOOD[:, :3]}, ValueError, "the same number of columns, got 4 and 3"),
        ({"queries": GOOD + 1j}, ValueError, "queries must be real numbers, got dtype complex"),
        ({"queries": [["a"]]}, ValueError, "queries must be real numbers, got dtype <U1"),
        ({"corpus": sparse.csr_array(GOOD)}, ValueError, "corpus must be real numbers"),
        ({"queries": GOOD * np.nan}, ValueError, "queries must be finite"),
        ({"corpus": np.where(GOOD, np.inf, GOOD)}, ValueError, "corpus must be finite"),
        (
            {"queries": GOOD[:2], "exclude_self": True},
            ValueError,
            r"queries must be the corpus when exclude_self is True, got shapes \(2, 4\)",
        ),
        (
            {"corpus": GOOD * 1e30, "metric": "dot"},
            ValueError,
            "corpus must have rows no longer than 4.6e.18 for metric 'dot' in float32",
        ),
    ],
)
def test_bad_input_is_named(changes, error, message):
    arguments = {"queries": GOOD, "corpus": GOOD, "k": 2, **changes}
    with pytest.raises(error, match=message):
        top_k(**arguments)
