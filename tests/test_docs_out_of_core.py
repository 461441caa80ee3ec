"""What docs/out-of-core.md says runs, and its figures are those of the benchmark."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from madapt import MatryoshkaAdaptor

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "out-of-core.md"
REPORT = ROOT / "benchmarks" / "results" / "out_of_core.json"

if not PAGE.exists():
    pytest.skip("the docs are not there, only the package", allow_module_level=True)


def test_the_code_runs(tmp_path, monkeypatch, capsys):
    X = np.random.default_rng(0).standard_normal((300, 128)).astype(np.float32)
    np.save(tmp_path / "corpus.npy", X)
    monkeypatch.chdir(tmp_path)
    # The code as it stands, with fewer steps behind it.
    monkeypatch.setitem(MatryoshkaAdaptor.__init__.__kwdefaults__, "max_iter", 3)
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    names = {}
    exec(compile(code, PAGE.name, "exec"), names)
    assert capsys.readouterr().out.startswith("\r300 of 300\n(300, 64), float32, madapt:")
    wanted = names["adaptor"].transform(X, 64)
    np.testing.assert_array_equal(np.load("small.npy"), wanted)


def test_the_figures_are_those_of_the_report():
    report = json.loads(REPORT.read_text(encoding="utf-8"))
    for found in report["files"].values():
        assert found["undisturbed is the reference"]
        assert found["killed is the reference"]
        assert not found["named before it was whole"]
        assert found["MiB"] < 500
    code = (
        "import json, sys; from out_of_core import figures; "
        "print(figures(json.load(open(sys.argv[1]))))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(REPORT)],
        cwd=ROOT / "benchmarks",
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    text = PAGE.read_text(encoding="utf-8")
    shown = re.search(r"<!-- figures -->\n(.*?)<!-- end of figures -->", text, re.DOTALL)[1]
    assert shown.strip() == done.stdout.strip()
