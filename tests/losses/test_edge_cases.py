"""Losses where something is missing, equal, zero or tiny."""

import math

import numpy as np
import pytest
from scipy.special import rel_entr, softmax

from madapt._rows import unit_rows
from madapt.losses import (
    Objective,
    graded_listwise_loss,
    listwise_loss,
    neighbor_pairs,
    pairwise_loss,
    prediction_loss,
    ranking_loss,
    reconstruction_loss,
    topk_loss,
)

DIMS = (1, 3, 4)
MIXED = Objective(DIMS, topk_weight=1.0, pairwise_weight=1.0, n_neighbors=2)
DOCUMENT_LOSSES = {
    "pairwise": lambda Y, S: pairwise_loss(Y, S, DIMS),
    "topk": lambda Y, S: topk_loss(Y, S, neighbor_pairs(S, 2), DIMS),
    "listwise": lambda Y, S: listwise_loss(Y, S, DIMS),
    "objective": lambda Y, S: MIXED.documents(Y, S),
}
QUERY_LOSSES = {
    "ranking": lambda Q, D, grades: ranking_loss(Q, D, grades, DIMS),
    "graded": lambda Q, D, grades: graded_listwise_loss(Q, D, grades, DIMS),
    "softmax": lambda Q, D, grades: MIXED.queries(Q, D, grades),
    "logistic": lambda Q, D, grades: Objective(DIMS, relevance="logistic").queries(Q, D, grades),
}
every_document_loss = pytest.mark.parametrize("loss", DOCUMENT_LOSSES.values(), ids=DOCUMENT_LOSSES)
every_query_loss = pytest.mark.parametrize("loss", QUERY_LOSSES.values(), ids=QUERY_LOSSES)


def normal(*shape, seed=0, dtype=float):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def assert_finite(value, gradient):
    assert math.isfinite(value)
    for part in gradient if isinstance(gradient, tuple) else (gradient,):
        assert np.isfinite(part).all()


def assert_nothing(value, gradient):
    assert value == 0.0
    for part in gradient if isinstance(gradient, tuple) else (gradient,):
        assert not part.any()


# Rows that are few, equal, zero or tiny.


@every_document_loss
def test_one_row_compared_with_itself(loss):
    assert_nothing(*loss(normal(1, 4), np.ones((1, 1))))


@every_document_loss
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_duplicate_rows(loss, dtype):
    Y = np.repeat(normal(2, 4, dtype=dtype), 3, axis=0)
    S = np.corrcoef(np.repeat(normal(2, 4, seed=1), 3, axis=0)).astype(dtype)
    value, gradient = loss(Y, S)
    assert_finite(value, gradient)
    np.testing.assert_allclose(gradient[0], gradient[1], rtol=0, atol=1e2 * np.finfo(dtype).eps)


@every_document_loss
def test_all_rows_equal(loss):
    Y = np.repeat(normal(1, 4), 5, axis=0)
    value, gradient = loss(Y, np.ones((5, 5)))
    assert abs(value) < 1e-14
    assert np.abs(gradient).max() < 1e-14


@every_document_loss
def test_zero_rows(loss):
    Y = normal(5, 4)
    Y[1] = Y[3] = 0.0
    value, gradient = loss(Y, np.corrcoef(normal(5, 4, seed=1)))
    assert_finite(value, gradient)
    assert not gradient[[1, 3]].any()
    assert gradient[[0, 2, 4]].any(axis=1).all()


@every_document_loss
def test_only_zero_rows(loss):
    _, gradient = loss(np.zeros((3, 4)), np.eye(3))
    assert not gradient.any()


@every_document_loss
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("tiny", [0.0, 1e-20, -1e-20, 1e-30, 1e-45])
def test_tiny_prefixes_count_as_zero(loss, dtype, tiny):
    Y = normal(5, 4, dtype=dtype)
    Y[:3, :3] = tiny
    value, gradient = loss(Y, np.corrcoef(normal(5, 4, seed=1)).astype(dtype))
    assert_finite(value, gradient)
    assert np.abs(gradient).max() < 100
    zero = Y.copy()
    zero[:3, :3] = 0.0
    assert value == pytest.approx(loss(zero, np.corrcoef(normal(5, 4, seed=1)).astype(dtype))[0])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("share", "counts"), [(0.5, False), (2.0, True), (100.0, True)])
