"""The benchmarks run, and the page is what they found; what they found is not tested here."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
BENCHMARKS = ROOT / "benchmarks"

if not BENCHMARKS.exists():
    pytest.skip("the benchmarks are not there, only the package", allow_module_level=True)
pytest.importorskip("matplotlib", reason="the page's plots need Matplotlib")


def run(script, *arguments):
    command = [sys.executable, str(BENCHMARKS / script), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_quick_runs_write_figures_and_a_page_elsewhere(tmp_path):
    names = ("neighbors", "profile_step", "command_line")
    run("all.py", "--quick", "--threads", 1, "--only", *names, "--output", tmp_path)
    found = (json.loads((tmp_path / f"{name}.json").read_text()) for name in names)
    neighbors, steps, commands = found
    assert all(fit["estimated"] > 0 for fit in commands["fits"])
    for search in neighbors["threads"]["1"]["searches"].values():
        assert all(low <= middle <= high for low, middle, high in search["ratios"].values())
    for stage in ("without labels", "with labels"):
        low, _, high = steps["threads"]["1"][stage]["share in BLAS and kernels"]
        assert 0 < low <= high < 1
    page = (tmp_path / "performance.md").read_text()
    assert "## Exact neighbours" in page
    assert "## Where a step's time goes" in page


@pytest.mark.parametrize(
    ("script", "name"), [("performance_page.py", "performance.md"), ("bytes_page.py", "bytes.md")]
)
def test_the_page_is_what_the_figures_make(tmp_path, script, name):
    there = ROOT / "docs" / name
    if not there.exists():
        pytest.skip("the documentation is not there")
    run(script, "--page", tmp_path / name)
    assert (tmp_path / name).read_text() == there.read_text()
    plots = {path.name for path in (tmp_path / "images").iterdir()}
    assert plots <= {path.name for path in (ROOT / "docs" / "images").iterdir()}


def test_a_quick_funnel_finds_all_by_more_than_enough(tmp_path):
    run("funnel.py", "--quick", "--output", tmp_path / "funnel.json")
    (found,) = json.loads((tmp_path / "funnel.json").read_text())["collections"].values()
    for recalls in found["adapted"].values():
        assert recalls == sorted(recalls)
    assert found["adapted"]["128"][-1] > 0.99 > found["truncated"]["16"][0]


def test_the_tables_of_the_search_page_are_what_the_figures_make(tmp_path):
    there = ROOT / "docs" / "search.md"
    if not there.exists():
        pytest.skip("the documentation is not there")
    run("funnel.py", "--page", tmp_path / "search.md")
    assert (tmp_path / "search.md").read_text() == there.read_text()


def test_bytes_of_peers_and_settings_are_what_they_say():
    code = (
        "from bytes import SIZES, settings_of; from madapt.quantization import bytes_per_vector; "
        "found = settings_of(384, SIZES); "
        "assert {bytes_per_vector(*at) for at in found} == set(SIZES); "
        "assert all(m <= 384 for m, _ in found)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=BENCHMARKS, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("path", sorted(BENCHMARKS.glob("[!_]*.py")), ids=lambda path: path.stem)
def test_each_file_says_how_it_is_run(path):
    text = path.read_text()
    is_run_alone = '__name__ == "__main__"' in text
    assert not is_run_alone or f"python benchmarks/{path.name}" in text
