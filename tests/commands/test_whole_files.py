"""Whatever ends a command, what it writes is whole or as it was."""

import json
import os
import signal
import subprocess
import sys
from io import StringIO
from pathlib import Path

import numpy as np
import pytest

from madapt import MatryoshkaAdaptor
from madapt._commands import inputs, outputs
from madapt.cli import main
from madapt.training.tasks import DocumentTask

ROOT = Path(__file__).resolve().parents[2]
FORMATS = ["npy", "npz", "parquet", "jsonl"]
OLD = b"what was there"


@pytest.fixture
def blocks(monkeypatch):
    """Five blocks instead of one."""
    monkeypatch.setattr(inputs, "BLOCK_BYTES", 384 * 4 * 90)


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(28, "No space left")])
def test_transform_ends_in_the_middle(
    ending, error, blocks, files, model, tmp_path, command, monkeypatch
):
    path, write = tmp_path / f"small.{ending}", outputs.Writer.write
    path.write_bytes(OLD)

    def write_some(writer, block):
        write(writer, block)
        if writer.done > 150:
            raise error

    monkeypatch.setattr(outputs.Writer, "write", write_some)
    arguments = ["transform", model, files / "corpus.npy", "-o", path, "--dim", 8]
    code, out, err = command(*arguments)
    assert out == ""
    if isinstance(error, KeyboardInterrupt):
        assert (code, err) == (130, "madapt: interrupted\n")
    else:
        assert code == 2
        assert err.startswith("madapt: error: [Errno 28] No space left")
        assert err.count("\n") == 1
    assert path.read_bytes() == OLD
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


def test_a_number_that_is_not_finite_in_a_late_block(blocks, data, model, tmp_path, command):
    X = data.corpus.copy()
    X[301, 5] = np.inf
    np.save(tmp_path / "a.npy", X)
    code, _, err = command("transform", model, tmp_path / "a.npy", "-o", tmp_path / "b.npy")
    assert code == 2
    assert "INPUT must hold finite numbers, got inf in row 301, column 5 of" in err
    assert [one.name for one in tmp_path.iterdir()] == ["a.npy"]


KILLED = """
import os, signal, sys
from madapt._commands import inputs, outputs
from madapt.cli import main

inputs.BLOCK_BYTES = 384 * 4 * 90
write = outputs.Writer.write

def write_some(writer, block):
    write(writer, block)
    if writer.done > 150:
        os.kill(os.getpid(), signal.SIGKILL)

outputs.Writer.write = write_some
main(sys.argv[1:])
"""


@pytest.mark.skipif(os.name == "nt", reason="there is no SIGKILL")
def test_killed_it_leaves_the_old_file(files, model, tmp_path):
    path = tmp_path / "small.npz"
    path.write_bytes(OLD)
    arguments = ["transform", str(model), str(files / "corpus.npy"), "-o", str(path)]
    done = subprocess.run([sys.executable, "-c", KILLED, *arguments], cwd=ROOT, check=False)
    assert done.returncode == -signal.SIGKILL
    assert path.read_bytes() == OLD


@pytest.fixture
def ctrl_c(monkeypatch):
    """Press Ctrl-C at the third step of a fit."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    gradients, steps = DocumentTask.gradients, []

    def interrupted(*arguments, **others):
        steps.append(1)
        if len(steps) == 3:
            signal.raise_signal(signal.SIGINT)
        return gradients(*arguments, **others)

    monkeypatch.setattr(DocumentTask, "gradients", interrupted)
    yield
    signal.signal(signal.SIGINT, before)


def test_an_interrupted_fit_writes_nothing(ctrl_c, files, tmp_path, command):
    path = tmp_path / "model.safetensors"
    path.write_bytes(OLD)
    code, out, err = command("fit", files / "corpus.npy", "-o", path, "--max-iter", 9)
    assert (code, out, err) == (130, "", "madapt: interrupted\n")
    assert path.read_bytes() == OLD


def test_or_saves_the_best_state_where_that_is_asked_for(ctrl_c, files, tmp_path, command):
    path = tmp_path / "model.safetensors"
    arguments = ["fit", files / "corpus.npy", "-o", path, "--max-iter", 9, "--json"]
    code, out, err = command(*arguments, "--save-interrupted")
    assert code == 130
    assert json.loads(out)["is_interrupted"]
    assert "the best state so far is saved in" in err
    assert err.endswith("madapt: interrupted\n")
    assert MatryoshkaAdaptor.load(path).checkpoint_ is not None


class Terminal(StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("kind", ["fit", "transform", "evaluate"])
def test_progress_is_shown_on_a_terminal_and_taken_away(kind, files, model, tmp_path, monkeypatch):
    arguments = {
        "fit": ["fit", files / "corpus.npy", "-o", tmp_path / "m.safetensors", "--max-iter", 1],
        "transform": ["transform", model, files / "corpus.npy", "-o", tmp_path / "a.npy"],
        "evaluate": ["evaluate", model, files / "beir", "--split", "test", "--dims", "8"],
    }[kind]
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    assert main([str(argument) for argument in arguments]) == 0
    shown = stream.getvalue()
    assert ("step 1" if kind == "fit" else "[####") in shown or kind == "evaluate"
    assert shown.endswith("\r\033[K")
    if kind == "fit":
        assert MatryoshkaAdaptor.load(tmp_path / "m.safetensors").verbose == 0


def test_a_whole_session_in_a_shell(files, tmp_path):
    def madapt(*arguments):
        command = [sys.executable, "-m", "madapt", *map(str, arguments)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    model, small = tmp_path / "model.safetensors", tmp_path / "small.parquet"
    assert "Saved in" in madapt("fit", files / "corpus.parquet", "-o", model, "--max-iter", 1)
    out = madapt("transform", model, files / "corpus.parquet", "-o", small, "--dim", 8, "--json")
    assert json.loads(out)["rows"] == 400
    labels = ["--queries", files / "queries.parquet", "--qrels", files / "qrels.tsv"]
    assert "frozen prefix" in madapt("evaluate", model, files / "corpus.parquet", *labels)
