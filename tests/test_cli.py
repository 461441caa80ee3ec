"""The command: the demo's table, search and picture, help, exit codes and Ctrl-C."""

import re
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest

import madapt
from madapt import MatryoshkaAdaptor, _demo
from madapt.cli import main
from madapt.datasets import load_cranfield
from madapt.evaluation import dimension_curve
from madapt.exceptions import InvalidValueError
from madapt.neighbors import top_k
from madapt.training.tasks import DocumentTask

ROOT = Path(__file__).resolve().parents[1]
METHODS = ["frozen", "truncation", "PCA", "SVD", "adaptor", "adaptor with labels"]
DIMS = [8, 16, 32, 64, 128, 256, 384]
QUICK = partial(MatryoshkaAdaptor, max_iter=(2, 1), rotation_dims=32, support_size=None)


def run_quickly(arguments):
    """Run main with estimators that take few steps."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_demo, "MatryoshkaAdaptor", QUICK)
        patch.setenv("COLUMNS", "100")
        return main(arguments)


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """One run of the demo: exit code, stdout, stderr and the picture's path."""
    picture = tmp_path_factory.mktemp("demo") / "curve.png"
    out, err = picture.with_suffix(".out"), picture.with_suffix(".err")
    with (
        pytest.MonkeyPatch.context() as patch,
        out.open("w", encoding="utf-8") as stdout,
        err.open("w", encoding="utf-8") as stderr,
    ):
        patch.setattr(sys, "stdout", stdout)
        patch.setattr(sys, "stderr", stderr)
        code = run_quickly(["demo", "--output", str(picture), "--seed", "3"])
    return code, out.read_text(encoding="utf-8"), err.read_text(encoding="utf-8"), picture


@pytest.fixture
def no_work(monkeypatch):
    """Let the demo end at once with whatever the test puts in its place."""

    def end_with(error):
        def run_demo(seed, progress):
            raise error

        monkeypatch.setattr(_demo, "run_demo", run_demo)

    return end_with


def test_the_table_holds_what_is_measured(demo):
    code, out, _, _ = demo
    assert code == 0
    lines = out.splitlines()
    first = next(place for place, line in enumerate(lines) if line.startswith("dims"))
    assert re.split(r" {2,}", lines[first]) == ["dims", "bytes", *METHODS]
    table = lines[first : first + 1 + len(DIMS)]
    assert len({len(line) for line in table}) == 1
    cells = np.array([[float(cell.replace(",", "")) for cell in row.split()] for row in table[1:]])
    assert cells.shape == (7, 8)
    assert cells[:, 0].tolist() == DIMS
    assert cells[:, 1].tolist() == [4 * m for m in DIMS]
    data = load_cranfield()
    judged = QUICK(random_state=3).fit(
        data.corpus, queries=data.queries[data.train], qrels=data.qrels[data.train]
    )
    methods = {"frozen": None, "adaptor with labels": judged}
    test = data.queries[data.test], data.qrels[data.test]
    scores = dimension_curve(methods, data.corpus, *test).scores
    np.testing.assert_allclose(cells[:, 2], scores["frozen"]["ndcg@10"], atol=0.0006)
    np.testing.assert_allclose(cells[:, 7], scores["adaptor with labels"]["ndcg@10"], atol=0.0006)


def test_the_search_is_that_of_the_first_test_query(demo):
    _, out, _, _ = demo
    data = load_cranfield("test")
    lines = out.splitlines()
    start = " ".join(data.query_texts[0].split())[:40]
    assert any(line.startswith(f"  {start}") for line in lines)
    found = [line for line in lines if re.match(r" [1-5] [ *] ", line)]
    assert len(found) == 5
    full, _ = top_k(data.queries[:1], data.corpus, 5)
    adaptor = QUICK(random_state=3).fit(data.corpus)
    short, _ = top_k(
        adaptor.transform(data.queries[:1], dim=32), adaptor.transform(data.corpus, dim=32), 5
    )
    for line, left, right in zip(found, full[0], short[0], strict=True):
        entries = line[3:52], line[52:]
        for entry, row, others in zip(entries, (left, right), (short[0], full[0]), strict=True):
            assert entry.startswith("* " if row in others else "  ")
            assert data.titles[row].startswith(entry[2:].strip().removesuffix("..."))


def test_each_stage_is_a_short_line_on_stderr(demo):
    _, out, err, _ = demo
    lines = err.splitlines()
    assert len(lines) == 4
    assert "1,400 documents, 225 queries" in lines[0]
    for line, name in zip(lines[1:], ("without labels", "125 judged", "100 other"), strict=True):
        assert re.fullmatch(rf"  [a-z ]*{name}[a-z ]* \.* \d+\.\d s", line)
    assert "[MatryoshkaAdaptor]" not in out + err


