"""Output of any width in any container, and the dim on its way through a pipeline."""

import numpy as np
import pytest
from sklearn import config_context
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer
from sklearn.utils.validation import validate_data

from madapt._output import PrefixTransformerMixin

X = np.arange(12.0).reshape(3, 4)
CONTAINERS = ["pandas", "polars"]


class Prefix(PrefixTransformerMixin, BaseEstimator):
    def __init__(self, dim=None):
        self.dim = dim

    def fit(self, X, y=None, *, offset=0.0):
        validate_data(self, X)
        self.offset_ = offset
        return self

    def transform(self, X, dim=None):
        rows = validate_data(self, X, reset=False)
        return self._wrap(rows[:, : dim or self._n_features_out] + self.offset_, X)


def columns(frame):
    return [str(name) for name in frame.columns]


@pytest.mark.parametrize("dim", [None, 1, 3, 4])
@pytest.mark.parametrize("default", [None, 2])
@pytest.mark.parametrize("container", CONTAINERS)
def test_set_output_at_any_width(container, default, dim):
    library = pytest.importorskip(container)
    prefix = Prefix(default).set_output(transform=container)
    width = dim or default or 4
    for frame in (prefix.fit_transform(X, dim=dim), prefix.transform(X, dim=dim)):
        assert isinstance(frame, library.DataFrame)
        assert columns(frame) == [f"prefix{i}" for i in range(width)]
        np.testing.assert_array_equal(frame.to_numpy(), X[:, :width])


@pytest.mark.parametrize("container", CONTAINERS)
def test_the_global_choice_counts_unless_there_is_one_of_its_own(container):
    library = pytest.importorskip(container)
    with config_context(transform_output=container):
        assert isinstance(Prefix().fit(X).transform(X, dim=2), library.DataFrame)
        own = Prefix().set_output(transform="default").set_output(transform=None)
        assert isinstance(own.fit(X).transform(X, dim=2), np.ndarray)
    assert isinstance(Prefix().fit(X).transform(X, dim=2), np.ndarray)


def test_a_pandas_index_is_kept():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, index=["a", "b", "c"], columns=list("wxyz"))
    prefix = Prefix().set_output(transform="pandas").fit(frame)
    assert prefix.transform(frame, dim=2).index.tolist() == ["a", "b", "c"]


def test_the_choice_survives_clone_and_a_pipeline_sets_it():
    pandas = pytest.importorskip("pandas")
    prefix = clone(Prefix().set_output(transform="pandas"))
    assert isinstance(prefix.fit_transform(X), pandas.DataFrame)
    pipeline = make_pipeline(Normalizer(), Prefix(3)).set_output(transform="pandas")
    assert columns(pipeline.fit_transform(X)) == ["prefix0", "prefix1", "prefix2"]


def test_an_unknown_container_is_an_error():
    with pytest.raises(ValueError, match="output config must be in"):
        Prefix().set_output(transform="list").fit(X).transform(X)


def test_names_out_are_those_of_the_default_width():
    assert Prefix().fit(X).get_feature_names_out().tolist() == [f"prefix{i}" for i in range(4)]
    prefix = Prefix(2).fit(X)
    assert prefix.get_feature_names_out().tolist() == ["prefix0", "prefix1"]
    assert prefix.set_params(dim=1).get_feature_names_out().tolist() == ["prefix0"]
    for unfitted in (Prefix(), Prefix(2)):
        with pytest.raises(NotFittedError):
            unfitted.get_feature_names_out()


def test_fit_parameters_and_dim_part_in_fit_transform():
    np.testing.assert_array_equal(Prefix().fit_transform(X, dim=2, offset=1.0), X[:, :2] + 1)


def test_a_pipeline_hands_dim_on_without_a_request():
    with config_context(enable_metadata_routing=True):
        pipeline = make_pipeline(Normalizer(), Prefix()).fit(X)
        assert pipeline.transform(X, dim=3).shape == (3, 3)
        assert pipeline.fit_transform(X, dim=2).shape == (3, 2)


def test_dtypes_are_said_to_be_preserved():
    assert Prefix().__sklearn_tags__().transformer_tags.preserves_dtype == ["float64", "float32"]
