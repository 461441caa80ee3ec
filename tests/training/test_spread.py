"""Temperatures follow the spread of the cosines where that is small."""

from __future__ import annotations

import numpy as np
import pytest

from madapt import MatryoshkaAdaptor
from madapt._parameters import settings_of
from madapt._rows import unit_rows
from madapt.datasets import load_cranfield
from madapt.evaluation import dimension_curve
from madapt.training.spread import LEAST_SHARE, USUAL_SPREAD, spread_share


@pytest.fixture(scope="module")
def cranfield():
    return load_cranfield()


def with_mean(X, length):
    """Add a coordinate that all rows share: cosines become (c + a^2) / (1 + a^2)."""
    shared = np.full((len(X), 1), length, dtype=X.dtype)
    return unit_rows(np.concatenate([unit_rows(X), shared], axis=1))


def test_real_embeddings_with_cosines_far_apart_keep_their_temperatures(cranfield):
    assert spread_share(cranfield.corpus) == 1.0


@pytest.mark.parametrize("length", [2.0, 3.0])
def test_a_common_mean_shrinks_the_share_as_it_shrinks_cosines(cranfield, length):
    X = unit_rows(cranfield.corpus.astype(np.float64))
    S = X @ X.T
    np.fill_diagonal(S, np.nan)
    spread = np.median(np.nanstd(S, axis=1))
    expected = spread / (1 + length**2) / USUAL_SPREAD
    assert spread_share(with_mean(X, length)) == pytest.approx(expected, rel=0.03)  # a sample


def test_the_share_has_a_floor_and_few_documents_say_nothing():
    rows = np.ones((50, 4), dtype=np.float32)
    assert spread_share(rows) == LEAST_SHARE
    assert spread_share(rows[:2]) == 1.0
    assert spread_share(rows[:0]) == 1.0


def test_long_rows_count_by_their_direction(cranfield):
    X = with_mean(cranfield.corpus, 2.0)
    lengths = np.linspace(0.5, 100, len(X), dtype=np.float32)[:, None]
    assert spread_share(X * lengths) == pytest.approx(spread_share(X), rel=1e-5)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, (0.015, 0.15, 0.025)),
        ({"temperature": 0.2}, (0.2, 0.15, 0.2)),
        ({"temperature": (0.2, "auto"), "prefix_temperature": 0.4}, (0.2, 0.4, 0.025)),
    ],
)
def test_only_temperatures_that_nobody_set_are_narrowed(given, expected):
    settings = settings_of(MatryoshkaAdaptor(**given), 64, 100, 1.0)
    narrowed = settings.narrowed(0.5)
    first, second = narrowed.unsupervised, narrowed.supervised
    found = (first.temperature, first.prefix_temperature, second.temperature)
    assert found == pytest.approx(expected)
    assert narrowed.grade_temperature == pytest.approx(0.5 * settings.grade_temperature)
    assert narrowed.supervised_neighbor_temperature == pytest.approx(0.05)
    assert settings.narrowed(1.0) == settings


@pytest.mark.parametrize(("n_judged", "follows"), [(0, True), (399, True), (400, False)])
def test_many_judged_queries_keep_temperatures_as_they_are(n_judged, follows):
    settings = settings_of(MatryoshkaAdaptor(), 64, n_judged, 1.0)
    assert (settings.narrowed(0.5) != settings) == follows


def test_the_published_temperature_is_not_narrowed():
    settings = settings_of(MatryoshkaAdaptor.from_paper(), 64, 100, 1.0).narrowed(0.1)
    assert settings.unsupervised.temperature == settings.supervised.temperature == 1.0


def test_cosines_close_together_are_learned_from(cranfield):
    """With a mean three times as long as the rest, a fit finds more than at fixed temperatures."""
    X, Q = with_mean(cranfield.corpus, 3.0), with_mean(cranfield.queries, 3.0)
    fixed = MatryoshkaAdaptor(temperature=0.03, prefix_temperature=0.3, random_state=0).fit(X)
    fitted = MatryoshkaAdaptor(random_state=0).fit(X)
    methods = {"fixed": fixed, "fitted": fitted}
    curve = dimension_curve(methods, X, Q, cranfield.qrels, dims=(8, 16, 32))
    scores = {name: np.mean(rows["ndcg@10"]) for name, rows in curve.scores.items()}
    assert scores["fitted"] > scores["fixed"] + 0.01


def test_a_stream_is_narrowed_as_a_fit_is(cranfield):
    X = with_mean(cranfield.corpus, 3.0)
    shared = {"max_iter": 10, "random_state": 0, "guard": False}
    auto = MatryoshkaAdaptor(**shared).partial_fit(X)
    share = spread_share(X)
    by_hand = MatryoshkaAdaptor(
        temperature=share * 0.03, prefix_temperature=share * 0.3, **shared
    ).partial_fit(X)
    assert auto.fingerprint_ == by_hand.fingerprint_
    fixed = MatryoshkaAdaptor(temperature=0.03, prefix_temperature=0.3, **shared).partial_fit(X)
    assert auto.fingerprint_ != fixed.fingerprint_
