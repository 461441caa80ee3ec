"""Truncation keeps the first coordinates."""

import numpy as np

from madapt.baselines import Truncation

X = np.array([[3.0, 4.0, 12.0], [0.0, 0.0, 5.0]])


def test_keeps_the_first_coordinates():
    np.testing.assert_array_equal(Truncation(normalize=False).fit_transform(X, dim=2), X[:, :2])


def test_makes_them_a_unit_vector_again():
    np.testing.assert_allclose(Truncation().fit_transform(X, dim=2), [[0.6, 0.8], [0, 0]])
