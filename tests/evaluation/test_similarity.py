"""The picture of cosines shows those of the pairs, before and after."""

import numpy as np
import pytest
from sklearn.metrics.pairwise import cosine_similarity
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from madapt import MatryoshkaAdaptor
from madapt.baselines import SVDRotation, Truncation
from madapt.evaluation import SimilarityDisplay
from madapt.evaluation.similarity import _pairs_of
from madapt.exceptions import InvalidTypeError, InvalidValueError

X = np.random.default_rng(0).standard_normal((60, 16)).astype(np.float32)
ROWS, COLUMNS = np.tril_indices(60, -1)


@pytest.fixture(autouse=True)
def pyplot():
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    from matplotlib import pyplot

    yield pyplot
    pyplot.close("all")


@pytest.fixture(scope="module")
def adaptor():
    return MatryoshkaAdaptor(max_iter=1, random_state=0).fit(X)


def test_they_are_the_cosines_of_all_pairs(adaptor):
    display = SimilarityDisplay.from_estimator(adaptor, X, dim=8)
    assert display.full.shape == display.prefix.shape == (60 * 59 // 2,)
    before, after = cosine_similarity(X), cosine_similarity(adaptor.transform(X, dim=8))
    np.testing.assert_allclose(display.full, before[ROWS, COLUMNS], atol=1e-6)
    np.testing.assert_allclose(display.prefix, after[ROWS, COLUMNS], atol=1e-6)
    assert display.dim == 8
    wanted = np.corrcoef(display.full, display.prefix)[0, 1]
    assert display.correlation == pytest.approx(wanted)
    assert display.mean_error == pytest.approx(np.abs(display.full - display.prefix).mean())


def test_every_pair_is_counted_and_the_line_is_where_both_are_equal(adaptor):
    display = SimilarityDisplay.from_estimator(adaptor, X, dim=8)
    assert display.hexbin_.get_array().sum() == 60 * 59 // 2
    assert display.hexbin_.norm.__class__.__name__ == "LogNorm"
    np.testing.assert_array_equal(display.line_.get_xdata(), display.line_.get_ydata())
    assert display.ax_.get_xlim() == display.ax_.get_ylim()
    assert display.ax_.get_xlabel() == "cosine, all dims"
    assert display.ax_.get_ylabel() == "cosine, 8 dims"
    assert f"correlation {display.correlation:.3f}" in display.text_.get_text()
    assert display.colorbar_.ax.get_ylabel() == "pairs"


def test_a_rotation_keeps_all_at_full_dim(adaptor):
    display = SimilarityDisplay.from_estimator(adaptor, X)
    assert display.dim == 16
    np.testing.assert_allclose(display.prefix, display.full, atol=1e-6)
    assert display.correlation == pytest.approx(1)


def test_a_seed_chooses_the_same_pairs_of_those_asked_for(adaptor):
    first, again, other = (
        SimilarityDisplay.from_estimator(adaptor, X, dim=8, n_pairs=100, random_state=seed)
        for seed in (0, 0, 1)
    )
    assert first.full.shape == (100,)
    np.testing.assert_array_equal(first.full, again.full)
    np.testing.assert_array_equal(first.prefix, again.prefix)
    assert not np.array_equal(first.full, other.full)


@pytest.mark.parametrize(("n", "n_pairs"), [(2, 1), (60, 1770), (60, 1769), (200_000, 5000)])
def test_pairs_are_distinct_and_of_different_rows(n, n_pairs):
    i, j = _pairs_of(n, n_pairs, 0, "X")
    assert len(i) == n_pairs
    assert (j >= 0).all()
    assert (j < i).all()
    assert (i < n).all()
    assert len(np.unique(i * n + j)) == n_pairs


def test_a_pipeline_and_vectors_made_elsewhere(adaptor):
    pipeline = make_pipeline(FunctionTransformer(), SVDRotation()).fit(X)
    display = SimilarityDisplay.from_estimator(pipeline, X, dim=4)
    same = SimilarityDisplay.from_vectors(X, pipeline.transform(X)[:, :4])
    np.testing.assert_allclose(display.prefix, same.prefix, atol=1e-6)
    assert same.dim == 4


def test_rows_of_zero_and_of_any_length():
    display = SimilarityDisplay.from_vectors(
        [[0.0, 0], [1e30, 0], [1, 1]], [[0.0], [1e30], [-1e-30]]
    )
    np.testing.assert_allclose(sorted(display.full), [0, 0, 0.5**0.5], rtol=1e-6)
    np.testing.assert_allclose(sorted(display.prefix), [-1, 0, 0], rtol=1e-6)


def test_cosines_that_do_not_vary_have_no_correlation():
    display = SimilarityDisplay.from_vectors(np.ones((3, 2)), np.ones((3, 1)))
    assert np.isnan(display.correlation)
    assert display.mean_error == pytest.approx(0, abs=1e-7)


def test_drawn_again_where_one_wants_it(adaptor, pyplot):
    display = SimilarityDisplay.from_estimator(adaptor, X, dim=8)
    _, ax = pyplot.subplots()
    assert display.plot(ax) is display
    assert display.ax_ is ax
    assert display.figure_ is ax.figure


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"dim": 17}, InvalidValueError, "dim must lie in 1..16, got 17"),
        ({"dim": 8, "n_pairs": 0}, InvalidValueError, "n_pairs must be at least 1, got 0"),
        ({"dim": 8, "n_pairs": 1.5}, InvalidTypeError, "n_pairs must be an integer, got 1.5"),
    ],
)
def test_options_that_cannot_be(adaptor, options, error, message):
    with pytest.raises(error, match=message):
        SimilarityDisplay.from_estimator(adaptor, X, **options)


def test_rows_that_make_no_pairs(adaptor):
    with pytest.raises(InvalidValueError, match="X must have at least 2 rows to make pairs, got 1"):
        SimilarityDisplay.from_estimator(adaptor, X[:1], dim=8)
    with pytest.raises(InvalidValueError, match="must have the same rows, got 60 and 59"):
        SimilarityDisplay.from_vectors(X, X[1:])
    with pytest.raises(InvalidValueError, match="full must have at least 2 rows"):
        SimilarityDisplay.from_vectors(X[:1], X[:1])
    with pytest.raises(InvalidTypeError, match="has\ntransform|transform"):
        SimilarityDisplay.from_estimator(object(), X, dim=8)


def test_without_matplotlib_it_says_what_to_install(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"SimilarityDisplay needs Matplotlib: pip install"):
        SimilarityDisplay.from_estimator(Truncation().fit(X), X, dim=8)
