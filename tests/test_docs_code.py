"""The Python code of README and of every page of the docs runs, each page from top to bottom.

A page is run here, with small data and few steps, unless another test runs it. A block that
cannot run stands below `<!-- not run: REASON -->`.
"""

import re
import warnings
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from scipy.sparse import csr_array

from madapt import MatryoshkaAdaptor, exceptions

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
if not DOCS.exists():
    pytest.skip("the docs are not there, only the package", allow_module_level=True)
#: Pages that other tests run, with data of their own.
ELSEWHERE = {
    "README.md": "tests/test_readme.py",
    "adapters.md": "tests/test_docs_adapters.py",
    "command-line.md": "tests/commands/test_docs.py",
    "dask.md": "tests/test_docs_dask.py",
    "exports.md": "tests/test_docs_exports.py",
    "migration.md": "tests/test_docs_stores.py",
    "model-selection.md": "tests/test_docs_model_selection.py",
    "out-of-core.md": "tests/test_docs_out_of_core.py",
    "pgvector.md": "tests/test_docs_stores.py",
    "search.md": "tests/test_docs_exports.py",
}
#: What a page's code needs beyond what the tests install for the oldest versions.
NEEDS = {
    "hnsw.md": ("faiss",),
    "incremental.md": ("matplotlib", "rich", "sklearn.callback"),
    "start.md": ("matplotlib", "pandas"),
}
#: What a page says, and what is run: a fit of three steps is over in half a second.
INSTEAD = {"Deadline(0.5)": "Deadline(0.0)"}
BLOCK = re.compile(
    r"(?:<!-- not run: (?P<reason>.*?) -->\n)?```python\n(?P<code>.*?)```", re.DOTALL
)


def pages_with_code():
    pages = [ROOT / "README.md", *sorted(DOCS.glob("*.md"))]
    return [page.name for page in pages if "```python" in page.read_text(encoding="utf-8")]


def blocks(name):
    """Return the page's blocks that run; each other one must say why not."""
    text = (DOCS / name).read_text(encoding="utf-8")
    found = list(BLOCK.finditer(text))
    assert len(found) == text.count("```python")
    assert all(block["reason"] is None or block["reason"].strip() for block in found)
    codes = [block["code"] for block in found if block["reason"] is None]
    for said, run in INSTEAD.items():
        codes = [code.replace(said, run) for code in codes]
    return codes


@pytest.fixture
def names(monkeypatch):
    """What pages take as given: documents X, queries Q, judgments R, and an adaptor."""
    monkeypatch.setitem(MatryoshkaAdaptor.__init__.__kwdefaults__, "max_iter", 3)
    generator = np.random.default_rng(0)
    centres = generator.standard_normal((30, 160))
    X = (centres[np.arange(300) % 30] + generator.standard_normal((300, 160))).astype(np.float32)
    Q = X[:40] + 0.5 * generator.standard_normal((40, 160)).astype(np.float32)
    R = csr_array((np.ones(40, np.float32), (np.arange(40), np.arange(40))), shape=(40, 300))
    adaptor = MatryoshkaAdaptor(random_state=0).fit(X)
    # A stamp that was written down earlier is that of the adaptor, whichever the page makes.
    return {"X": X, "Q": Q, "R": R, "adaptor": adaptor, "index_stamp": mock.ANY}


@pytest.mark.parametrize("page", [page for page in pages_with_code() if page not in ELSEWHERE])
def test_code_runs_from_top_to_bottom(page, names, tmp_path, monkeypatch):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # SWIG's types, in FAISS
        for library in NEEDS.get(page, ()):
            pytest.importorskip(library, reason="the page uses it")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    code = blocks(page)
    assert code
    with warnings.catch_warnings():
        # A page that stops a fit says so, and so does the fit.
        warnings.simplefilter("ignore", exceptions.InterruptedWarning)
        for block in code:
            exec(compile(block, page, "exec"), names)


def test_pages_that_run_elsewhere_have_code_and_a_test_that_names_them():
    assert ELSEWHERE.keys() <= set(pages_with_code())
    for page, test in ELSEWHERE.items():
        assert page in (ROOT / test).read_text(encoding="utf-8"), f"{test} does not run {page}"
