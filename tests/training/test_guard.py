"""The guard: its tests' error probability, its margin, and what it calls agreement."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array

from madapt.training.guard import falls_below, is_no_worse, labels_agree, neighbor_ndcg

N_TRIALS = 2000


def accepted(level, shift, n=60, L=5, spread=0.2, weights=None, seed=0):
    """Return the share of candidates that pass; per dim they are `shift` better in truth."""
    generator = np.random.default_rng(seed)
    passed = 0
    for _ in range(N_TRIALS):
        per_row = generator.normal(shift, spread, n)
        start = generator.random((L, n))
        passed += is_no_worse(start, start + per_row, margin=1.0, level=level, weights=weights)
    return passed / N_TRIALS


@pytest.mark.parametrize("level", [0.01, 0.05, 0.2])
def test_a_candidate_that_is_no_better_passes_as_rarely_as_is_said(level):
    error = np.sqrt(level * (1 - level) / N_TRIALS)
    assert accepted(level, 0.0) < level + 4 * error


def test_weights_keep_the_level():
    weights = np.concatenate([np.full(50, 0.5 / 50), np.full(10, 0.5 / 10)])
    assert accepted(0.05, 0.0, weights=weights) < 0.08


def test_a_better_candidate_passes():
    assert accepted(0.05, 0.1) > 0.95


def test_a_worse_candidate_does_not():
    assert accepted(0.05, -0.02) < 0.02


def test_one_dim_below_the_margin_is_enough():
    start = np.zeros((3, 50))
    candidate = np.full((3, 50), 0.1) + np.random.default_rng(0).normal(0, 0.01, 50)
    assert is_no_worse(start, candidate, margin=0.01)
    candidate[1] = -0.011
    assert not is_no_worse(start, candidate, margin=0.01)
    candidate[1] = -0.009
    assert is_no_worse(start, candidate, margin=0.01)


def test_a_fall_is_that_of_one_dims_mean():
    start = np.full((3, 4), 0.5)
    candidate = start + np.array([[0.1], [-0.009], [0.2]])
    assert not falls_below(start, candidate)
    candidate[1] -= 0.002
    assert falls_below(start, candidate)
    assert not falls_below(start, candidate, 0.02)
    assert not falls_below(start[:, :0], candidate[:, :0])


def test_a_fall_within_the_standard_error_of_its_mean_is_none():
    spread = np.tile([0.3, -0.3], 8)  # standard error .3 * sqrt(16 / 15) / 4 = .0775
    start = np.full((2, 16), 0.5)
    candidate = start + np.array([[0.1], [-0.07]]) + spread
    assert falls_below(start, candidate)
    assert not falls_below(start, candidate, standard_errors=1.0)
    candidate[1] -= 0.01
    assert falls_below(start, candidate, standard_errors=1.0)
    assert not falls_below(start, candidate, standard_errors=1.1)
    # With many queries it is the margin that counts.
    start, candidate = np.repeat(start, 100, axis=1), np.repeat(candidate, 100, axis=1)
    assert falls_below(start, candidate, 0.07, standard_errors=1.0)
    assert not falls_below(start, candidate, 0.09, standard_errors=1.0)


@given(n=st.integers(0, 1), L=st.integers(1, 4))
def test_one_row_tells_nothing(n, L):
    assert not is_no_worse(np.zeros((L, n)), np.ones((L, n)))


def test_nothing_changed_is_not_better():
    scores = np.random.default_rng(0).random((3, 40))
    assert not is_no_worse(scores, scores)


def test_agreement():
    generator = np.random.default_rng(0)
    own, other = generator.random(40), np.zeros(40)
    assert labels_agree(own, other)
    assert not labels_agree(other, own)
    assert not labels_agree(other, other)
    assert not labels_agree(own[:1], other[:1])


def test_unrelated_judgments_agree_as_rarely_as_is_said():
    generator = np.random.default_rng(1)
    passed = 0
    for _ in range(N_TRIALS):
        # Few queries find anything by judgments that are random.
        own, other = (generator.random((2, 50)) < 0.1) * generator.random((2, 50))
        passed += labels_agree(own, other)
    assert passed / N_TRIALS < 0.05 + 4 * np.sqrt(0.05 * 0.95 / N_TRIALS)


def test_the_neighbours_of_the_original_vectors_are_the_best():
    generator = np.random.default_rng(2)
    Q, D = generator.standard_normal((7, 6)), generator.standard_normal((40, 6))
    Q, D = (A / np.linalg.norm(A, axis=1, keepdims=True) for A in (Q, D))
    scores = neighbor_ndcg(Q @ D.T, lambda m: (Q[:, :m], D[:, :m]), (1, 3, 6))
    assert scores.shape == (3, 7)
    np.testing.assert_allclose(scores[2], 1, rtol=1e-12)
    assert (scores <= 1 + 1e-12).all()
    assert (scores > 0).all()
    assert scores[0].mean() < scores[1].mean() < 1


def test_another_neighbour_as_near_costs_nothing():
    similarities = np.array([[0.9, 0.9, 0.1]])
    corpus = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
    for query in ([[1.0, 0.1]], [[0.1, 1.0]]):
        scores = neighbor_ndcg(similarities, lambda m, q=query: (np.array(q), corpus), (2,), k=1)
        assert scores[0, 0] == pytest.approx(1.0)
    far = neighbor_ndcg(similarities, lambda m: (np.array([[-1.0, 0.0]]), corpus), (2,), k=1)
    assert far[0, 0] == pytest.approx(np.exp(-0.8 / 0.05))


def test_fewer_documents_than_places():
    similarities = np.array([[0.5, 0.2]])
    corpus = csr_array(np.eye(2)).toarray()
    scores = neighbor_ndcg(similarities, lambda m: (np.array([[1.0, 0.5]]), corpus), (2,))
    assert scores[0, 0] == pytest.approx(1.0)
