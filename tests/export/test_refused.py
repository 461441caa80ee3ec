"""What every export refuses, before it writes anything."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from madapt import MatryoshkaAdaptor
from madapt.baselines import PCAReducer
from madapt.export import to_faiss, to_npy, to_onnx, to_sentence_transformers

ROOT = Path(__file__).parents[2]
WRITERS = [to_npy, to_onnx, to_sentence_transformers]


@pytest.fixture
def path(tmp_path):
    """A path for any of them."""
    (tmp_path / "modules.json").write_text('[{"name": "0"}]')
    return tmp_path


@pytest.mark.parametrize("export", [*WRITERS, to_faiss])
def test_what_is_no_fitted_adaptor(export, path):
    where = () if export is to_faiss else (path / "there",)
    baseline = PCAReducer().fit(np.eye(4))
    for other, name in ((baseline, "PCAReducer"), (None, "NoneType"), (MatryoshkaAdaptor, "ABC")):
        name = "type" if name == "ABC" else name
        message = f"adaptor must be a fitted MatryoshkaAdaptor, got .*{name}"
        with pytest.raises(TypeError, match=message):
            export(other, *where)
    with pytest.raises(NotFittedError):
        export(MatryoshkaAdaptor(), *where)
    assert [one.name for one in path.iterdir()] == ["modules.json"]


@pytest.mark.parametrize("export", WRITERS)
@pytest.mark.parametrize("where", [None, 3, b"there"])
def test_what_is_no_path(export, models, where):
    with pytest.raises(TypeError, match="path must be a str or a path, got "):
        export(models["rotation"], where)


@pytest.mark.parametrize("side", ["doc", None, 3])
@pytest.mark.parametrize("export", [to_onnx, to_sentence_transformers, to_faiss])
def test_side(export, models, path, side):
    where = () if export is to_faiss else (path,)
    with pytest.raises(ValueError, match="side must be one of 'document', 'query', got "):
        export(models["rotation"], *where, side=side)


@pytest.mark.parametrize(
    ("dim", "error"), [(0, ValueError), (13, ValueError), (8.0, TypeError), ("8", TypeError)]
)
def test_dim(models, path, dim, error):
    for call in (
        lambda: to_npy(models["rotation"], path / "there", dim),
        lambda: to_faiss(models["rotation"], dim),
    ):
        with pytest.raises(error, match=f"dim must .* 1..12, got {dim!r}"):
            call()
    assert not (path / "there").exists()


@pytest.mark.parametrize(("module", "export"), [("onnx", to_onnx), ("faiss", to_faiss)])
def test_a_missing_library_is_named(models, path, monkeypatch, module, export):
    monkeypatch.setitem(sys.modules, module, None)
    where = () if export is to_faiss else (path / "there",)
    message = rf"{export.__name__} needs .*, which is not installed: pip install 'madapt\[{module}"
    with pytest.raises(ImportError, match=message):
        export(models["rotation"], *where)
    assert not (path / "there").exists()


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import madapt.export, madapt.search", {"faiss", "onnx", "torch", "numba", "matplotlib"}),
        ("import madapt", {"madapt.export", "madapt.search"}),
    ],
)
def test_importing_is_light(statement, absent):
    code = f"import sys; {statement}; print(*sys.modules)"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    assert not absent & set(done.stdout.split())
