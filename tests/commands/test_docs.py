"""The session of docs/command-line.md runs as written, with a step instead of a whole training."""

import html
import re
import shlex
import shutil
import tomllib
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "command-line.md"


def shape_of(text):
    """Return a text without its numbers and names that follow from training."""
    text = re.sub(r"[0-9a-f]{16}|Kept: \w+|\d[\d.,]*%?|[KM]iB", "", text)
    return [line.split() for line in text.splitlines() if line.strip()]


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    """A folder with the files, and both sessions: commands, and what the page says they print."""
    if not PAGE.exists():
        pytest.skip("the docs are not there, only the package")
    text = PAGE.read_text(encoding="utf-8")
    code = re.search(r"```python\n(.*?)```", text, re.DOTALL)[1]
    printed, timed = re.findall(r"```console\n\$ (.*?)```", text, re.DOTALL)
    folder = tmp_path_factory.mktemp("session")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        exec(code, {})
    sessions = [
        [step.partition("\n")[::2] for step in one.split("\n$ ")] for one in (printed, timed)
    ]
    return folder, *sessions


def test_each_command_prints_what_the_page_shows(session, command, monkeypatch):
    folder, steps, _ = session
    monkeypatch.chdir(folder)
    assert len(steps) == 11
    pytest.importorskip("onnx")
    for line, output in steps:
        name, *arguments = shlex.split(line)
        assert name == "madapt"
        quick = ["--max-iter", "1"] if "fit" in arguments and "--dry-run" not in arguments else []
        code, out, err = command(*arguments, *quick)
        assert code == 0
        assert err == "" or (quick and "the judgments were not learned from" in err)
        if arguments[0] in ("evaluate", "transform") or "--dry-run" in arguments:
            assert shape_of(out) == shape_of(output)
        elif arguments[0] == "report":  # which dim, and by what, follows from training
            assert shape_of(out)[-1] == shape_of(output)[-1]
        elif arguments[0] == "export":  # one of a step does not centre
            assert shape_of(out)[:2] == shape_of(output)[:2]
        else:  # the guard keeps less of a training of one step
            assert shape_of(out)[:2] == shape_of(output)[:2]
    assert (folder / "small.parquet").is_file()


def test_four_commands_lead_from_nothing_to_a_curve(session, command, monkeypatch):
    folder, _, steps = session
    monkeypatch.chdir(folder)
    for name, other in (("test.parquet", "queries.parquet"), ("test.tsv", "qrels.tsv")):
        shutil.copy(name, other)
    venv, install, *rest = steps
    assert len(rest) == 2
    assert venv[0].startswith("python3 -m venv env && ")
    extras = re.fullmatch(r'pip install --quiet "./madapt\[(.*)\]"', install[0])[1].split(",")
    pyproject = tomllib.loads((PAGE.parents[1] / "pyproject.toml").read_text(encoding="utf-8"))
    assert set(extras) <= set(pyproject["project"]["optional-dependencies"])
    for line, output in rest:
        _, *arguments = shlex.split(line)
        quick = ["--max-iter", "1"] if arguments[0] == "fit" else []
        code, out, err = command(*arguments, *quick)
        assert (code, err) == (0, "")
        if arguments[0] == "fit":
            assert shape_of(out) == shape_of(output)
        else:
            assert shape_of(out)[-1] == shape_of(output)[-1]
    assert (folder / "report.html").is_file()


def test_the_picture_of_a_terminal_is_the_session_and_loads_nothing():
    picture = PAGE.parent / "images" / "terminal.svg"
    if not picture.exists():
        pytest.skip("the docs are not there, only the package")
    svg = picture.read_text(encoding="utf-8")
    assert not re.search(r"url\((?!#)|href|@import|@font-face|<script", svg)
    drawn = [
        html.unescape(text).replace("\xa0", " ") for text in re.findall(r">([^<]+)</text>", svg)
    ]
    lines = [line.rstrip() for line in drawn[1:] if line.strip()]  # after the title
    page = PAGE.read_text(encoding="utf-8").splitlines()
    assert len(lines) == 21
    assert set(lines) <= set(page)
