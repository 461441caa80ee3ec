"""What fit was given: judged queries, their counts, and a sample of the documents."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy.sparse import csr_array

from madapt._fit_data import FitData

X = np.arange(60.0).reshape(20, 3)
Q = X[:4]
ROWS, COLUMNS = [0, 0, 1, 1, 3, 3, 3], [2, 15, 2, 7, 2, 11, 19]
GRADES = [1, 0, 0, 0, 3, 1, 0]  # a zero is judged and not relevant
QRELS = csr_array((GRADES, (ROWS, COLUMNS)), shape=(4, 20), dtype=np.float32)
JUDGED = [2, 7, 11, 15, 19]


def generator():
    return np.random.default_rng(0)


def test_queries_with_a_positive():
    data = FitData(X, Q, QRELS)
    assert_array_equal(data.judged, [0, 3])
    assert data.label_counts == (2, 1.5)
    assert_array_equal(QRELS.data, GRADES)


@pytest.mark.parametrize("data", [FitData(X), FitData(X, Q)])
def test_without_judgments_nothing_is_judged(data):
    assert len(data.judged) == 0
    assert data.label_counts == (0, 0.0)


@pytest.mark.parametrize("n", [5, 6, 19])
def test_a_sample_holds_all_judged_documents(n):
    sample = FitData(X, Q, QRELS).sample(n, generator())
    kept = sample.documents[:, 0].astype(int) // 3
    assert len(set(kept)) == n
    assert set(JUDGED) <= set(kept)
    assert_array_equal(sample.documents, X[kept])
    assert sample.queries is Q
    # Columns have moved with their documents, and judged zeros are still stored.
    found = sample.qrels.tocoo()
    assert sorted(zip(found.row, kept[found.col], found.data, strict=True)) == sorted(
        zip(ROWS, COLUMNS, GRADES, strict=True)
    )


def test_a_sample_too_small_for_all_judged_documents_holds_some_of_them():
    sample = FitData(X, Q, QRELS).sample(3, generator())
    assert sample.documents.shape == (3, 3)
    assert set(sample.documents[:, 0].astype(int) // 3) < set(JUDGED)


def test_a_sample_of_unjudged_documents_is_drawn():
    samples = [FitData(X).sample(5, np.random.default_rng(seed)).documents for seed in (0, 0, 1)]
    assert_array_equal(samples[0], samples[1])
    assert (samples[0] != samples[2]).any()


def test_all_documents_are_no_sample():
    data = FitData(X, Q, QRELS)
    assert data.sample(20, generator()) is data


@pytest.mark.parametrize(("max_rows", "n"), [(1, 3), (3, 3), (4, 4), (6, 6), (8, 8), (50, 8)])
def test_a_sample_of_queries_holds_all_that_are_judged(max_rows, n):
    queries = X[:8]
    qrels = csr_array((GRADES, (ROWS, COLUMNS)), shape=(8, 20), dtype=np.float32)
    sample = FitData(X, queries, qrels).sample_queries(max_rows, generator())
    assert sample.documents is X
    kept = sample.queries[:, 0].astype(int) // 3
    assert len(kept) == n
    assert {0, 1, 3} <= set(kept.tolist())
    assert_array_equal(sample.queries, queries[kept])
    assert_array_equal(sample.qrels.toarray(), qrels.toarray()[kept])


def test_a_sample_of_unlabeled_queries_is_drawn():
    sample = FitData(X, X[:10]).sample_queries(4, generator())
    assert sample.queries.shape == (4, 3)
    assert sample.qrels is None
    assert FitData(X).sample_queries(4, generator()).queries is None
