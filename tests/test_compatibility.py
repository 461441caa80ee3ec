"""docs/compatibility.md names each test of its files, and CI runs them on the oldest versions."""

import ast
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "compatibility.md").read_text(encoding="utf-8")
CI = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
#: A section of the page for each file.
FILES = ["tests/test_model_selection.py", "tests/test_dim_everywhere.py"]
SECTIONS = PAGE.split("\n## ")[1:]


def rows(section):
    """Return the cells of each row of a section's table."""
    lines = re.findall(r"^\| (.*) \|$", section, flags=re.MULTILINE)
    return [line.split(" | ") for line in lines[2:]]


def names_in(file):
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    return {
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


@pytest.mark.parametrize(("file", "section"), list(zip(FILES, SECTIONS, strict=True)))
def test_the_page_names_all_tests_of_a_file_and_no_others(file, section):
    assert f"`{file}`" in section
    assert {cells[-1] for cells in rows(section)} == names_in(file)


@pytest.mark.parametrize("section", SECTIONS)
def test_each_cell_says_what_happens(section):
    for cells in rows(section):
        assert len(cells) == 4, cells
        assert set(cells[1:3]) <= {"yes", "refused", "nan, warnings"}, cells


@pytest.mark.parametrize("file", FILES)
def test_no_test_asks_for_the_version(file):
    # One that did would pass on both, whatever the page says.
    code = (ROOT / file).read_text(encoding="utf-8")
    assert not re.search(r"__version__|skipif|xfail|parse_version|sp_version", code)


def test_the_oldest_versions_are_those_of_pyproject():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needed = [*project["dependencies"], *project["optional-dependencies"]["test"]]
    lowest = dict(re.fullmatch(r"([\w-]+)>=([\d.]+)", one).groups() for one in needed if ">" in one)
    lines = (ROOT / ".ci" / "oldest.txt").read_text(encoding="utf-8").splitlines()
    pinned = dict(line.removesuffix(".*").split("==") for line in lines if line[0] != "#")
    assert pinned == {name: lowest.get(name) for name in pinned}
    assert {re.split("[>=]", one)[0] for one in project["dependencies"]} <= set(pinned)


def test_ci_runs_the_files_on_the_oldest_versions():
    stage = CI.split('stage "')[2]
    assert stage.startswith("oldest")
    assert ".ci/oldest.txt" in stage
    for file in FILES:
        assert file in stage
