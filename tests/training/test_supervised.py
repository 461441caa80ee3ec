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
from madapt.exceptions import JudgmentsWarning
from madapt.training.supervised import JudgedCorpus, averaged, scaled

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


def test_right_judgments_among_as_many_wrong_ones_leave_the_first_stage():
    own, far = np.arange(N_QUERIES), farthest(None)
    at = np.tile(np.arange(N_QUERIES), 2), np.concatenate([own, far])
    both = csr_array((np.ones(2 * N_QUERIES), at), shape=(N_QUERIES, N))
    right = csr_array((np.ones(N_QUERIES), (own, own)), shape=(N_QUERIES, N))
    found = []
    for qrels in (right, both):
        judged = JudgedCorpus(Q, X, X, Q, qrels, NumpyBackend())
        found.append(judged.far(ResidualAdaptor()))
    assert (found[0] == 0).all()
    assert (found[1] == 0.5).all()
    model = MatryoshkaAdaptor(**FAST, random_state=0, center=None)
    with pytest.warns(JudgmentsWarning):
        model.fit(X, queries=Q, qrels=both)
    assert not model.adaptor_.has_mlp


@pytest.mark.parametrize("n", [30, 2500])
def test_what_is_far_is_less_like_than_half_of_the_corpus(n):
    generator = np.random.default_rng(0)
    documents, queries = generator.standard_normal((n, D)), generator.standard_normal((5, D))
    qrels = csr_array(np.ones((5, n)))
    judged = JudgedCorpus(queries, documents, documents, queries, qrels, NumpyBackend())
    assert_allclose(judged.far(ResidualAdaptor()), 0.5, atol=0.03)
    graded = csr_array((np.r_[np.ones(5), np.zeros(5)], (np.tile(np.arange(5), 2), np.r_[0:10])))
    graded.resize((5, n))
    only_one = replace(judged, qrels=graded).far(ResidualAdaptor())
    assert set(only_one) <= {0.0, 1.0}


def test_judgments_that_contradict_each_other_leave_the_first_stage():
    # The same queries twice, each time with another document far from them.
    twice = np.concatenate([Q, Q])
    order = np.argsort(Q @ X.T, axis=1)
    at = np.arange(2 * N_QUERIES), np.concatenate([order[:, 0], order[:, 1]])
    qrels = csr_array((np.ones(2 * N_QUERIES), at), shape=(2 * N_QUERIES, N))
    model = MatryoshkaAdaptor(**FAST, random_state=0, center=None)
    assert not model.fit(X, queries=twice, qrels=qrels).adaptor_.has_mlp
