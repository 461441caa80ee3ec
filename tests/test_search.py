"""Funnel search against searching whole vectors."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import madapt.search
from madapt.neighbors import top_k
from madapt.search import funnel_search

N, D, N_QUERIES = 300, 24, 17
generator = np.random.default_rng(3)
SPREAD = np.arange(1, D + 1) ** -0.5
C = (generator.standard_normal((N, D)) * SPREAD).astype(np.float32)
Q = (C[:N_QUERIES] + 0.3 * generator.standard_normal((N_QUERIES, D))).astype(np.float32)


def by_hand(queries, corpus, dim, n_candidates, k):
    """Return what a funnel finds, in float64, one query at a time."""

    def cosines(q, X):
        lengths = np.linalg.norm(X, axis=1) * np.linalg.norm(q)
        return X @ q / np.where(lengths > 0, lengths, 1)

    queries, corpus = queries.astype(np.float64), corpus.astype(np.float64)
    indices, values = [], []
    for q in queries:
        first = np.argsort(-cosines(q[:dim], corpus[:, :dim]), kind="stable")[:n_candidates]
        first = np.sort(first)
        second = cosines(q, corpus[first])
        best = np.argsort(-second, kind="stable")[:k]
        indices.append(first[best])
        values.append(second[best])
    return np.array(indices), np.array(values)


def recall(found, exact):
    return np.mean([len(set(a) & set(b)) / len(b) for a, b in zip(found, exact, strict=True)])


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("max_bytes", [2**28, 20_000, 1])
@pytest.mark.parametrize(
    ("dim", "oversample", "k"), [(4, 1, 7), (8, 3, 10), (1, 1.5, 5), (23, 2, 1)]
)
def test_finds_what_it_finds_by_hand(dim, oversample, k, max_bytes, dtype):
    queries, corpus = Q.astype(dtype), C.astype(dtype)
    indices, values = funnel_search(queries, corpus, dim, oversample, k, max_bytes=max_bytes)
    wanted, best = by_hand(queries, corpus, dim, math.ceil(oversample * k), k)
    assert indices.dtype == np.int64
    assert values.dtype == (np.float64 if dtype == np.float64 else np.float32)
    np.testing.assert_array_equal(indices, wanted)
    np.testing.assert_allclose(values, best, atol=1e-6)


@pytest.mark.parametrize(
    ("dim", "oversample", "k"), [(1, N, 1), (5, N / 7, 7), (2, 50, 10), (D, 1, 9)]
)
def test_all_candidates_or_all_dims_are_the_exact_search(dim, oversample, k):
    found = funnel_search(Q, C, dim, oversample, k)
    for one, other in zip(found, top_k(Q, C, k), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("k", [N, N + 5])
def test_more_than_there_are_is_clipped_as_top_k_does(k):
    indices, values = funnel_search(Q, C, 3, k=k)
    assert indices.shape == values.shape == (N_QUERIES, N)
    np.testing.assert_array_equal(indices, top_k(Q, C, k)[0])


@given(data=st.data())
def test_recall_never_falls_with_more_candidates(data):
    n, d = data.draw(st.integers(2, 80)), data.draw(st.integers(2, 12))
    rows = np.random.default_rng(data.draw(st.integers(0, 2**20)))
    corpus, queries = rows.standard_normal((n, d)), rows.standard_normal((5, d))
    k, dim = data.draw(st.integers(1, n)), data.draw(st.integers(1, d))
    exact, _ = top_k(queries, corpus, k)
    recalls = [
        recall(funnel_search(queries, corpus, dim, oversample, k)[0], exact)
        for oversample in (1, 1.3, 2, 4, n)
    ]
    assert recalls == sorted(recalls)
    assert recalls[-1] == 1


@given(data=st.data())
def test_ties_go_to_the_lower_index(data):
    # Rows of few kinds, so that the cut between candidates lies among equal ones.
    n, d = data.draw(st.integers(1, 60)), data.draw(st.integers(2, 5))
    rows = np.random.default_rng(data.draw(st.integers(0, 2**20)))
    kinds = rows.standard_normal((4, d)).astype(np.float32)
    corpus, queries = kinds[rows.integers(4, size=n)], kinds[:3]
    k, oversample = data.draw(st.integers(1, n)), data.draw(st.integers(1, 4))
    max_bytes = data.draw(st.sampled_from([1, 10_000, 2**28]))
    dim = data.draw(st.integers(2, d))
    indices, values = funnel_search(queries, corpus, dim, oversample, k, max_bytes=max_bytes)
    wanted, best = by_hand(queries, corpus, dim, min(n, oversample * k), k)
    np.testing.assert_array_equal(indices, wanted)
    np.testing.assert_allclose(values, best, atol=1e-6)


def test_a_zero_row_and_a_zero_prefix_have_similarity_zero():
    corpus, queries = C.copy(), Q.copy()
    corpus[5], corpus[6, :4], queries[2], queries[3, :4] = 0, 0, 0, 0
    indices, values = funnel_search(queries, corpus, 4, 3, 10)
    wanted, best = by_hand(queries, corpus, 4, 30, 10)
    np.testing.assert_array_equal(indices, wanted)
    np.testing.assert_allclose(values, best, atol=1e-6)
    np.testing.assert_array_equal(indices[2], np.arange(10))
    np.testing.assert_array_equal(values[2], 0)


def test_rows_of_any_length_are_compared_by_cosine():
    lengths = 10.0 ** generator.uniform(-12, 12, (N, 1)).astype(np.float32)
    found = funnel_search(Q, C, 8, 2, 10)
    scaled = funnel_search(Q * np.float32(1e-15), C * lengths, 8, 2, 10)
    np.testing.assert_array_equal(scaled[0], found[0])
    np.testing.assert_allclose(scaled[1], found[1], atol=1e-6)


class Reads:
    """Rows that note which of them were read."""

    def __init__(self, X):
        self.X, self.rows = X, []

    def watched(self):
        reads = self

        class Watched(np.ndarray):
            def __getitem__(self, key):
                reads.rows.append(key)
                return np.asarray(self)[key]

        return self.X.view(Watched)


def test_a_corpus_beside_its_prefix_is_read_at_candidates_alone(monkeypatch, tmp_path):
    path = tmp_path / "corpus.npy"
    np.save(path, C)
    corpus = np.load(path, mmap_mode="r")
    wanted = funnel_search(Q, C, 8, 2, 5)
    reads = Reads(corpus)
    monkeypatch.setattr(
        madapt.search,
        "check_rows",
        lambda X, name: reads.watched() if name == "corpus" else np.asarray(X),
    )
    found = funnel_search(Q, corpus, 8, 2, 5, prefix=C[:, :8].copy())
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(one, other)
    shapes = [key for key in reads.rows if isinstance(key, tuple)]
    assert shapes == [(slice(None), slice(None, 8))]  # the columns it would search: a view
    rows = np.concatenate([key for key in reads.rows if isinstance(key, np.ndarray)])
    candidates, _ = top_k(Q[:, :8], C[:, :8], 10)
    np.testing.assert_array_equal(np.unique(rows), np.unique(candidates))


def test_prefixes_are_what_the_first_search_compares():
    turned = np.linalg.qr(generator.standard_normal((D, D)))[0].astype(np.float32)
    # Before and after a rotation: the same cosines, other prefixes.
    wanted = funnel_search(Q @ turned, C @ turned, 6, 2, 10)
    prefixes = {"prefix": (C @ turned)[:, :6], "query_prefix": (Q @ turned)[:, :6]}
    indices, values = funnel_search(Q, C, 6, 2, 10, **prefixes)
    np.testing.assert_array_equal(indices, wanted[0])
    np.testing.assert_allclose(values, wanted[1], atol=1e-6)


def test_codes_serve_as_prefix():
    codes = np.rint(C[:, :8] * 127 / np.abs(C).max()).astype(np.int8)
    found, _ = funnel_search(Q, C, 8, 4, 10, prefix=codes)
    assert recall(found, top_k(Q, C, 10)[0]) > 0.9


def test_memory_does_not_grow_with_the_queries(peak_of):
    corpus = generator.standard_normal((2_000, 32)).astype(np.float32)
    budget = 2**21

    def peak(n):
        queries = np.tile(corpus[:500], (n, 1))
        results = 500 * n * 10 * 12
        return peak_of(lambda: funnel_search(queries, corpus, 8, 8, 10, max_bytes=budget)) - results

    assert peak(8) < 1.1 * peak(1) + 2**19
    assert peak(8) < 2 * budget


BAD_ROWS = [
    (C[0], r"must be 2-D and not empty, got shape \(24,\)"),
    (C[:0], r"must be 2-D and not empty, got shape \(0, 24\)"),
    (C.astype(complex), "must be real numbers, got dtype complex128"),
    (C.astype(str), "must be real numbers, got dtype <U"),
]
NAN = C.copy()
NAN[4, 20] = np.nan
#: Arguments, error, message.
REFUSED = [
    *[({"queries": rows}, ValueError, f"queries {message}") for rows, message in BAD_ROWS],
    *[({"corpus": rows}, ValueError, f"corpus {message}") for rows, message in BAD_ROWS],
    *[({"prefix": rows}, ValueError, f"prefix {message}") for rows, message in BAD_ROWS],
    ({"queries": NAN}, ValueError, "queries must be .* finite .*, got nan in row 4, column 20"),
    (
        {"corpus": NAN, "k": 36},
        ValueError,
        "corpus must be .* finite .*, got nan in row 4, column 20",
    ),
    ({"corpus": NAN[:, ::-1]}, ValueError, "corpus must be finite, got NaN or infinity"),
    ({"prefix": NAN[:, 13:21], "dim": 8}, ValueError, "prefix must .*, got nan in row 4, column 7"),
    (
        {"prefix": C[:, :8], "query_prefix": NAN[:N_QUERIES, 13:21]},
        ValueError,
        "query_prefix must .*, got nan in row 4, column 7",
    ),
    (
        {"queries": Q[:, :5]},
        ValueError,
        "queries and corpus must have the same number of columns, got 5 and 24",
    ),
    (
        {"prefix": C[:, :7]},
        ValueError,
        r"prefix must have shape \(300, 8\), rows of corpus by dim, got \(300, 7\)",
    ),
    ({"prefix": C[:9, :8]}, ValueError, r"prefix must have shape \(300, 8\), .* got \(9, 8\)"),
    (
        {"prefix": C[:, :8], "query_prefix": C[:, :8]},
        ValueError,
        r"query_prefix must have shape \(17, 8\), rows of queries by dim, got \(300, 8\)",
    ),
    (
        {"query_prefix": Q[:, :8]},
        ValueError,
        "prefix must come with query_prefix, got query_prefix alone",
    ),
    ({"dim": 0}, ValueError, "dim must lie in 1..24, got 0"),
    ({"dim": 25}, ValueError, "dim must lie in 1..24, got 25"),
    ({"dim": 8.0}, TypeError, "dim must be an integer in 1..24, got 8.0"),
    ({"dim": None}, TypeError, "dim must be an integer in 1..24, got None"),
    ({"oversample": 0.9}, ValueError, "oversample must be at least 1, got 0.9"),
    ({"oversample": math.inf}, ValueError, "oversample must be finite, got inf"),
    ({"oversample": "4"}, TypeError, "oversample must be a number, got '4'"),
    ({"k": 0}, ValueError, "k must be at least 1, got 0"),
    ({"k": 2.5}, TypeError, "k must be an integer, got 2.5"),
    ({"max_bytes": 0}, ValueError, "max_bytes must be at least 1, got 0"),
]


@pytest.mark.parametrize(("arguments", "error", "message"), REFUSED)
def test_arguments(arguments, error, message):
    given = {"queries": Q, "corpus": C, "dim": 8, "oversample": 8, "k": 10, **arguments}
    with pytest.raises(error, match=message):
        funnel_search(**given)


def test_rows_that_are_no_candidates_are_not_looked_at():
    wanted = funnel_search(-C[4:5], C, 8, 1, 5)
    for one, other in zip(funnel_search(-C[4:5], NAN, 8, 1, 5), wanted, strict=True):
        np.testing.assert_array_equal(one, other)
