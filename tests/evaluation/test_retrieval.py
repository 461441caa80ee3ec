"""One search, several metrics."""

import numpy as np
import pytest
from scipy import sparse

from madapt.evaluation import ndcg_at_k, recall_at_k, retrieval_scores
from madapt.evaluation.retrieval import parse_metrics
from madapt.exceptions import InvalidTypeError, InvalidValueError

GENERATOR = np.random.default_rng(0)
CORPUS, QUERIES = GENERATOR.standard_normal((50, 8)), GENERATOR.standard_normal((12, 8))
QRELS = sparse.csr_array(
    np.where(GENERATOR.random((12, 50)) < 0.1, 2, 0) * (np.arange(12) > 1)[:, None]
)


def ranking():
    unit = [X / np.linalg.norm(X, axis=1, keepdims=True) for X in (QUERIES, CORPUS)]
    return np.argsort(-(unit[0] @ unit[1].T), axis=1)


def test_scores_are_those_of_the_whole_ranking():
    names = ["ndcg@10", "recall@3", "ndcg@500"]
    scores = retrieval_scores(QUERIES, CORPUS, QRELS, names)
    assert scores == {
        "ndcg@10": pytest.approx(ndcg_at_k(ranking(), QRELS, 10)),
        "recall@3": pytest.approx(recall_at_k(ranking(), QRELS, 3)),
        "ndcg@500": pytest.approx(ndcg_at_k(ranking(), QRELS, 50)),
    }
    each = retrieval_scores(QUERIES, CORPUS, QRELS, names, average=False)
    np.testing.assert_array_equal(np.isnan(each["recall@3"][:3]), [True, True, False])
    assert np.nanmean(each["ndcg@10"]) == pytest.approx(scores["ndcg@10"])


def test_dicts_are_judgments_too():
    dense = QRELS.toarray()
    dicts = [{int(j): int(row[j]) for j in np.flatnonzero(row)} for row in dense]
    keyed = dict(enumerate(dicts))
    wanted = retrieval_scores(QUERIES, CORPUS, QRELS)
    assert retrieval_scores(QUERIES, CORPUS, dicts) == wanted
    assert retrieval_scores(QUERIES, CORPUS, keyed) == wanted


def test_names_are_read():
    assert parse_metrics("ndcg@7") == {"ndcg@7": (ndcg_at_k, 7)}
    assert list(parse_metrics(("recall@100", "ndcg@10"))) == ["recall@100", "ndcg@10"]


@pytest.mark.parametrize(
    ("metrics", "error", "message"),
    [
        ("mrr@10", InvalidValueError, "metrics must be 'ndcg@k' or 'recall@k', .* got 'mrr@10'"),
        ("ndcg", InvalidValueError, "got 'ndcg'"),
        ("ndcg@0", InvalidValueError, "got 'ndcg@0'"),
        ("ndcg@1.5", InvalidValueError, "got 'ndcg@1.5'"),
        ("nDCG@10", InvalidValueError, "as in 'ndcg@10', got 'nDCG@10'"),
        ([10], InvalidValueError, "got 10"),
        ([], InvalidValueError, "metrics must name at least one metric"),
        (["ndcg@5", "ndcg@5"], InvalidValueError, "metrics must be distinct, got 'ndcg@5' twice"),
        (10, InvalidTypeError, "metrics must be a sequence of names, got 10"),
    ],
)
def test_bad_names_are_named(metrics, error, message):
    with pytest.raises(error, match=message):
        retrieval_scores(QUERIES, CORPUS, QRELS, metrics)


def test_judgments_of_another_corpus_are_an_error():
    with pytest.raises(InvalidValueError, match=r"shape \(12, 49\), .* got \(12, 50\)"):
        retrieval_scores(QUERIES, CORPUS[:49], QRELS)
