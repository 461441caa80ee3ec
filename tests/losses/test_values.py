"""Values of the losses, from plain loops, and which neighbours count."""

import math

import numpy as np
import pytest
from scipy.special import rel_entr, softmax

from madapt.losses import (
    Objective,
    graded_listwise_loss,
    listwise_loss,
    neighbor_pairs,
    pairwise_loss,
    ranking_loss,
    topk_loss,
)
from madapt.losses.listwise import prefix_temperatures

DIMS = (1, 3, 4)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def cosines(A, B, m):
    """Plain loops, a zero vector having cosine 0."""
    C = np.zeros((len(A), len(B)))
    for i, a in enumerate(A[:, :m]):
        for j, b in enumerate(B[:, :m]):
            lengths = math.sqrt(sum(a * a)) * math.sqrt(sum(b * b))
            C[i, j] = sum(a * b) / lengths if lengths else 0.0
    return C


def test_pairwise_value():
    Y, S = normal(5, 4), np.corrcoef(normal(5, 4, seed=1))
    terms = [
        abs(S[i, j] - cosines(Y, Y, m)[i, j])
        for m in DIMS
        for i in range(5)
        for j in range(5)
        if i != j
    ]
    assert pairwise_loss(Y, S, DIMS)[0] == pytest.approx(np.mean(terms), rel=1e-12)


def test_topk_takes_the_relation_as_it_stands():
    Y, S = normal(4, 4), np.corrcoef(normal(4, 4, seed=1))
    neighbors = np.zeros((4, 4), dtype=bool)
    neighbors[[0, 0, 2, 3], [1, 2, 1, 3]] = True  # (3, 3) does not count
    terms = [
        abs(S[i, j] - cosines(Y, Y, m)[i, j]) for m in DIMS for i, j in ((0, 1), (0, 2), (2, 1))
    ]
    value, gradient = topk_loss(Y, S, neighbors, DIMS)
    assert value == pytest.approx(np.mean(terms), rel=1e-12)
    assert not gradient[3].any()
    assert gradient[1].any()  # nobody's row, but two rows' neighbour


@pytest.mark.parametrize("temperature", [0.05, 1.0])
def test_listwise_value(temperature):
    Y, S = normal(5, 4), np.corrcoef(normal(5, 4, seed=1))
    terms = []
    for m in DIMS:
        for i, C_i in enumerate(cosines(Y, Y, m)):
            p, q = (softmax(np.delete(row, i) / temperature) for row in (S[i], C_i))
            terms.append(rel_entr(p, q).sum())
    value, _ = listwise_loss(Y, S, DIMS, temperature=temperature)
    assert value == pytest.approx(np.mean(terms), rel=1e-12)


def test_each_prefix_has_its_own_temperature():
    Y, S = normal(5, 4), np.corrcoef(normal(5, 4, seed=1))
    temperatures = [0.5, 0.3, 0.2][: len(DIMS)]
    value, gradient = listwise_loss(Y, S, DIMS, temperature=temperatures, target_temperature=0.1)
    alone = [
        listwise_loss(Y, S, [m], temperature=t, target_temperature=0.1)
        for m, t in zip(DIMS, temperatures, strict=True)
    ]
    assert value == pytest.approx(np.mean([v for v, _ in alone]), rel=1e-12)
    np.testing.assert_allclose(gradient, np.mean([g for _, g in alone], axis=0), atol=1e-12)


def test_the_temperature_of_prefixes_falls_with_their_length():
    assert prefix_temperatures(0.05, 0.0, (2, 4)) == 0.05
    assert prefix_temperatures(0.05, 0.4, (2, 4)) == pytest.approx((0.25, 0.15))
    objective = Objective((2, 4), neighbor_temperature=0.05, prefix_temperature=0.4)
    Y, S = normal(5, 4), np.corrcoef(normal(5, 4, seed=1))
    expected = listwise_loss(Y, S, (2, 4), temperature=(0.25, 0.15), target_temperature=0.05)
    assert objective.documents(Y, S)[0] == expected[0]


def test_graded_listwise_value():
    Q, D = normal(3, 4), normal(5, 4, seed=1)
    grades = np.array([[0, 1, 2, 0, 0], [0, 0, 0, 0, 0], [1, 1, 1, 1, 1.0]])
    terms = [
        rel_entr(grades[i] / grades[i].sum(), softmax(cosines(Q, D, m)[i] / 0.1)).sum()
        for m in DIMS
        for i in (0, 2)
    ]
    value, _ = graded_listwise_loss(Q, D, grades, DIMS)
    assert value == pytest.approx(np.mean(terms), rel=1e-12)


