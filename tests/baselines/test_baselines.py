"""What all linear baselines have in common."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.estimator_checks import parametrize_with_checks

from madapt.baselines import PCAReducer, RandomRotation, SVDRotation, Truncation

METHODS = [Truncation(), PCAReducer(), SVDRotation(), RandomRotation(random_state=0)]
ROTATIONS = [SVDRotation(), RandomRotation(random_state=0)]


def name(method):
    return type(method).__name__


@pytest.fixture(name="X")
def embeddings():
    generator = np.random.default_rng(5)
    return generator.standard_normal((60, 9)) * 0.7 ** np.arange(9) + 0.5


def unit(Z):
    return Z / np.linalg.norm(Z, axis=1, keepdims=True)


@parametrize_with_checks(
    [*METHODS, *(clone(method).set_params(normalize=False) for method in METHODS)]
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("method", METHODS, ids=name)
def test_a_prefix_is_the_beginning_of_the_whole(method, dtype, normalize, X):
    rows = X.astype(dtype)
    method = clone(method).set_params(normalize=normalize).fit(rows)
    whole = method.transform(rows)
    assert whole.shape == rows.shape
    for m in range(1, 10):
        Z = method.transform(rows, dim=m)
        assert Z.shape == (60, m)
        wanted = unit(whole[:, :m]) if normalize else whole[:, :m]
        np.testing.assert_allclose(Z, wanted, atol=100 * np.finfo(dtype).eps)


@pytest.mark.parametrize("method", METHODS, ids=name)
def test_rows_come_out_with_unit_length_or_as_they_are(method, X):
    method = clone(method)
    np.testing.assert_allclose(np.linalg.norm(method.fit_transform(X, dim=3), axis=1), 1)
    scaled = method.transform(X * np.arange(1, 61)[:, None], dim=3)
    np.testing.assert_allclose(scaled, method.transform(X, dim=3), atol=1e-12)
    plain = method.set_params(normalize=False).fit_transform(X, dim=3)
    assert np.ptp(np.linalg.norm(plain, axis=1)) > 0.1


@pytest.mark.parametrize("n", [60, 4])
@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("method", ROTATIONS, ids=name)
def test_rotations_lose_nothing_at_full_length(method, normalize, n, X):
    method = clone(method).set_params(normalize=normalize).fit(X[:n])
    Z, rows = method.transform(X), unit(X) if normalize else X
    np.testing.assert_allclose(Z @ Z.T, rows @ rows.T, atol=1e-12)
    np.testing.assert_allclose(method.rotation_ @ method.rotation_.T, np.eye(9), atol=1e-12)


@pytest.mark.parametrize("method", METHODS, ids=name)
def test_dtypes(method, X):
    method = clone(method)
    for given, wanted in [
        (np.float64, np.float64),
        (np.float32, np.float32),
        (np.float16, np.float32),
        (np.int8, np.float32),
    ]:
        rows = (10 * X).astype(given)
        assert method.fit(X).transform(rows).dtype == wanted
        assert method.fit(rows).transform(rows).dtype == wanted
    assert method.fit(X.tolist()).transform(X.tolist(), dim=2).dtype == np.float64


@pytest.mark.parametrize("method", METHODS, ids=name)
def test_what_comes_out_is_not_what_went_in(method, X):
    before = X.copy()
    Z = clone(method).set_params(normalize=False).fit(X).transform(X)
    Z[:] = 7
    np.testing.assert_array_equal(X, before)


@pytest.mark.parametrize("method", METHODS, ids=name)
def test_the_default_width(method, X):
    method = clone(method).set_params(dim=4).fit(X)
    assert method.transform(X).shape == (60, 4)
    assert method.transform(X, dim=7).shape == (60, 7)
    assert method.set_params(dim=2).transform(X).shape == (60, 2)
    prefix = type(method).__name__.lower()
    assert method.get_feature_names_out().tolist() == [f"{prefix}0", f"{prefix}1"]


@pytest.mark.parametrize("container", ["pandas", "polars"])
@pytest.mark.parametrize("method", METHODS, ids=name)
def test_set_output(method, container, X):
    library = pytest.importorskip(container)
    method = clone(method).fit(X)
    plain = method.transform(X, dim=3)
    frame = method.set_output(transform=container).transform(X, dim=3)
    assert isinstance(frame, library.DataFrame)
    np.testing.assert_array_equal(frame.to_numpy(), plain)


@pytest.mark.parametrize("method", METHODS, ids=name)
def test_zero_rows_are_no_trouble(method, X):
    X[3] = 0
    Z = clone(method).fit_transform(X, dim=4)
    assert np.isfinite(Z).all()
    if not isinstance(method, PCAReducer):
        np.testing.assert_array_equal(Z[3], 0)


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"dim": 10}, ValueError, "dim must lie in 1..9, got 10"),
        ({"dim": 0}, ValueError, "dim must lie in 1..9, got 0"),
        ({"dim": 2.0}, TypeError, "dim must be an integer in 1..9, got 2.0"),
        ({"normalize": "l2"}, ValueError, "normalize must be one of True, False, got 'l2'"),
    ],
)
@pytest.mark.parametrize("method", METHODS, ids=name)
def test_bad_parameters_are_named(method, parameters, error, message, X):
    with pytest.raises(error, match=message):
        clone(method).set_params(**parameters).fit(X)


@pytest.mark.parametrize(
    ("rows", "dim", "error", "message"),
    [
        (np.ones((2, 8)), None, ValueError, "X has 8 features, but .* is expecting 9"),
        (np.ones(9), None, ValueError, "Expected 2D array, got 1D"),
        (np.full((2, 9), np.nan), None, ValueError, "contains NaN"),
        (np.ones((0, 9)), None, ValueError, "0 sample"),
        (np.ones((2, 9)), 10, ValueError, "dim must lie in 1..9, got 10"),
        (np.ones((2, 9)), 0, ValueError, "dim must lie in 1..9, got 0"),
        (np.ones((2, 9)), True, TypeError, "dim must be an integer in 1..9, got True"),
        (np.ones((2, 9)), "3", TypeError, "dim must be an integer in 1..9, got '3'"),
    ],
)
@pytest.mark.parametrize("method", METHODS, ids=name)
def test_bad_input_is_named(method, rows, dim, error, message, X):
    method = clone(method).fit(X)
    with pytest.raises(error, match=message):
        method.transform(rows, dim=dim)


@pytest.mark.parametrize("method", METHODS, ids=name)
def test_transform_needs_fit(method, X):
    with pytest.raises(NotFittedError):
        clone(method).transform(X)
