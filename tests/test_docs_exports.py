"""The code of docs/exports.md and docs/search.md runs and gives what `transform` gives."""

import json
import re
import shutil
import subprocess
import warnings
from pathlib import Path

import numpy as np
import pytest

from madapt import MatryoshkaAdaptor
from madapt.datasets import load_cranfield
from madapt.neighbors import top_k

DOCS = Path(__file__).parents[1] / "docs"


def blocks(page, language="python"):
    text = (DOCS / page).read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


@pytest.fixture(scope="module")
def names():
    """What the pages take as given."""
    data = load_cranfield("test")
    adaptor = MatryoshkaAdaptor(max_iter=2, guard=False, random_state=0).fit(data.corpus)
    return {"adaptor": adaptor, "X": data.corpus, "Q": data.queries}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(code, names, *libraries):
    names = dict(names)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # SWIG's types, in FAISS
        for library in libraries:
            pytest.importorskip(library, reason=f"the page uses {library} there")
    exec(compile(code, "docs", "exec"), names)
    return names


def assert_adapted(found, names):
    np.testing.assert_allclose(found, names["adaptor"].transform(names["X"], dim=64), atol=1e-6)


def block_with(page, text):
    (found,) = (code for code in blocks(page) if text in code)
    return found


@pytest.mark.usefixtures("folder")
def test_onnx(names):
    after = run(block_with("exports.md", "to_onnx"), names, "onnx", "onnxruntime")
    assert_adapted(after["documents"], names)


@pytest.mark.usefixtures("folder")
def test_one_matrix(names):
    after = run(block_with("exports.md", "to_npy"), names)
    assert_adapted(after["documents"], names)


@pytest.mark.usefixtures("folder")
def test_faiss(names):
    after = run(block_with("exports.md", "to_faiss"), names, "faiss")
    small = names["adaptor"].transform(names["X"], dim=64)
    _, wanted = top_k(small[:10], small, 10)
    np.testing.assert_allclose(after["similarities"], wanted, atol=1e-6)


@pytest.mark.usefixtures("folder")
def test_sentence_transformers(names):
    library = pytest.importorskip("sentence_transformers", reason="too heavy for CI")
    tokenizers, torch = pytest.importorskip("tokenizers"), pytest.importorskip("torch")
    texts = [f"word{i}" for i in range(len(names["X"]))]
    words = {word: i for i, word in enumerate(texts)}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, unk_token="word0"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    static = library.sentence_transformer.modules.StaticEmbedding(
        tokenizer, embedding_weights=torch.from_numpy(names["X"].copy())
    )
    model = library.SentenceTransformer(modules=[static], device="cpu")
    code = block_with("exports.md", "to_sentence_transformers")
    after = run(code, names | {"model": model, "texts": texts})
    assert_adapted(after["documents"], names)


def program(name):
    found = shutil.which(name)
    return found or pytest.skip(f"{name} is not installed")


def test_javascript(names, folder):
    node = program("node")
    run(block_with("exports.md", "to_npy"), names)
    names["X"][:3].astype("<f4").tofile(folder / "rows")
    (code,) = blocks("exports.md", "js")
    code += """
const rows = readFileSync("rows");
const x = new Float32Array(rows.buffer.slice(rows.byteOffset, rows.byteOffset + rows.length));
console.log(JSON.stringify([0, 1, 2].map((i) => [...adapt(x.slice(i * d, (i + 1) * d), 64)])));
"""
    (folder / "page.mjs").write_text(code)
    done = subprocess.run([node, "page.mjs"], capture_output=True, text=True, check=True)
    found = np.array(json.loads(done.stdout))
    np.testing.assert_allclose(found, names["adaptor"].transform(names["X"][:3], 64), atol=1e-6)


def test_rust(names, folder):
    rustc = program("rustc")
    run(block_with("exports.md", "to_npy"), names)
    numbers = ", ".join(f"{x}f32" for x in names["X"][0])
    (code,) = blocks("exports.md", "rust")
    code = f"let (d, m) = (384, 64); let x: Vec<f32> = vec![{numbers}];{code}"
    code += 'println!("{:?}", y); Ok(())'
    (folder / "page.rs").write_text(f"fn main() -> std::io::Result<()> {{ {code} }}")
    subprocess.run([rustc, "--edition", "2021", "page.rs"], check=True, capture_output=True)
    done = subprocess.run([folder / "page"], capture_output=True, text=True, check=True)
    wanted = names["adaptor"].transform(names["X"][:1], 64)[0]
    np.testing.assert_allclose(json.loads(done.stdout), wanted, atol=1e-6)


def test_duckdb(names):
    duckdb = pytest.importorskip("duckdb", reason="the page's SQL is run by DuckDB")
    rows = names["X"][:20]
    connection = duckdb.connect()
    connection.execute("CREATE TABLE rotation (j INTEGER, component FLOAT[])")
    connection.execute("CREATE TABLE documents (id INTEGER, embedding FLOAT[])")
    for table, vectors in (("rotation", names["adaptor"].rotation_), ("documents", rows)):
        numbered = [[i, vector.tolist()] for i, vector in enumerate(vectors)]
        connection.executemany(f"INSERT INTO {table} VALUES (?, ?)", numbered)
    (code,) = (code for code in blocks("exports.md", "sql") if "list_inner_product" in code)
    found = dict(connection.execute(code).fetchall())
    wanted = names["adaptor"].transform(rows, dim=64)
    np.testing.assert_allclose([found[i] for i in range(20)], wanted, atol=1e-6)


@pytest.mark.usefixtures("folder")
def test_search(names):
    exact, _ = top_k(names["Q"], names["X"], 10)
    found, after = [], names
    for code in blocks("search.md"):
        after = run(code, after)
        found.append(after["indices"])
    assert len(found) == 3
    for indices in found:
        assert (indices[:, :, None] == exact[:, None, :]).any(axis=2).mean() > 0.99
