"""The benchmarks behind docs/hnsw.md and docs/tasks.md run, and the pages are their figures."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
BENCHMARKS = ROOT / "benchmarks"

if not BENCHMARKS.exists():
    pytest.skip("the benchmarks are not there, only the package", allow_module_level=True)


def run(script, *arguments):
    command = [sys.executable, str(BENCHMARKS / script), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("name", ["hnsw", "tasks"])
def test_the_tables_of_the_page_are_what_the_figures_make(tmp_path, name):
    pytest.importorskip("faiss", reason="a benchmark imports it")
    there = ROOT / "docs" / f"{name}.md"
    if not there.exists():
        pytest.skip("the documentation is not there")
    run(f"{name}.py", "--page", tmp_path / f"{name}.md")
    assert (tmp_path / f"{name}.md").read_text() == there.read_text()


def test_a_quick_graph_finds_more_by_adapted_prefixes(tmp_path):
    pytest.importorskip("faiss", reason="the graphs are FAISS's")
    run("hnsw.py", "--quick", "--output", tmp_path / "hnsw.json")
    (found,) = json.loads((tmp_path / "hnsw.json").read_text())["collections"].values()
    spaces = found["graphs"]["64"]
    assert spaces["adapted"]["of the exact"] > spaces["as they were"]["of the exact"]
    whole = found["graphs"]["384"]
    assert abs(whole["adapted"]["of the exact"] - whole["as they were"]["of the exact"]) < 0.01


def test_quick_tasks_know_whole_vectors_from_prefixes(tmp_path):
    run("tasks.py", "--quick", "--output", tmp_path / "tasks.json")
    (found,) = json.loads((tmp_path / "tasks.json").read_text())["problems"].values()
    methods = found["methods"]
    assert methods["all"]["384"]["duplicates"] == methods["all"]["384"]["candidates"] == 1
    assert methods["truncation"]["16"]["duplicates"] < methods["adaptor"]["64"]["duplicates"] < 1


def test_the_picture_is_what_its_script_draws(tmp_path):
    script = ROOT / "docs" / "figures" / "prefix_gram.py"
    if not script.exists():
        pytest.skip("the documentation is not there")
    target = tmp_path / "picture.svg"
    subprocess.run([sys.executable, str(script), str(target)], check=True)
    there = ROOT / "docs" / "images" / "prefix-gram.svg"
    assert target.read_text() == there.read_text()
