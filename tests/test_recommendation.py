"""The recommended dim: the smallest that reaches the target, with an interval."""

import operator

import numpy as np
import pytest

from madapt import MatryoshkaAdaptor
from madapt.datasets import load_cranfield
from madapt.recommendation import CALIBRATION, recommend
from madapt.training import HeldOutScores

DIMS = (8, 16, 32)


def held_out(metric="ndcg@10", n=50, spread=0.0, means=(0.3, 0.49, 0.5), full=0.5):
    noise = spread * np.random.default_rng(0).standard_normal(n)
    scores = np.array(means)[:, None] + noise
    return HeldOutScores(metric, DIMS, scores, np.full(n, full) + noise, np.full(n, 1 / n))


@pytest.mark.parametrize(
    ("target", "dim"), [(0.5, 8), (0.6, 8), (0.61, 16), (0.98, 16), (0.99, 32), (1.0, 32)]
)
def test_the_smallest_dim_that_reaches_the_target(target, dim):
    found = recommend(held_out(), target)
    assert found.dim == operator.index(found) == dim
    assert found.target == target
    assert found.basis == "judged queries"
    assert found.n_held_out == 50
    assert found.shares == pytest.approx({8: 0.6, 16: 0.98, 32: 1.0})
    assert found.share == found.shares[dim]
    assert found.interval == pytest.approx((found.share, found.share))


def test_where_no_dim_reaches_it_the_best_is_named():
    assert recommend(held_out(means=(0.3, 0.45, 0.4)), 0.98).dim == 16


def test_neighbours_are_calibrated():
    found = recommend(held_out("neighbor ndcg@10", means=(0.8, 0.95, 1.0), full=1.0), 0.9)
    assert found.basis == "neighbors"
    assert found.shares == pytest.approx({8: 0.8**CALIBRATION, 16: 0.95**CALIBRATION, 32: 1.0})


def test_the_interval_holds_the_share_and_narrows_with_more_rows():
    few, many = (recommend(held_out(n=n, spread=0.1), 0.9) for n in (20, 2000))
    for found in (few, many):
        assert found.interval[0] <= found.share <= found.interval[1]
    assert np.ptp(many.interval) < np.ptp(few.interval) / 3
    assert recommend(held_out(n=20, spread=0.1), 0.9) == few  # the same draws


def test_it_says_what_it_found():
    text = str(recommend(held_out(), 0.98))
    assert text == (
        "16 dims keep 98.0% of full quality (95 % interval 98.0% to 98.0%), by 50 held-out "
        "judged queries"
    )


@pytest.fixture(scope="module")
def cranfield():
    return load_cranfield("train")


def test_of_a_fit_without_labels(cranfield):
    model = MatryoshkaAdaptor(max_iter=10, random_state=0).fit(cranfield.corpus)
    found = model.recommend_dim(0.9)
    assert found.basis == "neighbors"
    assert found.dim in model.dims_
    assert found.shares[384] == pytest.approx(1, abs=1e-4)
    assert model.recommend_dim(1e-9).dim == 8
    assert model.transform(cranfield.corpus[:3], dim=found).shape == (3, found.dim)


def test_of_a_fit_with_labels(cranfield):
    model = MatryoshkaAdaptor(max_iter=(10, 10), random_state=0)
    model.fit(cranfield.corpus, queries=cranfield.queries, qrels=cranfield.qrels)
    found = model.recommend_dim(0.9)
    assert found.basis == "judged queries"
    kept = model.validation_scores_["kept"][0]
    expected = model.validation_scores_[kept][-1] / model.validation_scores_["frozen"][-1]
    assert found.shares[384] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("target", "error", "message"),
    [
        (0, ValueError, "target must be above 0, got 0"),
        (-1, ValueError, "target must be above 0, got -1"),
        (np.nan, ValueError, "target must be finite, got nan"),
        ("all", TypeError, "target must be a number, got 'all'"),
        (None, TypeError, "target must be a number, got None"),
    ],
)
def test_bad_targets(cranfield, target, error, message):
    model = MatryoshkaAdaptor(max_iter=1, random_state=0).fit(cranfield.corpus)
    with pytest.raises(error, match=message):
        model.recommend_dim(target)


def test_without_held_out_rows_it_refuses(cranfield):
    model = MatryoshkaAdaptor(max_iter=1, guard=False, random_state=0).fit(cranfield.corpus)
    with pytest.raises(ValueError, match="recommend_dim needs held-out rows"):
        model.recommend_dim()
