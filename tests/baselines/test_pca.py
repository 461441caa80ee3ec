"""PCA against scikit-learn's."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

from madapt.baselines import PCAReducer

X = np.random.default_rng(1).standard_normal((80, 10)) * 0.7 ** np.arange(10) + 0.3


def test_agrees_with_scikit_learn():
    reference = PCA(svd_solver="full").fit(X)
    pca = PCAReducer(normalize=False).fit(X)
    np.testing.assert_allclose(pca.mean_, reference.mean_)
    np.testing.assert_allclose(pca.rotation_, reference.components_, atol=1e-9)
    np.testing.assert_allclose(pca.transform(X), reference.transform(X), atol=1e-9)


def test_fewer_rows_than_columns_still_give_every_column():
    pca = PCAReducer(normalize=False).fit(X[:4])
    reference = PCA(3, svd_solver="full").fit(X[:4])
    np.testing.assert_allclose(pca.rotation_[:3], reference.components_, atol=1e-9)
    assert pca.transform(X).shape == (80, 10)
    # Nothing of other rows is lost: distances are what they were.
    Z = pca.transform(X)
    np.testing.assert_allclose(
        np.linalg.norm(Z[:, None] - Z, axis=2), np.linalg.norm(X[:, None] - X, axis=2)
    )


def test_centres_unit_rows():
    unit = X / np.linalg.norm(X, axis=1, keepdims=True)
    np.testing.assert_allclose(PCAReducer().fit(7 * X).mean_, unit.mean(axis=0))


def test_the_mean_of_many_float32_rows_is_exact():
    rows = np.full((200_000, 2), 0.1, np.float32)
    np.testing.assert_array_equal(PCAReducer(normalize=False).fit(rows).mean_, rows[0])


def test_one_row_has_no_axes():
    with pytest.raises(ValueError, match="minimum of 2 is required"):
        PCAReducer().fit(X[:1])
