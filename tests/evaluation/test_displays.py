"""The picture of the dimension curve shows what was measured."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from madapt.baselines import SVDRotation, Truncation
from madapt.evaluation import DimensionCurveDisplay, dimension_curve
from madapt.exceptions import InvalidTypeError, InvalidValueError

ROOT = Path(__file__).resolve().parents[2]
GENERATOR = np.random.default_rng(0)
CORPUS, QUERIES = GENERATOR.standard_normal((60, 16)), GENERATOR.standard_normal((15, 16))
QRELS = sparse.csr_array(GENERATOR.integers(0, 2, (15, 60)))
METHODS = {"truncation": Truncation().fit(CORPUS), "SVD": SVDRotation().fit(CORPUS)}


@pytest.fixture
def pyplot():
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    from matplotlib import pyplot

    yield pyplot
    pyplot.close("all")


@pytest.fixture(scope="module")
def results():
    methods = {**METHODS, "frozen": None}
    names = ("ndcg@10", "recall@5")
    return dimension_curve(methods, CORPUS, QUERIES, QRELS, [2, 8, 16], names)


@pytest.mark.parametrize(
    ("metric", "drawn"), [(None, "ndcg@10"), ("ndcg@10", "ndcg@10"), ("recall@5", "recall@5")]
)
def test_the_lines_are_the_scores(pyplot, results, metric, drawn):
    display = DimensionCurveDisplay.from_results(results, metric)
    assert set(display.lines_) == {"truncation", "SVD", "frozen"}
    for name, line in display.lines_.items():
        np.testing.assert_array_equal(line.get_xdata(), [2, 8, 16])
        np.testing.assert_array_equal(line.get_ydata(), results.scores[name][drawn])
    assert display.metric == drawn


def test_the_axes_say_what_they_show(pyplot, results):
    display = DimensionCurveDisplay.from_results(results)
    ax = display.ax_
    display.figure_.canvas.draw()
    assert ax.get_xscale() == "log"
    assert [label.get_text() for label in ax.get_xticklabels()] == ["2", "8", "16"]
    assert ax.get_xticks().tolist() == [2, 8, 16]
    assert ax.get_xlabel() == "dims kept"
    assert ax.get_ylabel() == "nDCG@10"
    # The legend lists the curves from the highest to the lowest.
    means = {line.get_label(): np.mean(line.get_ydata()) for line in display.lines_.values()}
    listed = [text.get_text() for text in ax.get_legend().get_texts()]
    assert listed == sorted(means, key=means.get, reverse=True)


def test_curves_can_be_told_apart(pyplot, results):
    lines = DimensionCurveDisplay.from_results(results).lines_
    assert len({line.get_color() for line in lines.values()}) == 3
    assert lines["SVD"].get_marker() != lines["truncation"].get_marker()
    assert lines["frozen"].get_linestyle() != lines["SVD"].get_linestyle()


def test_draws_where_it_is_told_and_again(pyplot, results):
    figure, (left, right) = pyplot.subplots(1, 2)
    display = DimensionCurveDisplay.from_results(results, ax=left)
    assert display.ax_ is left
    assert display.figure_ is figure
    assert display.plot(right) is display
    assert display.ax_ is right
    assert len(left.lines) == len(right.lines) == 3
    assert display.plot().figure_ is not figure


def test_many_curves_do_not_run_out_of_colors(pyplot):
    scores = {f"method {i}": np.array([0.1 * i, 0.2]) for i in range(12)}
    display = DimensionCurveDisplay(np.array([2, 4]), scores).plot()
    assert len(display.lines_) == 12


def test_from_estimator_measures_beside_the_frozen_embedding(pyplot, results):
    one = DimensionCurveDisplay.from_estimator(
        METHODS["SVD"], CORPUS, QUERIES, QRELS, dims=[2, 8, 16], metric="recall@5"
    )
    assert list(one.lines_) == ["SVDRotation", "frozen"]
    several = DimensionCurveDisplay.from_estimator(
        METHODS, CORPUS, QUERIES, QRELS, dims=[2, 8, 16], metric="recall@5"
    )
    assert list(several.lines_) == ["truncation", "SVD", "frozen"]
    for name in several.lines_:
        np.testing.assert_array_equal(several.scores[name], results.scores[name]["recall@5"])
    np.testing.assert_array_equal(one.scores["SVDRotation"], several.scores["SVD"])


def test_a_metric_that_was_not_measured_is_an_error(results):
    with pytest.raises(
        InvalidValueError, match="metric must be one of 'ndcg@10', 'recall@5', got 'ndcg@5'"
    ):
        DimensionCurveDisplay.from_results(results, "ndcg@5")
    with pytest.raises(InvalidTypeError, match="metric must be one name, got"):
        DimensionCurveDisplay.from_estimator(METHODS, CORPUS, QUERIES, QRELS, metric=["ndcg@5"])


def test_without_matplotlib_the_error_says_what_to_install(monkeypatch, results):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"needs Matplotlib: pip install 'madapt\[plot\]'"):
        DimensionCurveDisplay.from_results(results)


def test_importing_the_display_does_not_import_matplotlib():
    code = (
        "import sys; from madapt.evaluation import DimensionCurveDisplay; "
        "sys.exit('matplotlib' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
