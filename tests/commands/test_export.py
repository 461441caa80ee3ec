"""`madapt export` writes what madapt.export writes, whole or not at all."""

import json

import numpy as np
import pytest

from madapt import MatryoshkaAdaptor
from madapt.export import to_npy, to_onnx

MODULES = [{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"}]


@pytest.fixture(scope="module")
def labelled(data, tmp_path_factory):
    """A model that centres, with an MLP."""
    path = tmp_path_factory.mktemp("labelled") / "model.safetensors"
    fitted = MatryoshkaAdaptor(dims=(8, 384), max_iter=1, guard=False, center=1.0)
    fitted.fit(data.corpus, queries=data.queries, qrels=data.qrels).save(path)
    return path


@pytest.fixture
def saved(tmp_path):
    """A folder as SentenceTransformer.save leaves it, as far as the export reads it."""
    folder = tmp_path / "saved"
    folder.mkdir()
    (folder / "modules.json").write_text(json.dumps(MODULES))
    return folder


def test_npy(model, adaptor, tmp_path, succeed):
    path, same = tmp_path / "rotation.npy", tmp_path / "same.npy"
    found = succeed("export", model, "--to", "npy", "-o", path, "--dim", 64)
    to_npy(adaptor, same, 64)
    assert path.read_bytes() == same.read_bytes()
    assert found["bytes_out"] == path.stat().st_size
    assert (found["to"], found["d"], found["dim"]) == ("npy", 384, 64)
    assert found["fingerprint"] == adaptor.fingerprint_


@pytest.mark.parametrize("side", ["document", "query"])
def test_onnx(side, labelled, tmp_path, succeed):
    pytest.importorskip("onnx")
    path, same = tmp_path / "a.onnx", tmp_path / "same.onnx"
    found = succeed("export", labelled, "--to", "onnx", "-o", path, "--side", side)
    to_onnx(MatryoshkaAdaptor.load(labelled), same, side=side)
    assert path.read_bytes() == same.read_bytes()
    assert found["bytes_out"] == path.stat().st_size
    assert found["is_centered"]


def test_faiss_reads_what_was_written(model, adaptor, data, tmp_path, succeed):
    faiss = pytest.importorskip("faiss")
    path = tmp_path / "rotation.faiss"
    found = succeed("export", model, "--to", "faiss", "-o", path, "--dim", 64)
    assert found["bytes_out"] == path.stat().st_size
    Z = faiss.read_VectorTransform(str(path)).apply(np.ascontiguousarray(data.corpus))
    Z /= np.linalg.norm(Z, axis=1, keepdims=True)
    np.testing.assert_allclose(Z, adaptor.transform(data.corpus, dim=64), atol=1e-5)


def test_sentence_transformers(labelled, saved, succeed, command):
    found = succeed("export", labelled, "--to", "sentence-transformers", "-o", saved)
    modules = json.loads((saved / "modules.json").read_text())
    assert [one["type"].rpartition(".")[2] for one in modules] == [
        "Transformer",
        "Normalize",
        "Dense",
        "Dense",
        "Normalize",
    ]
    written = sum(one.stat().st_size for one in saved.rglob("*") if one.is_file())
    assert found["bytes_out"] == written - len(json.dumps(MODULES))
    code, out, err = command("export", labelled, "--to", "sentence-transformers", "-o", saved)
    assert (code, out) == (2, "")
    assert err.startswith("madapt: error: --output must be a model without an adaptor, got ")


def test_what_is_printed_says_what_comes_next(labelled, tmp_path, command):
    pytest.importorskip("onnx")
    path = tmp_path / "a.onnx"
    code, out, err = command("export", labelled, "--to", "onnx", "-o", path)
    assert (code, err) == (0, "")
    first, second, third = out.splitlines()
    assert first.startswith(f"Wrote {path}: an ONNX graph whose inputs are vectors and dim, side")
    assert second == f"Fingerprint: {MatryoshkaAdaptor.load(labelled).fingerprint_}"
    assert third == "The adaptor centres: the other side needs its own, with --side query."


@pytest.mark.parametrize(
    ("kind", "name"),
    [("npy", "a.npy"), ("onnx", "a.onnx"), ("faiss", "a.faiss"), ("sentence-transformers", "")],
)
def test_a_dry_run_knows_the_size_and_writes_nothing(kind, name, model, saved, succeed, command):
    if kind in ("onnx", "faiss"):
        pytest.importorskip(kind)
    before = {one: one.read_bytes() for one in saved.rglob("*")}
    arguments = ["export", model, "--to", kind, "-o", saved / name]
    plan = succeed(*arguments, "--dry-run")
    code, out, _ = command(*arguments, "--dry-run")
    assert code == 0
    assert out.endswith("Nothing was written.\n")
    assert {one: one.read_bytes() for one in saved.rglob("*")} == before
    assert plan["dry_run"]
    assert succeed(*arguments)["bytes_out"] == plan["bytes_out"]


BAD = [
    ("{model} --to tar -o {out}/a.tar", "--to must be one of "),
    ("{model} --to npy -o {out}/a.onnx", "--output must end in .npy, got "),
    ("{model} --to onnx -o {out}/no/a.onnx", "--output must be a file in a folder that exists"),
    ("{model} --to onnx -o {out}/a.onnx --dim 8", "--dim must come with --to faiss or npy, got 8"),
    ("{model} --to npy -o {out}/a.npy --dim 385", "--dim must lie in 1..384, got 385"),
    ("{model} --to npy -o {out}/a.npy --side left", "--side must be one of "),
    ("{model} --to sentence-transformers -o {out}", "--output must be a folder with modules.json"),
    ("{labelled} --to npy -o {out}/a.npy", "MODEL must be linear for one matrix, got one with"),
    ("{labelled} --to faiss -o {out}/a.faiss", "MODEL must be linear for faiss.LinearTransform"),
    ("{out}/no --to npy -o {out}/a.npy", "MODEL must be a file that exists, got "),
]


@pytest.mark.parametrize(("arguments", "message"), BAD, ids=[one[0] for one in BAD])
@pytest.mark.parametrize("dry", [[], ["--dry-run"]], ids=["", "dry"])
def test_errors_name_the_argument(arguments, message, dry, model, labelled, tmp_path, command):
    words = {"model": model, "labelled": labelled, "out": tmp_path}
    code, out, err = command("export", *arguments.format(**words).split(), *dry)
    assert (code, out) == (2, "")
    assert err.startswith(f"madapt: error: {message}")
    assert err.count("\n") == 1
    assert not list(tmp_path.iterdir())
