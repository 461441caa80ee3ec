"""`dim` in everything that scikit-learn puts around a transformer; docs/compatibility.md."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn import config_context
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import Normalizer

from madapt import MatryoshkaAdaptor

N, D = 60, 12
X = (np.random.default_rng(0).standard_normal((N, D)) * np.linspace(3, 0.3, D) + 1).astype("f4")
DIMS = [1, 5, D]
CONTAINERS = ["pandas", "polars"]


def adaptor(**parameters):
    quick = {"rotation": "svd", "hidden_dim": None, "random_state": 0}
    return MatryoshkaAdaptor(**{**quick, **parameters})


def unit_rows():
    return Normalizer().transform(X)


def expected(dim, columns=slice(None)):
    rows = unit_rows()[:, columns]
    return adaptor().fit(rows).transform(rows, dim=dim)


def names(m, prefix=""):
    return [f"{prefix}matryoshkaadaptor{i}" for i in range(m)]


@pytest.fixture
def routing():
    with config_context(enable_metadata_routing=True):
        yield


@pytest.mark.parametrize("dim", DIMS)
def test_dim_of_the_constructor(dim):
    rows = unit_rows()
    assert_array_equal(adaptor(dim=dim).fit(rows).transform(rows), expected(dim))
    # What is set later needs no fit.
    assert_array_equal(adaptor().fit(rows).set_params(dim=dim).transform(rows), expected(dim))


@pytest.mark.parametrize("dim", DIMS)
def test_dim_of_transform_and_of_fit_transform(dim):
    rows = unit_rows()
    for default in (None, 3):
        model = adaptor(dim=default)
        assert_array_equal(model.fit_transform(rows, dim=dim), expected(dim))
        assert_array_equal(model.transform(rows, dim=dim), expected(dim))
        assert model.transform(rows).shape == (N, default or D)


@pytest.mark.parametrize("dim", DIMS)
def test_dim_through_a_pipeline_with_routing(routing, dim):
    pipeline = make_pipeline(Normalizer(), adaptor())
    for one in (pipeline, clone(pipeline), make_pipeline(pipeline)):
        assert_array_equal(one.fit_transform(X, dim=dim), expected(dim))
        assert_array_equal(one.fit(X).transform(X, dim=dim), expected(dim))
        assert one.transform(X).shape == (N, D)


@pytest.mark.parametrize("dim", DIMS)
def test_dim_through_a_pipeline_without_routing(dim):
    pipeline = Pipeline([("norm", Normalizer()), ("madapt", adaptor())]).fit(X)
    assert_array_equal(pipeline[-1].transform(pipeline[:-1].transform(X), dim=dim), expected(dim))
    assert_array_equal(pipeline.set_params(madapt__dim=dim).transform(X), expected(dim))
    with pytest.raises(ValueError, match="enable_metadata_routing=True"):
        pipeline.transform(X, dim=dim)


def test_dim_in_the_middle_of_a_pipeline():
    pipeline = make_pipeline(Normalizer(), adaptor(dim=4), NearestNeighbors(n_neighbors=3)).fit(X)
    assert pipeline[-1].n_features_in_ == 4
    alone = NearestNeighbors(n_neighbors=3).fit(expected(4))
    found = pipeline[-1].kneighbors(pipeline[:-1].transform(X), return_distance=False)
    assert_array_equal(found, alone.kneighbors(expected(4), return_distance=False))


@pytest.mark.parametrize("dim", DIMS)
@pytest.mark.parametrize("container", CONTAINERS)
def test_frames_of_any_dim_through_a_pipeline(routing, container, dim):
    library = pytest.importorskip(container)
    pipeline = make_pipeline(Normalizer(), adaptor()).set_output(transform=container)
    for frame in (pipeline.fit_transform(X, dim=dim), pipeline.transform(X, dim=dim)):
        assert isinstance(frame, library.DataFrame)
        assert list(frame.columns) == names(dim)
        assert_array_equal(frame.to_numpy(), expected(dim))


@pytest.mark.parametrize("container", CONTAINERS)
def test_frames_of_any_dim_by_the_global_setting(container):
    library = pytest.importorskip(container)
    with config_context(transform_output=container):
        frame = adaptor(dim=3).fit(X).transform(X, dim=5)
    assert isinstance(frame, library.DataFrame)
    assert list(frame.columns) == names(5)


def test_frames_keep_the_index():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, index=[f"row{i}" for i in range(N)])
    frame.columns = [f"x{i}" for i in range(D)]
    found = adaptor().set_output(transform="pandas").fit_transform(frame, dim=2)
    assert list(found.index) == list(frame.index)


def test_names_of_what_goes_out():
    model = adaptor(dim=3).fit(X)
    assert list(model.get_feature_names_out()) == names(3)
    assert list(model.set_params(dim=None).get_feature_names_out()) == names(D)
    pipeline = make_pipeline(Normalizer(), adaptor(dim=2)).fit(X)
    assert list(pipeline.get_feature_names_out()) == names(2)


def columns(**first):
    halves = [("title", adaptor(**first), slice(0, 6)), ("text", adaptor(), slice(6, 12))]
    return ColumnTransformer(halves)


def test_dim_in_a_column_transformer():
    both = columns(dim=2)
    Z = both.fit_transform(unit_rows())
    assert_array_equal(Z[:, :2], expected(2, slice(0, 6)))
    assert_array_equal(Z[:, 2:], expected(6, slice(6, 12)))
    assert list(both.get_feature_names_out()) == names(2, "title__") + names(6, "text__")


@pytest.mark.parametrize("dim", [1, 4, 6])
def test_dim_through_a_column_transformer_with_routing(routing, dim):
    both = columns()
    for Z in (both.fit_transform(unit_rows(), dim=dim), both.transform(unit_rows(), dim=dim)):
        assert_array_equal(Z[:, :dim], expected(dim, slice(0, 6)))
        assert_array_equal(Z[:, dim:], expected(dim, slice(6, 12)))


def test_dim_in_a_feature_union():
    union = FeatureUnion([("small", adaptor(dim=2)), ("rows", Normalizer())])
    Z = union.fit_transform(unit_rows())
    assert_array_equal(Z[:, :2], expected(2))
    assert Z.shape == (N, 2 + D)
    found = FeatureUnion([("a", adaptor(dim=2)), ("b", adaptor())]).fit(X).get_feature_names_out()
    assert list(found) == names(2, "a__") + names(D, "b__")


@pytest.mark.parametrize("dim", DIMS)
def test_dim_through_a_feature_union_with_routing(routing, dim):
    union = FeatureUnion([("a", adaptor()), ("b", adaptor(dim=2))])
    for Z in (union.fit_transform(unit_rows(), dim=dim), union.transform(unit_rows(), dim=dim)):
        assert_array_equal(Z[:, :dim], expected(dim))
        assert_array_equal(Z[:, dim:], expected(dim))


@pytest.mark.parametrize("container", CONTAINERS)
def test_frames_of_a_column_transformer_have_the_dims_of_the_constructor(container):
    library = pytest.importorskip(container)
    both = columns(dim=2).set_output(transform=container).fit(unit_rows())
    frame = both.transform(unit_rows())
    assert isinstance(frame, library.DataFrame)
    assert list(frame.columns) == names(2, "title__") + names(6, "text__")
    assert_array_equal(frame.to_numpy()[:, :2], expected(2, slice(0, 6)))
    assert_array_equal(frame.to_numpy()[:, 2:], expected(6, slice(6, 12)))


@pytest.mark.parametrize("container", CONTAINERS)
def test_frames_of_a_feature_union_have_the_dims_of_the_constructor(container):
    library = pytest.importorskip(container)
    # Polars frames of two adaptors would clash by their names in scikit-learn 1.6.
    other = adaptor(dim=3) if container == "pandas" else Normalizer()
    union = FeatureUnion([("title", adaptor(dim=2)), ("text", other)])
    frame = union.set_output(transform=container).fit(unit_rows()).transform(unit_rows())
    assert isinstance(frame, library.DataFrame)
    assert list(frame.columns) == list(union.get_feature_names_out())
    assert list(frame.columns)[:2] == names(2, "title__")
    assert_array_equal(frame.to_numpy()[:, :2], expected(2))


@pytest.mark.parametrize("container", CONTAINERS)
def test_frames_of_a_union_at_another_dim_are_refused_by_scikit_learn(routing, container):
    # It names the columns itself, by the constructor's dims, and finds fewer.
    pytest.importorskip(container)
    for both in (columns(), FeatureUnion([("a", adaptor())])):
        both.set_output(transform=container).fit(unit_rows())
        with pytest.raises(Exception, match="12"):
            both.transform(unit_rows(), dim=3)


@pytest.mark.parametrize("enabled", [False, True])
def test_dim_after_a_search(enabled):
    with config_context(enable_metadata_routing=enabled):
        search = GridSearchCV(adaptor(), {"dims": [None, (4, D)]}, cv=2).fit(unit_rows())
        assert_array_equal(search.best_estimator_.transform(unit_rows(), dim=5), expected(5))
        with pytest.raises(TypeError, match="dim"):
            search.transform(unit_rows(), dim=5)


def test_dim_as_what_is_searched():
    search = GridSearchCV(adaptor(), {"dim": [1, 8]}, cv=2).fit(X)
    assert search.best_params_ == {"dim": 8}
    assert search.transform(X).shape == (N, 8)
    assert list(search.best_estimator_.get_feature_names_out()) == names(8)
