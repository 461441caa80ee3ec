"""The quality study: its statistics on known values, its store, and a run that says nothing."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]
BENCHMARKS = ROOT / "benchmarks"

if not BENCHMARKS.exists():
    pytest.skip("the benchmarks are not there, only the package", allow_module_level=True)
pytest.importorskip("matplotlib", reason="the page's figures need Matplotlib")


@pytest.fixture(autouse=True)
def modules(monkeypatch):
    """Let the tests import what lies in benchmarks, as its scripts do."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))


def run(*arguments):
    command = [sys.executable, str(BENCHMARKS / "quality.py"), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A folder of one collection in BEIR's layout: query i is document i with noise."""
    root = tmp_path_factory.mktemp("data")
    folder = root / "scifact"
    (folder / "qrels").mkdir(parents=True)
    generator = np.random.default_rng(0)
    corpus = generator.standard_normal((300, 24)) * np.linspace(2, 0.3, 24)
    queries = corpus[:80] + generator.standard_normal((80, 24))
    np.savez(
        folder / "minilm.npz",
        corpus=corpus.astype(np.float16),
        corpus_ids=np.array([f"d{i}" for i in range(300)]),
        queries=queries.astype(np.float16),
        query_ids=np.array([f"q{i}" for i in range(80)]),
    )
    for split, rows in (("train", range(60)), ("test", range(60, 80))):
        lines = ["query-id\tcorpus-id\tscore", *(f"q{i}\td{i}\t1" for i in rows)]
        (folder / "qrels" / f"{split}.tsv").write_text("\n".join(lines) + "\n")
    return root


def test_the_interval_of_equal_scores_has_no_width():
    from quality_statistics import bootstrap_interval

    low, high = bootstrap_interval(np.full((2, 50), 0.25))
    np.testing.assert_allclose([low, high], 0.25)


def test_the_interval_is_that_of_the_mean():
    from quality_statistics import bootstrap_interval

    scores = np.random.default_rng(1).random((1, 400))
    low, high = bootstrap_interval(np.concatenate([scores, np.full((1, 3), np.nan)], axis=1))
    half = 1.96 * scores.std() / 20
    np.testing.assert_allclose(
        [low[0], high[0]], [scores.mean() - half, scores.mean() + half], rtol=0.01
    )


def test_equal_scores_do_not_differ_and_shifted_ones_do():
    from quality_statistics import paired_test

    scores = np.random.default_rng(0).random((2, 60))
    shifted = scores + np.array([[0.0], [0.1]])
    same, different = paired_test(scores, shifted)
    assert same == 1
    assert different == pytest.approx(1 / 2001)


def test_p_values_of_no_difference_are_even():
    from quality_statistics import paired_test

    one, other = np.random.default_rng(0).standard_normal((2, 300, 40))
    assert np.mean(paired_test(one, other) < 0.05) == pytest.approx(0.05, abs=0.03)


def test_queries_without_a_positive_do_not_count():
    from quality_statistics import paired_test, query_mean

    scores = np.array([[1.0, np.nan, 0.5]])
    assert query_mean(scores) == [0.75]
    assert paired_test(scores, scores) == [1]


def test_a_goal_is_reached_or_missed_by_what_is_lacking():
    from quality_statistics import goal_line, verdict

    assert verdict(3.0, 3.0) == "reached"
    assert verdict(2.9, 3.0) == "missed by 0.1"
    assert verdict(2.996, 3.0) == "missed by 0.004"
    line = goal_line({8: 0.5, 16: 0.6, 768: 0.9}, {8: 0.51, 16: 0.5982})
    assert line == "Goals: 8 dims 0.500: reached (0.510); 16 dims 0.600: missed by 0.0018 (0.598)."


def test_the_store_gives_back_what_it_was_given(tmp_path):
    from quality_store import Store

    path = tmp_path / "quality.json"
    cell = {"part": "cut", "collection": "a", "vectors": "b", "setting": "", "dims": [8, 16]}
    first = np.array([[0.1234, np.nan, 1.0], [0.5, np.nan, 0.0]])
    second = np.array([[0.2234, 0.5, np.nan], [0.7, 0.25, np.nan]])
    for seed, scores in enumerate((first, second)):
        Store(path).add(f"cut|a b||it|{seed}", cell | {"scores": scores})
    store = Store(path)
    expected = [[0.1734, 0.5, 1.0], [0.6, 0.25, 0.0]]
    np.testing.assert_allclose(store.scores("cut", "a b", "", "it"), expected)
    assert store.scores("cut", "a b", "", "another") is None
    assert store.pairs("cut") == {"a b": [8, 16]}
    assert sorted(file.name for file in tmp_path.iterdir()) == ["quality.json", "quality.npz"]


def test_spoilt_judgments_keep_their_number(data):
    from quality_data import MISLEADING, documents_only, fewer_queries, misled, with_labels

    folder = data / "scifact"
    case = with_labels(documents_only(folder, "minilm"), folder, "minilm")
    case = fewer_queries(case, 20, seed=0)
    for how in MISLEADING:
        spoilt = misled(case, how, seed=0)
        per_query = 2 if how == "opposite queries" else 1
        assert spoilt.seen_qrels.nnz == 20 * per_query
        assert (spoilt.seen_qrels != case.seen_qrels).nnz


def test_a_cut_keeps_the_positives(data):
    from quality_data import cut, documents_only

    case = documents_only(data / "scifact", "minilm")
    few = cut(case, 100, seed=0)
    assert few.corpus.shape == (100, 24)
    assert few.qrels.nnz == case.qrels.nnz
    assert cut(case, 5, seed=0).qrels.nnz == 5


def test_a_quick_run_is_measured_once_and_written(data, tmp_path):
    output = tmp_path / "quality.json"
    arguments = ("--data", data, "--quick", "--output", output)
    parts = ("queries", "labels", "adversarial")
    first = run(*arguments, "--parts", ",".join(parts))
    page = output.with_suffix(".md").read_text()
    for part in parts:
        assert f"{part}: 0 of" not in first
    for text in ("## Summary", "### scifact minilm, judged", "## Wrong judgments", "Goal"):
        assert text in page
    assert "failed" not in first
    assert {file.name for file in (tmp_path / "images").iterdir()} == {"quality-labels.png"}
    again = run(*arguments, "--parts", parts[0])
    assert f"{parts[0]}: 0 of" in again
    run("--page", "--output", output)
    assert output.with_suffix(".md").read_text() == page


def test_the_page_is_what_the_figures_make(tmp_path):
    there = ROOT / "docs" / "quality.md"
    if not there.exists():
        pytest.skip("the study has not been run, or the documentation is not there")
    from quality_figures import draw
    from quality_page import markdown
    from quality_store import Store

    store = Store(BENCHMARKS / "results" / "quality.json")
    assert markdown(store, draw(store, tmp_path)) == there.read_text()
    drawn = {path.name for path in tmp_path.iterdir()}
    assert drawn <= {path.name for path in (ROOT / "docs" / "images").iterdir()}


def test_the_page_names_the_command_of_each_run(data, tmp_path):
    path = tmp_path / "quality.json"
    common = ("--data", data, "--quick", "--parts", "labelfree", "--output", path, "--methods")
    run(*common, "truncation")
    run(*common, "SVD", "PCA")
    run(*common, "SVD", "PCA", "--redo")
    page = " ".join(path.with_suffix(".md").read_text().split())
    for methods in ("truncation", "SVD PCA"):
        command = f"FOLDER --quick --methods {methods} --jobs 1 --parts labelfree"
        assert page.count(command) == 1