def test_a_prefix_counts_from_eps_of_its_row(share, counts, dtype):
    short = unit_rows(normal(5, 3, dtype=dtype))
    S = np.corrcoef(normal(5, 4, seed=1)).astype(dtype)
    Y = np.concatenate([share * np.finfo(dtype).eps * short, np.ones((5, 1), dtype)], axis=1)
    value, gradient = pairwise_loss(Y, S, (3, 4), weights=(1, 0))
    alone, _ = pairwise_loss(short if counts else 0 * short, S, (3,))
    assert value == pytest.approx(alone, rel=100 * float(np.finfo(dtype).eps))
    assert gradient[:, :3].any() == counts


@every_document_loss
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_long_row_does_not_make_the_others_count_as_zero(loss, dtype):
    Y, S = normal(5, 4, dtype=dtype), np.corrcoef(normal(5, 4, seed=1)).astype(dtype)
    expected, _ = loss(Y, S)
    Y[1] *= 2.0**60
    value, gradient = loss(Y, S)
    assert value == pytest.approx(expected, rel=1e-5 if dtype == np.float32 else 1e-12)
    assert gradient.any(axis=1).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("of_columns", [False, True])
def test_coordinates_beyond_the_last_dim_do_not_matter(of_columns, dtype):
    Y, Z = normal(3, 4, dtype=dtype), normal(5, 4, seed=1, dtype=dtype)
    S = normal(3, 5, seed=2, dtype=dtype)
    expected, (dY, dZ) = pairwise_loss(Y, S, (1, 3), columns=Z)
    # Beside such a coordinate, the prefixes are too short to count.
    (Z if of_columns else Y)[:, 3] = 0.1 / np.finfo(dtype).eps ** 1.5
    value, (dY_beside, dZ_beside) = pairwise_loss(Y, S, (1, 3), columns=Z)
    assert value == expected
    np.testing.assert_array_equal(dY_beside, dY)
    np.testing.assert_array_equal(dZ_beside, dZ)
    assert dY.any()
    assert dZ.any()


@every_query_loss
def test_zero_queries_and_documents(loss):
    Q, D = normal(3, 4), normal(5, 4, seed=1)
    Q[0] = D[2] = 0.0
    value, (dQ, dD) = loss(Q, D, np.eye(3, 5))
    assert_finite(value, (dQ, dD))
    assert not dQ[0].any()
    assert not dD[2].any()


def test_zero_row_spreads_its_mass_evenly():
    Y, S = normal(4, 4), np.corrcoef(normal(4, 4, seed=1))
    Y[0] = 0.0
    value, _ = listwise_loss(Y[:1], S[:1, 1:], (4,), columns=Y[1:])
    assert value == pytest.approx(rel_entr(softmax(S[0, 1:] / 0.1), 1 / 3).sum(), rel=1e-12)


@pytest.mark.parametrize("weights", [(1.0, 2.0), (1.0, 2.0, 3.0, 4.0)])
def test_no_prefix_is_dropped_for_want_of_a_weight(weights):
    Y, S = normal(5, 4), np.corrcoef(normal(5, 4, seed=1))
    with pytest.raises(ValueError, match="zip"):
        pairwise_loss(Y, S, DIMS, weights=weights)


# Lists and judgments that leave nothing to compare.


def test_empty_lists():
    Y, S = normal(4, 4), np.corrcoef(normal(4, 4, seed=1))
    none = np.zeros((4, 4), dtype=bool)
    assert_nothing(*listwise_loss(Y, S, DIMS, pairs=none))
    assert_nothing(*listwise_loss(Y[:2], S[:2], DIMS, columns=Y, pairs=none[:2]))
    assert_nothing(*topk_loss(Y, S, none, DIMS))
    assert_nothing(*MIXED.documents(Y, S, pairs=none))
    assert_nothing(*graded_listwise_loss(Y[:2], Y, np.ones((2, 4)), DIMS, pairs=none[:2]))


