"""Is MatryoshkaAdaptor a good scikit-learn estimator?"""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn import config_context
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer
from sklearn.utils.estimator_checks import parametrize_with_checks

from madapt import MatryoshkaAdaptor

CONTAINERS = ["pandas", "polars"]


def rows_with_six_factors(n=150, d=16):
    generator = np.random.default_rng(0)
    factors = generator.standard_normal((n, 6)) * [3.0, 2.5, 2.0, 1.5, 1.0, 1.0]
    rows = factors @ generator.standard_normal((6, d)) + generator.standard_normal((n, d))
    return rows.astype(np.float32)


X = rows_with_six_factors()
X.setflags(write=False)


def adaptor(**parameters):
    return MatryoshkaAdaptor(**{"max_iter": 5, "random_state": 0, **parameters})


@parametrize_with_checks(
    [
        MatryoshkaAdaptor(),
        MatryoshkaAdaptor(rotation="svd"),
        MatryoshkaAdaptor(hidden_dim=None),
        MatryoshkaAdaptor.from_paper(max_iter=20),
    ]
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


def test_parameters_round_trip():
    one = adaptor(dims=(2, 4), dim=4, rotation="svd", center=None, max_iter=(3, 4), guard=False)
    parameters = one.get_params()
    other = MatryoshkaAdaptor().set_params(**parameters)
    assert other.get_params() == parameters
    assert clone(one).get_params() == parameters
    assert eval(repr(one), {"MatryoshkaAdaptor": MatryoshkaAdaptor}).get_params() == parameters


def test_unknown_parameters_are_refused():
    with pytest.raises(ValueError, match="Invalid parameter 'dimension' for estimator"):
        MatryoshkaAdaptor().set_params(dimension=3)
    with pytest.raises(TypeError, match="positional"):
        MatryoshkaAdaptor((2, 4), 2, "svd")


def test_fit_changes_no_parameter():
    one = adaptor()
    before = dict(one.get_params())
    one.fit(X)
    assert one.get_params() == before


def test_a_clone_is_not_fitted():
    with pytest.raises(NotFittedError):
        clone(adaptor().fit(X)).transform(X)


def test_a_clone_learns_the_same():
    one = adaptor().fit(X)
    assert clone(one).fit(X).fingerprint_ == one.fingerprint_


def test_pickle_keeps_every_digit():
    one = adaptor(rotation="svd").fit(X)
    other = pickle.loads(pickle.dumps(one))
    assert other.fingerprint_ == one.fingerprint_
    assert other.validation_scores_ == one.validation_scores_
    assert_array_equal(other.transform(X, dim=5), one.transform(X, dim=5))


def test_in_a_pipeline():
    pipeline = make_pipeline(Normalizer(), adaptor(dim=4)).fit(X)
    alone = adaptor(dim=4).fit(Normalizer().fit_transform(X))
    Z = pipeline.transform(X)
    assert_array_equal(Z, alone.transform(Normalizer().transform(X)))
    assert Z.shape == (150, 4)
    assert list(pipeline.get_feature_names_out()) == [f"matryoshkaadaptor{i}" for i in range(4)]
    assert 0 <= pipeline.score(X) <= 1


def test_dim_and_side_reach_transform_by_metadata_routing():
    with config_context(enable_metadata_routing=True):
        pipeline = make_pipeline(Normalizer(), adaptor()).fit(X)
        Z = pipeline.transform(X, dim=3, side="query")
    assert_array_equal(Z, pipeline[-1].transform(Normalizer().transform(X), dim=3))


def test_queries_reach_fit_by_metadata_routing():
    queries = X[:30] + 0.5
    with config_context(enable_metadata_routing=True):
        pipeline = make_pipeline(Normalizer(), adaptor(center=0.5)).fit(X, queries=queries)
    alone = adaptor(center=0.5).fit(Normalizer().transform(X), queries=queries)
    assert pipeline[-1].fingerprint_ == alone.fingerprint_


def test_in_a_column_transformer():
    parts = [("title", adaptor(dim=2), slice(0, 8)), ("text", adaptor(dim=3), slice(8, 16))]
    both = ColumnTransformer(parts)
    Z = both.fit_transform(X)
    assert_array_equal(Z[:, :2], adaptor(dim=2).fit(X[:, :8]).transform(X[:, :8]))
    assert_array_equal(Z[:, 2:], adaptor(dim=3).fit(X[:, 8:]).transform(X[:, 8:]))
    assert len(both.get_feature_names_out()) == 5


@pytest.mark.parametrize("dim", [None, 1, 5, 16])
@pytest.mark.parametrize("container", CONTAINERS)
def test_set_output_at_any_dim(container, dim):
    library = pytest.importorskip(container)
    one = adaptor().fit(X).set_output(transform=container)
    frame = one.transform(X, dim=dim)
    assert isinstance(frame, library.DataFrame)
    assert list(frame.columns) == [f"matryoshkaadaptor{i}" for i in range(dim or 16)]
    one.set_output(transform="default")
    assert_array_equal(frame.to_numpy(), one.transform(X, dim=dim))


def test_names_of_the_columns_that_come_in_are_checked():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=[f"column{i}" for i in range(16)])
    one = adaptor().fit(frame)
    assert list(one.feature_names_in_) == list(frame.columns)
    assert one.fingerprint_ == adaptor().fit(X).fingerprint_
    with pytest.raises(ValueError, match="feature names"):
        one.transform(frame[frame.columns[::-1]])


@pytest.mark.parametrize("dim", [None, 1, 5, 16])
def test_fit_transform_is_fit_and_transform(dim):
    assert_array_equal(adaptor().fit_transform(X, dim=dim), adaptor().fit(X).transform(X, dim=dim))


def test_fit_transform_hands_queries_on():
    queries = X[:30] + 0.5
    Z = adaptor(center=0.5).fit_transform(X, queries=queries, dim=4)
    assert_array_equal(Z, adaptor(center=0.5).fit(X, queries=queries).transform(X, dim=4))


def test_grid_search_without_labels_uses_the_score():
    grid = GridSearchCV(MatryoshkaAdaptor(max_iter=5, random_state=0), {"rotation_dims": [8, 16]})
    grid.fit(X)
    scores = grid.cv_results_["mean_test_score"]
    assert scores.shape == (2,)
    assert ((scores > 0) & (scores <= 1)).all()
    assert grid.best_score_ == scores.max()
    assert grid.transform(X).shape == (150, 16)


def test_names_and_widths_that_go_out():
    one = adaptor(dim=3)
    with pytest.raises(NotFittedError):
        one.get_feature_names_out()
    names = one.fit(X).get_feature_names_out()
    assert list(names) == ["matryoshkaadaptor0", "matryoshkaadaptor1", "matryoshkaadaptor2"]


def test_what_is_fitted_is_there_only_after_fit():
    one = adaptor()
    fitted = "adaptor_ rotation_ center_ dims_ n_iter_ loss_curve_ validation_scores_ fingerprint_"
    assert not any(hasattr(one, name) for name in fitted.split())
    one.fit(X)
    assert all(hasattr(one, name) for name in fitted.split())


def test_after_a_fit_that_failed_it_is_not_fitted():
    one = adaptor(dim=99)
    with pytest.raises(ValueError, match="dim"):
        one.fit(X)
    for method in (one.transform, one.inverse_transform, one.score):
        with pytest.raises(NotFittedError):
            method(X)
    with pytest.raises(NotFittedError):
        one.get_feature_names_out()
