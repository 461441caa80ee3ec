"""What the adaptor is for, on real embeddings: better prefixes, with labels and without."""

import numpy as np
import pytest

from madapt import MatryoshkaAdaptor
from madapt.baselines import PCAReducer, SVDRotation, Truncation
from madapt.datasets import load_cranfield
from madapt.evaluation import ndcg_at_k
from madapt.neighbors import top_k

CRANFIELD = load_cranfield()
CORPUS = CRANFIELD.corpus
HELD_OUT = np.sort(np.random.default_rng(0).permutation(len(CORPUS))[:300])
REST = np.delete(np.arange(len(CORPUS)), HELD_OUT)


@pytest.fixture(scope="module")
def supervised():
    judged = {"queries": CRANFIELD.queries[CRANFIELD.train]}
    judged["qrels"] = CRANFIELD.qrels[CRANFIELD.train]
    # Without the guard there is no cross-validation, which takes five times as long.
    model = MatryoshkaAdaptor(max_iter=(25, 15), guard=False, random_state=0)
    return model.fit(CORPUS, **judged)


@pytest.fixture(scope="module")
def unsupervised():
    return MatryoshkaAdaptor(max_iter=30, random_state=0).fit(CORPUS[REST])


def ndcg(transform_queries, transform_corpus):
    """Return nDCG@10 of the test queries."""
    queries = CRANFIELD.queries[CRANFIELD.test]
    ranking, _ = top_k(transform_queries(queries), transform_corpus(CORPUS), 10)
    return ndcg_at_k(ranking, CRANFIELD.qrels[CRANFIELD.test])


def overlap(transform):
    """Return the mean share of the ten nearest neighbours that held-out rows keep."""
    true, _ = top_k(CORPUS[HELD_OUT], CORPUS[REST], 10)
    found, _ = top_k(transform(CORPUS[HELD_OUT]), transform(CORPUS[REST]), 10)
    return np.mean([len(set(a) & set(b)) / 10 for a, b in zip(true, found, strict=True)])


@pytest.mark.parametrize("m", [16, 32])
@pytest.mark.parametrize("baseline", [Truncation, PCAReducer, SVDRotation])
def test_labels_raise_ndcg_above_each_baseline(supervised, baseline, m):
    fitted = baseline(dim=m).fit(CORPUS)
    linear = ndcg(fitted.transform, fitted.transform)
    adapted = ndcg(
        lambda rows: supervised.transform(rows, dim=m, side="query"),
        lambda rows: supervised.transform(rows, dim=m),
    )
    assert supervised.adaptor_.has_mlp
    assert adapted > linear + 0.01


@pytest.mark.parametrize("m", [8, 16, 32])
def test_without_labels_more_neighbours_are_kept_than_by_the_svd(unsupervised, m):
    start = SVDRotation().fit(CORPUS[REST])
    kept = overlap(lambda rows: unsupervised.transform(rows, dim=m))
    assert kept > overlap(lambda rows: start.transform(rows, dim=m)) + 0.01


def test_the_guard_sees_that_it_is_better(unsupervised):
    scores = unsupervised.validation_scores_
    assert scores["kept"][0] == "adaptor"
    gain = np.subtract(scores["adaptor"], scores["start"])
    assert gain.min() >= -0.01
    assert gain.mean() > 0
    # 256 leading coordinates are turned: prefixes of that length and more are the SVD's.
    assert scores["dim"][-2:] == [256, 384]
    assert scores["adaptor"][-2:] == pytest.approx(scores["start"][-2:], abs=1e-3)


def test_without_labels_nothing_is_lost_at_full_dim(unsupervised):
    frozen = ndcg(np.asarray, np.asarray)
    assert ndcg(unsupervised.transform, unsupervised.transform) == pytest.approx(frozen, abs=1e-3)
    assert overlap(unsupervised.transform) > 0.999