def test_no_rows_and_no_columns():
    Y, S = normal(4, 4), np.zeros((0, 4))
    for loss in (pairwise_loss, listwise_loss):
        assert_nothing(*loss(Y[:0], S, DIMS, columns=Y))
        assert_nothing(*loss(Y, S.T, DIMS, columns=Y[:0]))
    assert_nothing(*reconstruction_loss(Y[:0], Y[:0]))


@every_query_loss
def test_query_without_a_positive_pulls_nothing(loss):
    Q, D = normal(2, 4), normal(5, 4, seed=1)
    grades = np.array([[0, 1, 0, 0, 2], [0, 0, 0, 0, 0.0]])
    value, (dQ, dD) = loss(Q, D, grades)
    alone, (dQ_alone, dD_alone) = loss(Q[:1], D, grades[:1])
    assert value == pytest.approx(alone, rel=1e-12)
    assert not dQ[1].any()
    np.testing.assert_allclose(dQ[0], dQ_alone[0], rtol=0, atol=1e-13)
    np.testing.assert_allclose(dD, dD_alone, rtol=0, atol=1e-13)
    assert_nothing(*loss(Q, D, np.zeros((2, 5))))


@pytest.mark.parametrize("grade", [1.0, 3.0])
def test_equal_grades_rank_nothing_and_share_alike(grade):
    Q, D = normal(2, 4), normal(5, 4, seed=1)
    grades = np.full((2, 5), grade)
    assert_nothing(*ranking_loss(Q, D, grades, DIMS))
    value, gradient = graded_listwise_loss(Q, D, grades, DIMS)
    assert value == pytest.approx(graded_listwise_loss(Q, D, np.ones((2, 5)), DIMS)[0])
    assert_finite(value, gradient)
    # Documents that all lie alike to the query leave nothing to do.
    same = np.repeat(D[:1], 5, axis=0)
    value, (dQ, dD) = graded_listwise_loss(Q, same, grades, DIMS)
    assert abs(value) < 1e-14
    assert max(np.abs(dQ).max(), np.abs(dD).max()) < 1e-14


@every_query_loss
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_extreme_margins_do_not_overflow(loss, dtype):
    D = np.array([[1, 0, 0, 0], [-1, 0, 0, 0]], dtype=dtype)
    grades = np.array([[0, 1]], dtype=dtype)
    assert_finite(*loss(D[:1], D, grades))
    for cold in (ranking_loss, graded_listwise_loss):
        value, gradient = cold(D[:1], D, grades, DIMS, temperature=1e-3)
        assert_finite(value, gradient)
        assert value == pytest.approx(2000.0)


@pytest.mark.parametrize("d", [64, 768])
def test_rounding_of_a_rotation_drives_nothing(d):
    X = unit_rows(normal(64, d, dtype=np.float32) + normal(1, d, seed=1, dtype=np.float32))
    P = np.linalg.qr(normal(d, d, seed=2))[0].astype(np.float32)
    value, gradient = pairwise_loss(X @ P, X @ X.T, (d,))
    assert 0.0 < value < 1e-6
    assert not gradient.any()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("sign", [1, -1])
def test_differences_pull_from_beyond_8_eps(dtype, sign):
    eps = np.finfo(dtype).eps
    for share, pulls in ((8, 0), (8.5, sign)):
        off = dtype(sign * share * eps)
        one, none = np.array([[off, 1]], dtype), np.array([[0, 1]], dtype)
        grade = np.ones((1, 1), dtype)
        assert reconstruction_loss(one, none)[1].tolist() == [[pulls, 0]]
        value, (dQ, dP) = prediction_loss(one, none, grade)
        assert value == abs(off)
        assert dQ.tolist() == [[pulls, 0]]
        assert dP.tolist() == [[-pulls, 0]]
        # The rows' cosine is off, the target 0.
        value, (d_row, _) = pairwise_loss(
            one, np.zeros((1, 1), dtype), (2,), columns=np.array([[1, 0]], dtype)
        )
        assert value == abs(off)
        assert d_row[0, 0] == pulls
