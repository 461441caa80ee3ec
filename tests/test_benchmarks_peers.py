"""The competitors of the benchmarks learn, have the face of the others, and repeat themselves."""

import importlib
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_array

from madapt.baselines import SVDRotation
from madapt.datasets import load_cranfield
from madapt.evaluation import dimension_curve

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"

if not BENCHMARKS.exists():
    pytest.skip("the benchmarks are not there, only the package", allow_module_level=True)
pytest.importorskip("torch", reason="the competitors are written in PyTorch")

DIMS = (8, 32)
FEW_STEPS = {
    "SMEC": {"max_steps": 40, "learning_rate": 3e-3},
    "DIVE": {"max_steps": 40, "learning_rate": 3e-3, "n_queries": 32},
}


@pytest.fixture(scope="module")
def data():
    return load_cranfield()


@pytest.fixture(params=FEW_STEPS)
def make(request, monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    peer = getattr(importlib.import_module(f"peers_{request.param.lower()}"), request.param)

    def made(**parameters):
        return peer(DIMS, **{**FEW_STEPS[request.param], **parameters})

    return made


def judged(data, n_queries):
    return {"queries": data.queries[:n_queries], "qrels": csr_array(data.qrels[:n_queries])}


def test_each_learns_from_judgments(make, data):
    methods = {
        "start": SVDRotation().fit(data.corpus),
        "peer": make().fit(data.corpus, **judged(data, len(data.queries))),
    }
    found = dimension_curve(methods, data.corpus, data.queries, data.qrels, dims=DIMS)
    start, peer = (found.scores[name]["ndcg@10"] for name in methods)
    assert (peer > start + 0.03).all()


def test_rows_are_float32_of_unit_length(make, data):
    peer = make(max_steps=2).fit(data.corpus[:300], **few(data, 300))
    for m in (*DIMS, 384):
        Z = peer.transform(data.queries, dim=m)
        assert Z.shape == (len(data.queries), m)
        assert Z.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(Z, axis=1), 1, rtol=1e-5)


def few(data, n_docs):
    """The first 25 queries that have something relevant among so many documents."""
    qrels = csr_array(data.qrels[:, :n_docs])
    rows = np.flatnonzero(np.asarray((qrels > 0).sum(axis=1)).ravel())[:25]
    return {"queries": data.queries[rows], "qrels": csr_array(qrels[rows])}


def test_the_same_number_gives_the_same_rows(make, data):
    one, same, other = (
        make(max_steps=3, random_state=seed).fit(data.corpus[:300], **few(data, 300))
        for seed in (0, 0, 1)
    )
    Z = one.transform(data.queries, dim=8)
    np.testing.assert_array_equal(same.transform(data.queries, dim=8), Z)
    assert not np.array_equal(other.transform(data.queries, dim=8), Z)


def test_smec_learns_without_judgments(monkeypatch, data):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    peer = importlib.import_module("peers_smec").SMEC(DIMS, max_steps=5).fit(data.corpus)
    start = SVDRotation().fit(data.corpus)
    assert peer.transform(data.corpus, dim=8).shape == (len(data.corpus), 8)
    before, after = (abs(method.transform(data.corpus, dim=384)) for method in (start, peer))
    assert not np.allclose(before, after, atol=1e-4)


def test_dive_asks_for_judgments(monkeypatch, data):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    with pytest.raises(ValueError, match="queries and qrels must be given"):
        importlib.import_module("peers_dive").DIVE(DIMS).fit(data.corpus)
