"""The benchmark behind docs/scale.md runs, its model counts right, and the page is its figures."""

import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
BENCHMARKS = ROOT / "benchmarks"

if not BENCHMARKS.exists():
    pytest.skip("the benchmarks are not there, only the package", allow_module_level=True)
pytest.importorskip("threadpoolctl", reason="benchmarks import it")


def run(*command, **options):
    done = subprocess.run(
        [sys.executable, *map(str, command)], capture_output=True, text=True, **options
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def benchmark(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    """Return what a quick run found and what it printed."""
    pytest.importorskip("dask.array", reason="the benchmark counts Dask's messages")
    output = tmp_path_factory.mktemp("scale") / "scale.json"
    said = run(BENCHMARKS / "scale.py", "--quick", "--output", output)
    return json.loads(output.read_text()), said


def test_longer_prefixes_of_samples_find_more(quick):
    (found,) = quick[0]["quality"].values()
    for sizes in found["curves"].values():
        assert list(sizes) == ["500", "1400"]
        for cells in sizes.values():
            assert cells["recall"] == sorted(cells["recall"])
            assert cells["recall"][-1] - cells["recall"][0] > 0.3
    (halves,) = quick[0]["unseen"]["collections"].values()
    assert halves["fitted on"] == halves["searched"] == 700


def test_an_adaptor_of_other_documents_is_behind_one_fitted_anew(quick):
    ((before, after),) = quick[0]["drift"]["directions"].values()
    assert before["recall"]["old"] == before["recall"]["anew"]
    assert after["recall"]["anew"]["all"][0] - after["recall"]["old"]["all"][0] > 0.1
    assert after["score"]["SVD"] > after["score"]["old"]
    assert before["score"]["SVD"] < before["score"]["old"]


def test_messages_are_as_large_as_the_model_counts(quick):
    messages = quick[0]["rates"]["messages"]
    assert len(messages) == 3
    for there, counted in messages.values():
        assert there == pytest.approx(counted, rel=0.05)


def test_the_quick_page_has_every_part(quick):
    report, page = quick
    file = report["rates"]["held against"]["file"]
    assert file["rows found"] == file["n"] == 2000
    assert all(value >= 0 for value in report["rates"]["constants"].values())
    for heading in ("The cost model", "Which sample is enough", "Drift"):
        assert f"### {heading}" in page
    # 10^10 vectors of 768 float32, and 64 dims of them as float32 and as int8.
    assert "| 10^10 | 30.7 TB | 2.56 TB (640 GB) |" in page


@pytest.mark.parametrize(
    ("curve", "enough"),
    [
        ([[0.5], [0.6], [0.604]], 1),
        ([[0.604], [0.5], [0.604]], 2),
        ([[0.3, 0.7], [0.3, 0.71], [0.3, 0.71]], 1),
        ([[0.7], [0.71], [0.7]], 0),
    ],
)
def test_a_sample_is_enough_where_no_larger_one_and_no_dim_is_behind(benchmark, curve, enough):
    cells = {str(n): {"recall": recall} for n, recall in enumerate(curve)}
    assert benchmark("scale_quality").saturation(cells, "recall") == enough


def test_the_model_adds_what_it_counts(benchmark):
    model = benchmark("scale_model")
    rates = {"products": 1e9, "memory": 1e9, "transform, memory": 2.0, "search": 1.0}
    assert model.transform_seconds(rates, "memory", 1000, 100, 10) == 2 * (2e6 + 4.4e5) / 1e9
    assert model.fit_counts(50_000, 768)["steps"] == 150 * 2 * 256 * 4096 * (768 + 3 * 256)
    assert model.network_bytes(10, 4, 2, 1, 3)["X^T X"] == 3 * 8 * 20
    assert model.fitted_pair([[1, 2], [2, 1], [1, 1]], [8, 7, 5]) == pytest.approx([2, 3])
    assert model.fitted_overhead([1, 2, 4], [2, 4, 100]) == 2


def test_the_page_is_what_the_figures_make(tmp_path):
    there = ROOT / "docs" / "scale.md"
    if not there.exists():
        pytest.skip("the documentation is not there")
    run(BENCHMARKS / "scale.py", "--page", tmp_path / "scale.md")
    assert (tmp_path / "scale.md").read_text() == there.read_text()
    assert len(there.read_text()) > 5000
