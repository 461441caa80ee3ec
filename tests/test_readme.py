"""What the README says runs: its code, and the commands it names."""

import re
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_array

from madapt import MatryoshkaAdaptor

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)


@pytest.fixture(scope="module")
def names():
    """The names that the README's code takes as given."""
    generator = np.random.default_rng(0)
    X = generator.standard_normal((150, 160)).astype(np.float32)
    Q = X[:40] + 0.5 * generator.standard_normal((40, 160)).astype(np.float32)
    R = csr_array((np.ones(40, np.float32), (np.arange(40), np.arange(40))), shape=(40, 150))
    return {"X": X, "Q": Q, "R": R}


def test_there_is_code():
    assert len(BLOCKS) == 4


def test_code_runs_from_top_to_bottom(names, monkeypatch):
    # The code as it stands, with fewer steps behind it.
    monkeypatch.setitem(MatryoshkaAdaptor.__init__.__kwdefaults__, "max_iter", 3)
    for block in BLOCKS:
        exec(compile(block, "README.md", "exec"), names)
    assert names["documents"].shape == (150, 64)
    assert names["queries"].shape == (40, 64)
    assert names["codes"].shape == (150, 32)
    assert names["decoded"].shape == (150, 128)
    assert 0 < names["search"].best_score_ <= 1
    assert names["pipeline"].transform(names["X"]).shape == (150, 64)


def test_relative_links_lead_somewhere():
    links = re.findall(r"\]\((?!https?:)([^)#]+)", README)
    assert links
    for link in links:
        assert (Path(__file__).parents[1] / link).exists(), link
