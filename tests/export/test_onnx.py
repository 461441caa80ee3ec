"""The ONNX graph gives what `transform` gives, at every dim."""

import numpy as np
import pytest

from madapt import MatryoshkaAdaptor, __version__
from madapt.export import to_onnx

onnx = pytest.importorskip("onnx", reason="to_onnx needs onnx")
onnxruntime = pytest.importorskip("onnxruntime", reason="what to_onnx writes is run by onnxruntime")


def run(session, X, dim):
    return session.run(None, {"vectors": X, "dim": np.array([dim])})[0]


@pytest.fixture(scope="module", params=["document", "query"])
def side(request):
    return request.param


@pytest.fixture(scope="module")
def session(model, side, tmp_path_factory):
    path = tmp_path_factory.mktemp("onnx") / "adaptor.onnx"
    to_onnx(model, path, side=side)
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def test_is_what_transform_gives(session, model, side, rows, check, dim):
    check(run(session, rows, dim), model, dim, side)
    assert run(session, rows[:1], dim).shape == (1, dim)


@pytest.mark.parametrize("size", [1e-30, 1e-12, 1e30])
def test_lengths_are_safe(models, tmp_path, rows, check, size):
    X = rows * np.float32(size)
    for name in ("rotation", "centred"):
        to_onnx(models[name], tmp_path / "adaptor.onnx")
        session = onnxruntime.InferenceSession(tmp_path / "adaptor.onnx")
        check(run(session, X, 5), models[name], 5, X=X)


def test_at_the_size_of_an_embedding(tmp_path):
    from madapt.datasets import load_cranfield

    X = load_cranfield("test").corpus
    model = MatryoshkaAdaptor(max_iter=2, random_state=0, guard=False).fit(X[:600])
    to_onnx(model, tmp_path / "adaptor.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "adaptor.onnx")
    for dim in (1, 8, 64, 100, 384):
        np.testing.assert_allclose(run(session, X, dim), model.transform(X, dim=dim), atol=1e-6)


def test_a_dim_out_of_range_is_cut(models, tmp_path, rows):
    # As ONNX's Slice does; a graph cannot raise.
    to_onnx(models["rotation"], tmp_path / "adaptor.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "adaptor.onnx")
    assert run(session, rows, 100).shape == rows.shape


def test_the_file_says_where_it_comes_from_and_is_the_same_each_time(models, tmp_path):
    for name in ("one", "other"):
        to_onnx(models["gelu"], tmp_path / name, side="query")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()
    proto = onnx.load(tmp_path / "one")
    props = {prop.key: prop.value for prop in proto.metadata_props}
    fingerprint = models["gelu"].fingerprint_
    assert props == {"madapt": __version__, "fingerprint": fingerprint, "side": "query"}
    assert [(one.domain, one.version) for one in proto.opset_import] == [("", 13)]
    assert proto.ir_version == 7
    assert not proto.functions
    assert {node.domain for node in proto.graph.node} == {""}
