"""Learning from queries: means and strengths of residuals, folds, adversarial judgments."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array

from madapt import MatryoshkaAdaptor
from madapt.adaptor import ResidualAdaptor
from madapt.backends.numpy import NumpyBackend
from madapt.training import second_stage
from madapt.training.guard import LEVEL
from madapt.training.judged import JudgedCorpus
from madapt.training.supervised import CrossValidation, averaged, scaled

N, D, N_QUERIES = 150, 16, 30
X = np.random.default_rng(0).standard_normal((N, D)).astype(np.float32)
Q = X[:N_QUERIES] + 0.3 * np.random.default_rng(1).standard_normal((N_QUERIES, D))
Q = Q.astype(np.float32)
FAST = {"max_iter": (6, 20), "learning_rate": ("auto", 1e-2), "hidden_dim": 16}


def residual(seed, h):
    generator = np.random.default_rng(seed)
    adaptor = ResidualAdaptor().with_mlp(
        generator.standard_normal((D, h)), generator.standard_normal((h, D))
    )
    return adaptor.replace(b1=generator.standard_normal(h), b2=generator.standard_normal(D))


def test_the_mean_of_two_residuals_is_one_residual():
    one, other = residual(0, 5), residual(1, 7)
    mean = averaged(one, other)
    assert mean.W1.shape == (D, 12)
    expected = (one.transform(X) + other.transform(X)) / 2
    assert_allclose(mean.transform(X), expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("strength", [0.0, 0.5, 1.0])
def test_strength_scales_what_was_learned(strength):
    adaptor = residual(0, 5)
    expected = X + strength * (adaptor.transform(X) - X)
    assert_allclose(scaled(adaptor, strength).transform(X), expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("guard", "hidden"), [(True, 16), (True, 15), (True, 1), (False, 16)])
def test_the_hidden_units_are_those_that_were_asked_for(guard, hidden):
    qrels = csr_array((np.ones(N_QUERIES), (np.arange(N_QUERIES),) * 2), shape=(N_QUERIES, N))
    parameters = FAST | {"guard": guard, "hidden_dim": hidden, "random_state": 0}
    model = MatryoshkaAdaptor(**parameters, center=None).fit(X, queries=Q, qrels=qrels)
    if model.adaptor_.has_mlp:
        assert model.adaptor_.W1.shape == (D, hidden)
    else:
        assert guard


def judged_at_random(generator):
    return generator.integers(N, size=N_QUERIES)


def shuffled(generator):
    return np.roll(np.arange(N_QUERIES), 1 + generator.integers(N_QUERIES - 1))


def farthest(generator):
    return np.argmin(Q @ X.T, axis=1)


@pytest.mark.parametrize("kind", [judged_at_random, shuffled, farthest])
@settings(max_examples=12, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**16))
def test_judgments_that_mislead_leave_the_first_stage(kind, seed):
    generator = np.random.default_rng(seed)
    at = np.arange(N_QUERIES), kind(generator)
    qrels = csr_array((np.ones(N_QUERIES), at), shape=(N_QUERIES, N))
    parameters = FAST | {"random_state": seed, "center": None}
    model = MatryoshkaAdaptor(**parameters).fit(X, queries=Q, qrels=qrels)
    alone = MatryoshkaAdaptor(**parameters).fit(X, queries=Q)
    assert not model.adaptor_.has_mlp
    assert_array_equal(model.rotation_, alone.rotation_)


def corpus_of(queries, documents, qrels):
    return JudgedCorpus(queries, documents, documents, queries, qrels, NumpyBackend())


def test_judgments_that_can_be_believed_are_those_of_near_documents():
    own, far = np.arange(N_QUERIES), farthest(None)
    at = np.tile(np.arange(N_QUERIES), 2), np.concatenate([own, far])
    both = csr_array((np.arange(1.0, 2 * N_QUERIES + 1), at), shape=(N_QUERIES, N))
    near = corpus_of(Q, X, both).near(ResidualAdaptor())
    assert_array_equal(near.qrels.toarray(), both.toarray() * (np.arange(N) == own[:, None]))
    assert_array_equal(near.queries, Q)
    assert both.nnz == 2 * N_QUERIES


def measured(gains, noise=0.0, seed=0, near=None):
    """Return what so many queries found by strength, whose mean gains in truth are `gains`."""
    generator = np.random.default_rng(seed)
    before = generator.random((3, 60))
    after = {s: before + gain + generator.normal(0, noise, 60) for s, gain in gains.items()}
    near = after if near is None else near
    return CrossValidation(np.arange(60), before, after, before, near, [])


def test_no_strength_is_tried_after_one_that_does_not_pass():
    assert second_stage.passing_strengths(measured({0.5: 0.2, 1.0: 0.3}, 0.01)) == [0.5, 1.0]
    assert second_stage.passing_strengths(measured({0.5: 0.2, 1.0: -0.1}, 0.01)) == [0.5]
    assert second_stage.passing_strengths(measured({0.5: -0.1, 1.0: 0.3}, 0.01)) == []


def test_a_strength_that_falls_among_near_documents_does_not_pass():
    found = measured({0.5: 0.2, 1.0: 0.3}, 0.01)
    near = {0.5: found.near_before + 0.2, 1.0: found.near_before - 0.02}
    assert second_stage.passing_strengths(replace(found, near_after=near)) == [0.5]


def test_less_than_full_strength_may_fall_by_what_few_queries_cannot_tell():
    spread = np.tile([0.3, -0.3], 30)  # standard error .039
    found = measured({0.5: 0.2, 1.0: 0.2}, 0.01)
    near = dict.fromkeys((0.5, 1.0), found.near_before + spread - 0.02)
    assert second_stage.passing_strengths(replace(found, near_after=near)) == [0.5]
    near[0.5] = found.near_before + spread - 0.06
    assert second_stage.passing_strengths(replace(found, near_after=near)) == []


def test_of_all_strengths_together_none_passes_more_often_than_the_level_says():
    n_trials, passed = 1000, 0
    for seed in range(n_trials):
        passed += bool(second_stage.passing_strengths(measured({0.5: 0.0, 1.0: 0.0}, 0.2, seed)))
    assert passed / n_trials < LEVEL + 4 * np.sqrt(LEVEL * (1 - LEVEL) / n_trials)


def test_of_what_passes_the_best_in_the_mean_is_kept():
    found = measured({0.5: 0.2, 1.0: 0.19})
    assert found.best([0.5, 1.0]) == 0.5
    assert found.best([1.0]) == 1.0


def test_queries_without_a_near_positive_are_left_out():
    mixed = np.where(np.arange(N_QUERIES) % 2, farthest(None), np.arange(N_QUERIES))
    at = np.arange(N_QUERIES), mixed
    qrels = csr_array((np.ones(N_QUERIES), at), shape=(N_QUERIES, N))
    near = corpus_of(Q, X, qrels).near(ResidualAdaptor())
    assert_array_equal(near.queries, Q[::2])
    assert near.ndcg(ResidualAdaptor(), (4, D)).shape == (2, N_QUERIES // 2)
    none = near.subset(np.arange(0))
    assert none.ndcg(ResidualAdaptor(), (4, D)).shape == (2, 0)


@pytest.mark.parametrize("n", [30, 2500])
def test_near_is_what_is_more_alike_than_half_of_the_corpus(n):
    generator = np.random.default_rng(0)
    documents, queries = generator.standard_normal((n, D)), generator.standard_normal((5, D))
    near = corpus_of(queries, documents, csr_array(np.ones((5, n)))).near(ResidualAdaptor())
    assert_allclose(near.qrels.sum(axis=1) / n, 0.5, atol=0.05)


def test_what_is_gained_by_far_documents_alone_is_not_kept(monkeypatch):
    own = np.arange(N_QUERIES)
    qrels = csr_array((np.ones(N_QUERIES), (own, own)), shape=(N_QUERIES, N))
    monkeypatch.setattr(second_stage, "is_no_worse", lambda *scores, **options: True)
    model = MatryoshkaAdaptor(**FAST, random_state=0, center=None)
    for falls in (False, True):
        monkeypatch.setattr(
            second_stage, "falls_below", lambda *scores, falls=falls, **options: falls
        )
        assert model.fit(X, queries=Q, qrels=qrels).adaptor_.has_mlp != falls


def test_judgments_that_contradict_each_other_leave_the_first_stage():
    # The same queries twice, each time with another document far from them.
    twice = np.concatenate([Q, Q])
    order = np.argsort(Q @ X.T, axis=1)
    at = np.arange(2 * N_QUERIES), np.concatenate([order[:, 0], order[:, 1]])
    qrels = csr_array((np.ones(2 * N_QUERIES), at), shape=(2 * N_QUERIES, N))
    model = MatryoshkaAdaptor(**FAST, random_state=0, center=None)
    assert not model.fit(X, queries=twice, qrels=qrels).adaptor_.has_mlp
