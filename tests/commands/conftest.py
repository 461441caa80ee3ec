"""Cranfield in every format that the command line reads, and a model."""

import json
from importlib.util import find_spec

import numpy as np
import pytest
from sklearn.utils import Bunch

from madapt import MatryoshkaAdaptor
from madapt.cli import main
from madapt.datasets import load_cranfield

# A conftest cannot skip: without these extras the tests beside it are not collected.
if find_spec("typer") is None or find_spec("pyarrow") is None:
    collect_ignore_glob = ["test_*.py"]

N_DOCS = 400


def write_jsonl(path, X, ids):
    lines = (
        json.dumps({"_id": one, "embedding": [float(x) for x in row.tolist()]})
        for one, row in zip(ids.tolist(), X, strict=True)
    )
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_parquet(path, X, ids, *, is_fixed=True):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    values = pyarrow.array(X.ravel())
    offsets = pyarrow.array(np.arange(len(X) + 1, dtype=np.int32) * X.shape[1])
    lists = pyarrow.FixedSizeListArray.from_arrays(values, X.shape[1])
    if not is_fixed:
        lists = pyarrow.ListArray.from_arrays(offsets, values)
    names = pyarrow.array(ids)
    parquet.write_table(pyarrow.table({"id": names, "vector": lists}), path)


@pytest.fixture(scope="session")
def data():
    """The first documents, and the test queries that find any of them."""
    whole = load_cranfield("test")
    qrels = whole.qrels[:, :N_DOCS]
    rows = np.flatnonzero(np.diff(qrels.indptr))
    return Bunch(
        corpus=whole.corpus[:N_DOCS],
        corpus_ids=whole.corpus_ids[:N_DOCS],
        queries=whole.queries[rows],
        query_ids=whole.query_ids[rows],
        qrels=qrels[rows],
    )


@pytest.fixture(scope="session")
def files(data, tmp_path_factory):
    """The folder that holds them in all formats."""
    folder = tmp_path_factory.mktemp("cranfield")
    for side, ids in (("corpus", data.corpus_ids), ("queries", data.query_ids)):
        X = data[side]
        np.save(folder / f"{side}.npy", X)
        np.savez(folder / f"{side}.npz", embedding=X, ids=ids)
        write_parquet(folder / f"{side}.parquet", X, ids)
        write_parquet(folder / f"{side}.pq", X, ids, is_fixed=False)
        write_jsonl(folder / f"{side}.jsonl", X, ids)
    beir = folder / "beir"
    (beir / "qrels").mkdir(parents=True)
    np.savez(
        beir / "minilm.npz",
        corpus=data.corpus,
        corpus_ids=data.corpus_ids,
        queries=data.queries,
        query_ids=data.query_ids,
    )
    entries = data.qrels.tocoo()
    named = [
        (data.query_ids[i], data.corpus_ids[j], f"{grade:g}")
        for i, j, grade in zip(entries.row, entries.col, entries.data, strict=True)
    ]
    lines = ["\t".join(entry) for entry in [("query-id", "corpus-id", "score"), *named]]
    (beir / "qrels" / "test.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "qrels.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    lines = [f"{query} 0 {document} {grade}" for query, document, grade in named]
    (folder / "qrels.trec").write_text("\n".join(lines) + "\n", encoding="utf-8")
    lines = [
        f"{i} 0 {j} {grade:g}"
        for i, j, grade in zip(entries.row, entries.col, entries.data, strict=True)
    ]
    (folder / "rows.trec").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def adaptor(data):
    return MatryoshkaAdaptor(dims=(8, 64, 384), max_iter=1, random_state=0).fit(data.corpus)


@pytest.fixture(scope="session")
def model(adaptor, tmp_path_factory):
    """The file of the adaptor."""
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    adaptor.save(path)
    return path


@pytest.fixture
def command(capsys):
    """Run a command; return its exit code, stdout and stderr."""

    def run(*arguments):
        code = main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return code, out, err

    return run


@pytest.fixture
def succeed(command):
    """Run a command that succeeds, says nothing but that labels were refused; return its JSON."""

    def run(*arguments):
        code, out, err = command(*arguments, "--json")
        assert code == 0
        assert err == "" or (err.count("\n") == 1 and "judgments were not learned from" in err)
        assert out.count("\n") == 1
        return json.loads(out)

    return run