@pytest.mark.parametrize("factor", [0.01, 0.3, 7.0])
def test_graded_listwise_takes_grades_relative_to_their_sum(factor):
    Q, D = normal(3, 4), normal(5, 4, seed=1)
    grades = np.array([[0, 1, 2, 0, 0], [0, 0, 0, 0, 0], [0, 0, 0.1, 0, 0]])
    value, gradients = graded_listwise_loss(Q, D, grades, DIMS)
    scaled, others = graded_listwise_loss(Q, D, factor * grades, DIMS)
    assert scaled == pytest.approx(value, rel=1e-12)
    for gradient, other in zip(gradients, others, strict=True):
        np.testing.assert_allclose(other, gradient, rtol=0, atol=1e-13)


@pytest.mark.parametrize("temperature", [1.0, 0.1])
def test_ranking_value(temperature):
    Q, D = normal(3, 4), normal(5, 4, seed=1)
    grades = np.array([[0, 1, 2, 0, 2], [0, 0, 0, 0, 0], [0, 0, 0.5, 0, 0]])
    terms = []
    for m in DIMS:
        s = cosines(Q, D, m) / temperature
        for i in range(3):
            for j in range(5):
                for k in range(5):
                    if grades[i, j] > grades[i, k]:
                        gain = grades[i, j] - grades[i, k]
                        terms.append(gain * math.log1p(math.exp(s[i, k] - s[i, j])))
    value, _ = ranking_loss(Q, D, grades, DIMS, temperature=temperature)
    assert value == pytest.approx(np.mean(terms), rel=1e-12)


def test_default_temperatures():
    Q, D, S = normal(3, 4), normal(5, 4, seed=1), np.corrcoef(normal(5, 4, seed=2))
    grades = np.array([[0, 1, 2, 0, 2], [0, 0, 0, 0, 0], [0, 0, 0.5, 0, 0]])
    published = ranking_loss(Q, D, grades, DIMS, temperature=1.0)[0]
    listed = listwise_loss(D, S, DIMS, temperature=0.1)[0]
    graded = graded_listwise_loss(Q, D, grades, DIMS, temperature=0.1)[0]
    assert ranking_loss(Q, D, grades, DIMS)[0] == published
    assert listwise_loss(D, S, DIMS)[0] == listed
    assert graded_listwise_loss(Q, D, grades, DIMS)[0] == graded
    assert Objective(DIMS).documents(D, S)[0] == listed
    assert Objective(DIMS).queries(Q, D, grades)[0] == graded


def test_neighbor_pairs_of_ties_take_the_lower_index():
    expected = [[0, 1, 1, 0], [1, 0, 1, 0], [1, 1, 0, 0], [1, 1, 0, 0]]
    np.testing.assert_array_equal(neighbor_pairs(np.ones((4, 4)), 2), np.array(expected, bool))
    # Sorting that is not stable shows in long rows only.
    S = np.random.default_rng(0).integers(0, 3, (20, 500)).astype(float)
    expected = np.zeros(S.shape, dtype=bool)
    np.put_along_axis(expected, np.lexsort((np.arange(500) + 0 * S, -S))[:, :30], True, axis=1)
    np.testing.assert_array_equal(neighbor_pairs(S, 30, exclude_self=False), expected)


@pytest.mark.parametrize("k", [3, 4, 5, 100])
def test_neighbor_pairs_take_all_there_are(k):
    S = normal(4, 4)
    np.testing.assert_array_equal(neighbor_pairs(S, k), ~np.eye(4, dtype=bool))
    if k >= 4:
        assert neighbor_pairs(S, k, exclude_self=False).all()


def test_neighbor_pairs_are_the_largest():
    S = normal(6, 9)
    marked = neighbor_pairs(S, 4, exclude_self=False)
    for row, marks in zip(S, marked, strict=True):
        np.testing.assert_array_equal(np.sort(row[marks]), np.sort(row)[-4:])
    assert not neighbor_pairs(S, 0, exclude_self=False).any()


def test_what_does_not_count_takes_no_neighbors_place():
    Y, S = normal(6, 4), np.corrcoef(normal(6, 4, seed=1))
    objective = Objective(DIMS, listwise_weight=0.0, topk_weight=1.0, n_neighbors=2)
    others = ~np.eye(3, 6, dtype=bool)
    others[:, 5] = False
    actual, _ = objective.documents(Y[:3], S[:3], columns=Y, pairs=others)
    nearest = neighbor_pairs(np.where(others, S[:3], -9.0), 2, exclude_self=False)
    assert actual == topk_loss(Y[:3], S[:3], nearest, DIMS, columns=Y)[0]
    for everything in (None, np.ones((6, 6), dtype=bool)):
        square, _ = objective.documents(Y, S, pairs=everything)
        assert square == topk_loss(Y, S, neighbor_pairs(S, 2), DIMS)[0]
