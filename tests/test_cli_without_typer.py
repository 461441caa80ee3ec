"""Without typer the demo works as ever, and the other commands say what to install."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from madapt import _demo
from madapt.cli import COMMANDS, main

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def no_typer(monkeypatch):
    monkeypatch.setitem(sys.modules, "typer", None)
    monkeypatch.delitem(sys.modules, "madapt._commands.app", raising=False)


@pytest.mark.parametrize("arguments", [[name] for name in COMMANDS] + [["fit", "--help"]])
def test_the_hint_is_one_line(arguments, capsys):
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err == (
        f"madapt: error: madapt {arguments[0]} needs typer, which is not installed: "
        'pip install "madapt[cli]"\n'
    )


def test_help_and_version_do_not_ask_for_it(capsys):
    for arguments in ([], ["--help"], ["--version"], ["demo", "--help"]):
        assert main(arguments) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert all(re.search(rf"^ +{name}\b", out, re.MULTILINE) for name in COMMANDS)


def test_the_demo_does_not_ask_for_it(capsys, monkeypatch):
    def begin(seed, progress):
        raise ValueError(f"the demo began with seed {seed}")

    monkeypatch.setattr(_demo, "run_demo", begin)
    assert main(["demo", "--seed", "5"]) == 2
    assert capsys.readouterr().err == "madapt: error: the demo began with seed 5\n"


def test_importing_does_not_import_it():
    code = "import sys, madapt, madapt.cli; sys.exit('typer' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False)
    assert done.returncode == 0
