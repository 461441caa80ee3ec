"""Batches: who is in them, in what order, and what is known of them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array

from madapt.training.sampling import DocumentSampler, QuerySampler

seeds = st.integers(0, 2**32 - 1)


def random_neighbors(n, k, generator):
    """Return k different others of each document, shape (n, k)."""
    return np.array([generator.permutation(np.delete(np.arange(n), i))[:k] for i in range(n)])


def random_qrels(n_queries, n_documents, generator):
    """Return grades from 0 (judged) to 2, each query with a positive."""
    judged = generator.random((n_queries, n_documents)) < 0.3
    grades = generator.integers(0, 3, (n_queries, n_documents)).astype(np.float32)
    positive = np.arange(n_queries), generator.integers(n_documents, size=n_queries)
    judged[positive], grades[positive] = True, 1.0
    row, column = np.nonzero(judged)
    return csr_array((grades[row, column], (row, column)), shape=judged.shape)


# Documents.


@given(
    n=st.integers(2, 30),
    n_rows=st.integers(1, 40),
    n_columns=st.integers(1, 40),
    k=st.integers(0, 5),
    seed=seeds,
)
def test_document_batches(n, n_rows, n_columns, k, seed):
    generator = np.random.default_rng(seed)
    neighbors = random_neighbors(n, k, generator) if k else None
    sampler = DocumentSampler(n, n_rows, n_columns, generator, neighbors)
    for _ in range(3):
        rows, columns, marked, queries = sampler.draw()
        assert len(queries) == 0
        assert len(rows) == min(n_rows, n)
        assert len(columns) == min(max(n_rows, n_columns), n)
        np.testing.assert_array_equal(columns[: len(rows)], rows)
        assert len(np.unique(columns)) == len(columns)
        assert ((columns >= 0) & (columns < n)).all()
        if neighbors is None:
            assert marked is None
        else:
            expected = [[j in neighbors[i] for j in columns] for i in rows]
            np.testing.assert_array_equal(marked, np.array(expected))


@pytest.mark.parametrize("n_columns", [20, 50])
def test_half_of_the_rows_are_neighbors_of_seeds(n_columns):
    generator = np.random.default_rng(0)
    neighbors = random_neighbors(200, 5, generator)
    sampler = DocumentSampler(200, 20, n_columns, generator, neighbors)
    for _ in range(20):
        rows, _, marked, _ = sampler.draw()
        seeds, others = set(rows[:10]), rows[10:]
        # All but the few that made up for neighbours drawn twice, or seeds themselves.
        near = sum(any(j in neighbors[i] for i in seeds) for j in others)
        assert near >= 7
        assert marked.sum() >= 7


@given(n_queries=st.integers(0, 9), share=st.floats(0, 1), k=st.integers(0, 3), seed=seeds)
def test_queries_take_their_share_of_the_rows(n_queries, share, k, seed):
    generator = np.random.default_rng(seed)
    neighbors = random_neighbors(20, k, generator) if k else None
    if k:
        of_queries = [generator.permutation(20)[:k] for _ in range(n_queries)]
        neighbors = np.concatenate([neighbors, np.reshape(of_queries, (n_queries, k)).astype(int)])
    sampler = DocumentSampler(
        20, 8, 12, generator, neighbors, n_queries=n_queries, query_share=share
    )
    rows, columns, marked, queries = sampler.draw()
    assert len(queries) == min(n_queries, round(8 * share))
    assert len(rows) + len(queries) == 8
    assert len(np.unique(queries)) == len(queries)
    assert ((queries >= 20) & (queries < 20 + n_queries)).all()
    if k:
        expected = [[j in neighbors[i] for j in columns] for i in [*rows, *queries]]
        np.testing.assert_array_equal(marked, np.array(expected))


def test_every_document_has_its_turn():
    sampler = DocumentSampler(20, 5, 8, np.random.default_rng(0))
    drawn = np.concatenate([sampler.draw().rows for _ in range(100)])
    counts = np.bincount(drawn, minlength=20)
    assert counts.min() > 5  # 25 on average


@pytest.mark.parametrize("k", [0, 3])
def test_document_batches_repeat_with_the_seed(k):
    neighbors = random_neighbors(20, k, np.random.default_rng(1)) if k else None
    first, second = (
        DocumentSampler(20, 6, 10, np.random.default_rng(2), neighbors) for _ in range(2)
    )
    batches = [first.draw() for _ in range(3)]
    for batch in batches:
        for one, other in zip(batch, second.draw(), strict=True):
            np.testing.assert_array_equal(one, other)
    assert not np.array_equal(batches[0].columns, batches[1].columns)


# Queries.


@given(
    shape=st.tuples(st.integers(1, 8), st.integers(1, 30)),
    n_queries=st.integers(1, 10),
    n_documents=st.integers(1, 40),
    n_hard=st.integers(0, 5),
    seed=seeds,
)
def test_query_batches(shape, n_queries, n_documents, n_hard, seed):
    generator = np.random.default_rng(seed)
    qrels = random_qrels(*shape, generator)
    hard = generator.permuted(np.tile(np.arange(shape[1]), (shape[0], 1)), axis=1)[:, :5]
    sampler = QuerySampler(qrels, n_queries, n_documents, hard, generator, n_hard=n_hard)
    for _ in range(3):
        queries, documents, grades = sampler.draw()
        assert len(queries) == len(np.unique(queries)) == min(n_queries, shape[0])
        assert len(documents) == len(np.unique(documents)) == min(n_documents, shape[1])
        np.testing.assert_array_equal(grades, qrels.toarray()[np.ix_(queries, documents)])


@given(seed=seeds)
def test_positives_and_hard_documents_are_in_the_batch(seed):
    generator = np.random.default_rng(seed)
    qrels = random_qrels(6, 900, generator)
    hard = generator.permuted(np.tile(np.arange(900), (6, 1)), axis=1)[:, :9]
    # Room for all: of each of three queries 4 positives, 4 judged negatives and 3 hard ones.
    sampler = QuerySampler(qrels, 3, 33, hard, generator, n_positives=4, n_hard=3)
    queries, documents, grades = sampler.draw()
    judged = qrels.toarray()
    for i, row in zip(queries, grades, strict=True):
        assert (row > 0).sum() >= min(4, (judged[i] > 0).sum())
        stored = qrels.indices[qrels.indptr[i] : qrels.indptr[i + 1]]
        negatives = stored[judged[i, stored] == 0]
        assert np.isin(negatives, documents).sum() >= min(4, len(negatives))
        assert np.isin(hard[i], documents).sum() >= 3


def test_query_batches_repeat_with_the_seed():
    qrels = random_qrels(6, 30, np.random.default_rng(0))
    hard = np.tile(np.arange(5), (6, 1))
    first, second = (QuerySampler(qrels, 3, 12, hard, np.random.default_rng(1)) for _ in range(2))
    for _ in range(3):
        for one, other in zip(first.draw(), second.draw(), strict=True):
            np.testing.assert_array_equal(one, other)