def test_the_picture_is_saved(demo):
    matplotlib = pytest.importorskip("matplotlib")
    _, out, _, picture = demo
    assert f"The curves are drawn in {picture}" in out
    pixels = matplotlib.image.imread(picture)
    assert pixels.shape[0] > 400
    assert pixels.shape[1] > pixels.shape[0]
    assert pixels.std() > 0.05


def test_the_code_at_the_end_runs(demo):
    _, out, _, _ = demo
    code = dedent("\n".join(line for line in out.splitlines() if line.startswith("    ")))
    code = code[code.index("from madapt") :]
    assert len(code.splitlines()) == 5
    generator = np.random.default_rng(0)
    names = {"X": generator.standard_normal((90, 96)), "Q": generator.standard_normal((9, 96))}
    exec(code, names)
    assert names["similarities"].shape == (9, 90)


@pytest.mark.parametrize("arguments", [["demo"], ["demo", "--no-plot"]])
def test_without_matplotlib_or_a_plot_the_rest_is_there(
    arguments, monkeypatch, tmp_path, capsys, demo
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert run_quickly(arguments) == 0
    out = capsys.readouterr().out
    assert ("pip install 'madapt[plot]'" in out) == (arguments == ["demo"])
    assert "dims  bytes" in out
    assert out.endswith(_demo.NEXT_STEPS + "\n")
    assert not list(tmp_path.iterdir())


def test_interrupting_a_fit_ends_the_demo(monkeypatch, capsys):
    # The estimator itself would go on with what it has.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)

    def press_ctrl_c(*arguments):
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(DocumentTask, "gradients", press_ctrl_c)
    try:
        assert run_quickly(["demo", "--no-plot"]) == 130
    finally:
        signal.signal(signal.SIGINT, before)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[-1] == "madapt: interrupted"
    assert err.endswith("\n")
    assert "Traceback" not in err


def test_interrupting_anything_else_does_too(no_work, capsys):
    no_work(KeyboardInterrupt())
    assert main(["demo"]) == 130
    assert capsys.readouterr().err == "madapt: interrupted\n"


@pytest.mark.parametrize(
    "error",
    [InvalidValueError("dims must lie\nin 1..384, got 512"), OSError("disk full"), ValueError("x")],
)
def test_an_error_is_one_line(error, no_work, capsys):
    no_work(error)
    assert main(["demo"]) == 2
    assert capsys.readouterr().err == f"madapt: error: {' '.join(str(error).split())}\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["dmeo"], "invalid choice: 'dmeo'"),
        (["demo", "--seed", "x"], "--seed: must lie in 0..4294967295, got 'x'"),
        (["demo", "--seed", "-1"], "--seed: must lie in 0..4294967295, got '-1'"),
        (["demo", "--seed", "4294967296"], "must lie in 0..4294967295, got '4294967296'"),
        (["demo", "--output", "curve.txt"], "must end in .pdf, .png, .svg, got 'curve.txt'"),
        (["demo", "--output", "no/such/a.png"], "must be a file in a folder that exists, got"),
        (["demo", "more"], "unrecognized arguments: more"),
    ],
)
def test_usage_errors_are_one_line_before_any_work(arguments, message, no_work, capsys):
    no_work(AssertionError("work has begun"))
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert message in err
    assert re.match(r"madapt( demo)?: error: ", err)


@pytest.mark.parametrize("arguments", [["--help"], [], ["demo", "--help"]])
def test_help_shows_an_example(arguments, capsys):
    assert main(arguments) == 0
    out = capsys.readouterr().out
    assert re.search(r"^examples:\n  madapt demo", out, re.MULTILINE)
    assert max(map(len, out.splitlines())) <= 100


def test_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"madapt {madapt.__version__}\n"


def run_python(*arguments):
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, cwd=ROOT, check=False
    )


def test_python_m_madapt_is_the_command():
    done = run_python("-m", "madapt", "--version")
    assert (done.returncode, done.stdout) == (0, f"madapt {madapt.__version__}\n")
    done = run_python("-m", "madapt", "demo", "--seed", "one")
    assert done.returncode == 2
    assert done.stderr.startswith("madapt demo: error: argument --seed: must lie in")


def test_importing_the_command_does_not_import_matplotlib():
    code = "import sys, madapt.cli, madapt._demo; sys.exit('matplotlib' in sys.modules)"
    assert run_python("-c", code).returncode == 0


@pytest.mark.skipif(sys.platform == "win32", reason="pipes end otherwise there")
def test_a_reader_that_leaves_is_no_error():
    code = """
import os, sys
from madapt import _demo
from madapt.cli import main
_demo.run_demo = lambda seed, progress: print("long " * 100_000)
reading, writing = os.pipe()
os.close(reading)
os.dup2(writing, 1)
sys.exit(main(["demo"]))
"""
    done = run_python("-c", code)
    assert done.returncode == 141
    assert done.stderr == ""
