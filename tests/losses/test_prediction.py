"""The prediction loss: its value from plain loops, both gradients, and what is missing."""

import autograd.numpy as anp
import numpy as np
import pytest
from autograd import grad

from madapt.losses import prediction_loss

GRADES = np.array([[0, 2, 1, 0, 0], [0, 0, 0, 0, 0], [1, 1, 1, 1, 1], [3, 0, 0.5, 0, 0]])
rng = np.random.default_rng(3)
Q, PREDICTED = rng.standard_normal((4, 6)), rng.standard_normal((5, 6))


def naive(Q, predicted, grades=GRADES):
    distances = anp.sum(anp.abs(Q[:, None, :] - predicted[None, :, :]), axis=2)
    return anp.sum(grades * distances) / np.sum(grades)


def test_value():
    terms = [
        grade * sum(abs(Q[i] - PREDICTED[j])) for (i, j), grade in np.ndenumerate(GRADES) if grade
    ]
    value, _ = prediction_loss(Q, PREDICTED, GRADES)
    assert value == pytest.approx(sum(terms) / GRADES.sum(), rel=1e-12)


def test_gradients_against_autograd():
    value, gradients = prediction_loss(Q, PREDICTED, GRADES)
    assert value == pytest.approx(naive(Q, PREDICTED), rel=1e-12)
    for place, gradient in enumerate(gradients):
        expected = grad(naive, place)(Q, PREDICTED)
        np.testing.assert_allclose(gradient, expected, atol=1e-14)


def test_gradients_against_finite_differences():
    _, (dQ, dP) = prediction_loss(Q, PREDICTED, GRADES)
    for _ in range(5):
        one, other = 1e-6 * rng.standard_normal(Q.shape), 1e-6 * rng.standard_normal((5, 6))
        rise = prediction_loss(Q + one, PREDICTED + other, GRADES)[0]
        rise -= prediction_loss(Q - one, PREDICTED - other, GRADES)[0]
        slope = np.sum(dQ * one) + np.sum(dP * other)
        assert abs(rise / 2 - slope) < 1e-6 * (np.linalg.norm(one) + np.linalg.norm(other))


def test_only_graded_pairs_are_pulled():
    _, (dQ, dP) = prediction_loss(Q[:1], PREDICTED, GRADES[:1])
    assert dQ.all()
    assert dP.any(axis=1).tolist() == [False, True, True, False, False]
    # Grades say how much, and only relative to each other.
    np.testing.assert_allclose(np.abs(dP[1]), 2 * np.abs(dP[2]))
    value, gradients = prediction_loss(Q, PREDICTED, GRADES)
    scaled, others = prediction_loss(Q, PREDICTED, 7 * GRADES)
    assert scaled == pytest.approx(value, rel=1e-12)
    np.testing.assert_allclose(others[0], gradients[0], atol=1e-14)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_nothing_to_predict(dtype):
    one, other = Q.astype(dtype), PREDICTED.astype(dtype)
    for n in (0, 5):
        value, gradients = prediction_loss(one, other[:n], np.zeros((4, n), dtype))
        assert value == 0.0
        for gradient, rows in zip(gradients, (one, other[:n]), strict=True):
            assert gradient.shape == rows.shape
            assert gradient.dtype == dtype
            assert not gradient.any()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_right_prediction_is_left_alone(dtype):
    rows = Q.astype(dtype)
    noise = (1 + 2 * np.finfo(dtype).eps) * rows
    _, (dQ, dP) = prediction_loss(rows, noise, np.eye(4, dtype=dtype))
    assert not dQ.any()
    assert not dP.any()
