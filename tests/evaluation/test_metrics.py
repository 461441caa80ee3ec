"""The metrics against ir-measures, and by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from madapt.evaluation import ndcg_at_k, recall_at_k
from madapt.exceptions import InvalidTypeError, InvalidValueError

QRELS = sparse.csr_array(np.array([[0, 2, 1, 0], [3, 0, 0, 0], [0, 0, 0, 0]]))
RANKING = np.array([[0, 1, 2, 3], [0, 3, 2, 1], [0, 1, 2, 3]])


def random_case(seed, n_queries, n_docs, n_ranked):
    """Judgments with grades -1..3, some stored zeros, and rankings without repetition."""
    generator = np.random.default_rng(seed)
    judged = np.argwhere(generator.random((n_queries, n_docs)) < 0.4)
    grades = generator.integers(-1, 4, len(judged))
    qrels = sparse.csr_array((grades, judged.T), shape=(n_queries, n_docs))
    ranking = np.stack([generator.permutation(n_docs)[:n_ranked] for _ in range(n_queries)])
    return qrels, ranking


def reference(measures, qrels, ranking):
    """Return {(measure, query): value} as trec_eval computes it."""
    ir_measures = pytest.importorskip("ir_measures")
    entries = qrels.tocoo()
    judged = [
        ir_measures.Qrel(str(query), str(document), int(grade))
        for query, document, grade in zip(entries.row, entries.col, entries.data, strict=True)
    ]
    run = [
        ir_measures.ScoredDoc(str(query), str(document), float(-place))
        for query, row in enumerate(ranking)
        for place, document in enumerate(row)
        if document >= 0
    ]
    parsed = [ir_measures.parse_measure(name) for name in measures]
    return {
        (str(result.measure), int(result.query_id)): result.value
        for result in ir_measures.iter_calc(parsed, judged, run)
    }


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**20),
    n_queries=st.integers(1, 6),
    n_docs=st.integers(1, 40),
    k=st.integers(1, 15),
    missing=st.booleans(),
)
def test_agrees_with_trec_eval(seed, n_queries, n_docs, k, missing):
    qrels, ranking = random_case(seed, n_queries, n_docs, min(n_docs, 20))
    if missing:  # places without a document at the end
        ranking[:, ranking.shape[1] // 2 :] = -1
    wanted = reference([f"nDCG@{k}", f"R@{k}"], qrels, ranking)
    positive = (qrels.toarray() > 0).any(axis=1)
    for name, metric in [(f"nDCG@{k}", ndcg_at_k), (f"R@{k}", recall_at_k)]:
        values = metric(ranking, qrels, k, average=False)
        np.testing.assert_array_equal(np.isnan(values), ~positive)
        for query in np.flatnonzero(positive):
            # trec_eval leaves out queries for which nothing was found at all.
            assert values[query] == pytest.approx(wanted.get((name, query), 0.0), abs=1e-12)


def test_ndcg_by_hand():
    first = (2 / np.log2(3) + 1 / np.log2(4)) / (2 / np.log2(2) + 1 / np.log2(3))
    np.testing.assert_allclose(ndcg_at_k(RANKING, QRELS, average=False), [first, 1, np.nan])
    assert ndcg_at_k(RANKING, QRELS) == pytest.approx((first + 1) / 2)
    # The ideal at k counts judged documents that were not ranked.
    np.testing.assert_allclose(
        ndcg_at_k([[2, -1]] * 3, QRELS, 2, average=False)[0], 1 / (2 + 1 / np.log2(3))
    )


def test_recall_by_hand():
    np.testing.assert_array_equal(recall_at_k(RANKING, QRELS, 2, average=False), [0.5, 1, np.nan])
    assert recall_at_k(RANKING, QRELS, 1) == 0.5
    assert isinstance(recall_at_k(RANKING, QRELS), float)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**20), k=st.integers(1, 40))
def test_laws(seed, k):
    qrels, ranking = random_case(seed, 5, 30, 30)
    ndcg = ndcg_at_k(ranking, qrels, k, average=False)
    positive = ~np.isnan(ndcg)
    assert ((ndcg[positive] >= 0) & (ndcg[positive] <= 1)).all()
    ideal = np.argsort(-qrels.toarray(), axis=1, kind="stable")
    np.testing.assert_allclose(ndcg_at_k(ideal, qrels, k, average=False)[positive], 1)
    # A longer list never recalls less, and the whole corpus recalls everything.
    recalls = [recall_at_k(ranking, qrels, m, average=False)[positive] for m in range(1, 31)]
    assert (np.diff(recalls, axis=0) >= 0).all()
    np.testing.assert_array_equal(recalls[-1], 1)


def test_negative_grades_gain_nothing():
    qrels = sparse.csr_array(np.array([[-2, 1]]))
    assert ndcg_at_k([[0, 1]], qrels) == pytest.approx(1 / np.log2(3))
    assert recall_at_k([[0, 1]], qrels, 1) == 0


@pytest.mark.parametrize("form", ["csr", "csc", "coo", "lil"])
@pytest.mark.parametrize("container", [sparse.csr_array, sparse.csr_matrix])
def test_any_sparse_format_is_taken(container, form):
    qrels = container(QRELS).asformat(form)
    assert ndcg_at_k(RANKING, qrels) == ndcg_at_k(RANKING, QRELS)


def test_judgments_are_left_as_they_are():
    # Indices out of order, and one pair in two parts.
    qrels = sparse.csr_array(([1, 1, 1], [2, 1, 1], [0, 3]), shape=(1, 4))
    assert ndcg_at_k([[1, 2]], qrels) == 1
    assert qrels.nnz == 3
    assert qrels.indices.tolist() == [2, 1, 1]


@pytest.mark.parametrize("metric", [ndcg_at_k, recall_at_k])
def test_nothing_to_average(metric):
    qrels = sparse.csr_array((2, 4))
    assert np.isnan(metric(RANKING[:2], qrels, average=False)).all()
    with pytest.raises(InvalidValueError, match="qrels must hold a grade above 0, got none"):
        metric(RANKING[:2], qrels)


@pytest.mark.parametrize("metric", [ndcg_at_k, recall_at_k])
@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"k": 0}, InvalidValueError, "k must be at least 1, got 0"),
        ({"k": 1.0}, InvalidTypeError, "k must be an integer, got 1.0"),
        ({"average": "macro"}, InvalidTypeError, "average must be True or False, got 'macro'"),
        ({"qrels": QRELS.toarray()}, InvalidTypeError, "qrels must be sparse, got ndarray"),
        ({"qrels": QRELS * np.inf}, InvalidValueError, "qrels must be finite"),
        ({"ranking": RANKING[:2]}, InvalidValueError, "a row for each of the 3 queries"),
        ({"ranking": RANKING[0]}, InvalidValueError, "ranking must have a row for each"),
        ({"ranking": RANKING * 1.0}, InvalidTypeError, "ranking must hold integers, got dtype"),
        ({"ranking": RANKING + 1}, InvalidValueError, "ranking must lie in -1..3, got 4"),
        ({"ranking": RANKING - 2}, InvalidValueError, "ranking must lie in -1..3, got -2"),
        ({"ranking": RANKING // 2}, InvalidValueError, "must name a document once a row"),
    ],
)
def test_bad_input_is_named(metric, changes, error, message):
    with pytest.raises(error, match=message):
        metric(**{"ranking": RANKING, "qrels": QRELS, **changes})
