"""The curve of bytes, the setting that is chosen by it, and its picture."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse
from sklearn.utils import Bunch

from madapt import MatryoshkaAdaptor
from madapt.baselines import SVDRotation
from madapt.evaluation import (
    ByteCurveDisplay,
    best_setting,
    byte_curve,
    retrieval_scores,
)
from madapt.exceptions import InvalidTypeError, InvalidValueError
from madapt.quantization import PRECISIONS, bytes_per_vector

ROOT = Path(__file__).resolve().parents[2]
GENERATOR = np.random.default_rng(0)
CORPUS, QUERIES = GENERATOR.standard_normal((60, 16)), GENERATOR.standard_normal((15, 16))
QRELS = sparse.csr_array(GENERATOR.integers(0, 3, (15, 60)) * (np.arange(15) > 0)[:, None])
SETTINGS = [(16, "int4"), (2, "float32"), (8, "int8"), (16, "binary"), (8, "float16")]
NAMES = ("ndcg@10", "recall@5")


@pytest.fixture(scope="module")
def methods():
    adaptor = MatryoshkaAdaptor(max_iter=2, random_state=0).fit(CORPUS, queries=QUERIES)
    return {"madapt": adaptor, "SVD": SVDRotation().fit(CORPUS)}


@pytest.fixture(scope="module")
def results(methods):
    return byte_curve(methods, CORPUS, QUERIES, QRELS, SETTINGS, NAMES, per_query=True)


@pytest.fixture
def pyplot():
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    from matplotlib import pyplot

    yield pyplot
    pyplot.close("all")


def test_settings_rise_in_bytes_and_then_in_dims(results):
    assert results.settings == [
        (16, "binary"),
        (2, "float32"),
        (8, "int8"),
        (16, "int4"),
        (8, "float16"),
    ]
    assert results.bytes.tolist() == [2, 8, 8, 8, 16]
    assert results.metrics == NAMES


def test_each_setting_is_a_search_by_float_queries_among_decoded_documents(methods, results):
    model = methods["madapt"]
    for place, (m, precision) in enumerate(results.settings):
        documents = model.dequantize(
            model.transform(CORPUS, dim=m, precision=precision), precision, dim=m
        )
        queries = model.transform(QUERIES, dim=m, side="query")
        wanted = retrieval_scores(queries, documents, QRELS, NAMES)
        each = retrieval_scores(queries, documents, QRELS, NAMES, average=False)
        for name in NAMES:
            assert results.scores["madapt"][name][place] == pytest.approx(wanted[name])
            np.testing.assert_allclose(results.per_query["madapt"][name][place], each[name])


def test_who_knows_no_codes_is_measured_in_floats_alone(methods, results):
    scores = results.scores["SVD"]["ndcg@10"]
    assert np.isnan(scores).tolist() == [True, False, True, True, False]
    svd = methods["SVD"]
    wanted = retrieval_scores(
        svd.transform(QUERIES, dim=2), svd.transform(CORPUS, dim=2).astype(np.float32), QRELS
    )
    assert scores[1] == pytest.approx(wanted["ndcg@10"])


def test_default_settings_are_all_dims_at_all_precisions(methods):
    found = byte_curve(methods, CORPUS, QUERIES, QRELS)
    assert set(found.settings) == {(m, name) for m in (8, 16) for name in PRECISIONS}
    assert found.bytes.tolist() == [bytes_per_vector(*at) for at in found.settings]
    assert "per_query" not in found


def test_frames_in_and_out(methods):
    pandas = pytest.importorskip("pandas")
    model = MatryoshkaAdaptor(max_iter=2, random_state=0).set_output(transform="pandas")
    frames = [pandas.DataFrame(rows).add_prefix("x") for rows in (CORPUS, QUERIES)]
    model.fit(frames[0], queries=QUERIES)
    found = byte_curve({"madapt": model}, *frames, QRELS, SETTINGS)
    expected = byte_curve({"madapt": methods["madapt"]}, CORPUS, QUERIES, QRELS, SETTINGS)
    np.testing.assert_allclose(
        found.scores["madapt"]["ndcg@10"], expected.scores["madapt"]["ndcg@10"]
    )


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"methods": SVDRotation()}, InvalidTypeError, "methods must be a dict"),
        ({"methods": {}}, InvalidValueError, "methods must name at least one method, got none"),
        ({"methods": {"a": None}}, InvalidTypeError, "must have a transform, got None for 'a'"),
        ({"queries": QUERIES[:, :3]}, InvalidValueError, r"got shapes \(15, 3\) and \(60, 16\)"),
        ({"settings": "int8"}, InvalidTypeError, "settings must be pairs .*, got 'int8'"),
        ({"settings": 8}, InvalidTypeError, "settings must be pairs of dim and precision, got 8"),
        ({"settings": [8]}, InvalidTypeError, "settings must be pairs .*, got 8"),
        ({"settings": []}, InvalidValueError, "settings must hold at least one pair, got none"),
        ({"settings": [(17, "int8")]}, InvalidValueError, "settings: dim must lie in 1..16"),
        ({"settings": [(8, "int3")]}, InvalidValueError, "settings: precision must be one of"),
        ({"settings": [(8, None)]}, InvalidValueError, "settings: precision must be .*, got None"),
        ({"settings": [(8, "int8")] * 2}, InvalidValueError, "settings must be distinct, got"),
        ({"metrics": "map"}, InvalidValueError, "metrics must be 'ndcg@k' or 'recall@k'"),
        ({"qrels": QRELS[:3]}, InvalidValueError, r"qrels must have shape \(15, 60\)"),
        ({"qrels": QRELS * 0}, InvalidValueError, "qrels must hold a grade above 0"),
    ],
)
def test_bad_input_is_named(methods, changes, error, message):
    arguments = {
        "methods": methods,
        "corpus": CORPUS,
        "queries": QUERIES,
        "qrels": QRELS,
        "settings": [(2, "float32")],
        **changes,
    }
    with pytest.raises(error, match=message):
        byte_curve(**arguments)


def curve_of(scores):
    """Return a curve with made-up scores."""
    settings = [(16, "binary"), (4, "int8"), (8, "int4"), (8, "int8")]
    table = {name: {"ndcg@10": np.array(values)} for name, values in scores.items()}
    sizes = np.array([2, 4, 4, 8])
    return Bunch(settings=settings, bytes=sizes, metrics=("ndcg@10",), scores=table)


def test_the_best_setting_is_the_smallest_of_the_best():
    nan = np.nan
    found = curve_of({"a": [0.1, 0.3, 0.4, 0.4], "b": [nan, 0.5, nan, 0.2]})
    assert best_setting(found, 2) == (16, "binary")
    assert best_setting(found, 3) == (16, "binary")
    assert best_setting(found, 4) == (8, "int4")
    assert best_setting(found, 100) == (8, "int4")
    assert best_setting(found, 8, method="b", metric="ndcg@10") == (4, "int8")
    with pytest.raises(InvalidValueError, match="n_bytes must be at least 4, got 2"):
        best_setting(found, 2, method="b")
    with pytest.raises(InvalidValueError, match="n_bytes must be at least 1, got 0"):
        best_setting(found, 0)
    with pytest.raises(InvalidTypeError, match="n_bytes must be an integer, got 8.5"):
        best_setting(found, 8.5)
    with pytest.raises(InvalidValueError, match="method must be one of 'a', 'b', got 'c'"):
        best_setting(found, 8, method="c")
    with pytest.raises(InvalidValueError, match="metric must be one of 'ndcg@10', got 'map'"):
        best_setting(found, 8, metric="map")


def test_lines_go_through_what_no_smaller_setting_beats(pyplot):
    found = curve_of({"a": [0.1, 0.3, 0.4, 0.2], "b": [np.nan, 0.1, 0.05, 0.3]})
    display = ByteCurveDisplay.from_results(found)
    points = {name: line.get_xydata().tolist() for name, line in display.lines_.items()}
    assert points == {"a": [[2, 0.1], [4, 0.4]], "b": [[4, 0.1], [8, 0.3]]}
    assert display.metric == "ndcg@10"


def test_the_axes_say_what_they_show(pyplot, results):
    display = ByteCurveDisplay.from_results(results, "recall@5")
    display.figure_.canvas.draw()
    ax = display.ax_
    assert ax.get_xscale() == "log"
    assert [label.get_text() for label in ax.get_xticklabels()] == ["2", "4", "8", "16"]
    assert ax.get_xlabel() == "bytes per vector"
    assert ax.get_ylabel() == "recall@5"
    assert {text.get_text() for text in ax.get_legend().get_texts()} == {"madapt", "SVD"}


def test_draws_where_it_is_told_and_again(pyplot, results):
    figure, (left, right) = pyplot.subplots(1, 2)
    display = ByteCurveDisplay.from_results(results, ax=left)
    assert display.ax_ is left
    assert display.figure_ is figure
    assert display.plot(right) is display
    assert len(left.lines) == len(right.lines) == 2


def test_from_estimator_measures_one_or_several(pyplot, methods, results):
    one = ByteCurveDisplay.from_estimator(
        methods["madapt"], CORPUS, QUERIES, QRELS, settings=SETTINGS
    )
    assert list(one.lines_) == ["MatryoshkaAdaptor"]
    several = ByteCurveDisplay.from_estimator(methods, CORPUS, QUERIES, QRELS, settings=SETTINGS)
    assert list(several.lines_) == ["madapt", "SVD"]
    np.testing.assert_array_equal(several.scores["madapt"], results.scores["madapt"]["ndcg@10"])


def test_a_metric_that_was_not_measured_is_an_error(results, methods):
    with pytest.raises(InvalidValueError, match="metric must be one of 'ndcg@10', 'recall@5', got"):
        ByteCurveDisplay.from_results(results, "ndcg@5")
    with pytest.raises(InvalidTypeError, match="metric must be one name, got"):
        ByteCurveDisplay.from_estimator(methods, CORPUS, QUERIES, QRELS, metric=["ndcg@5"])


def test_without_matplotlib_the_error_says_what_to_install(monkeypatch, results):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"ByteCurveDisplay needs Matplotlib: pip install"):
        ByteCurveDisplay.from_results(results)


def test_importing_the_display_does_not_import_matplotlib():
    code = (
        "import sys; from madapt.evaluation import ByteCurveDisplay; "
        "sys.exit('matplotlib' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
