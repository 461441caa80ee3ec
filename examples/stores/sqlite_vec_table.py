"""sqlite-vec: small vectors in a virtual table find, whole ones rank, in one statement.

pip install sqlite-vec apsw  # apsw: many builds of Python's sqlite3 load no extensions
python examples/stores/sqlite_vec_table.py
"""

import apsw
import numpy as np
import sqlite_vec

from madapt import MatryoshkaAdaptor
from madapt.datasets import load_cranfield
from madapt.neighbors import top_k

CREATE = """
    CREATE VIRTUAL TABLE documents USING vec0(
      id integer PRIMARY KEY, small float[64] distance_metric=cosine, +whole blob)
"""
SEARCH = """
    WITH candidates AS MATERIALIZED (
      SELECT id, whole FROM documents WHERE small MATCH :small AND k = 80)
    SELECT id FROM candidates ORDER BY vec_distance_cosine(whole, :whole) LIMIT 10
"""


def main() -> float:
    """Return recall@10 against exact search by whole vectors."""
    data = load_cranfield()
    queries = data.queries[data.test]
    adaptor = MatryoshkaAdaptor(random_state=0).fit(data.corpus, queries=data.queries[data.train])
    small = adaptor.transform(data.corpus, dim=64)
    small_queries = adaptor.transform(queries, dim=64, side="query")

    connection = apsw.Connection(":memory:")  # or a file
    connection.enable_load_extension(True)
    connection.load_extension(sqlite_vec.loadable_path())
    connection.execute(CREATE)
    rows = enumerate(zip(small, data.corpus, strict=True))
    with connection:
        connection.executemany(
            "INSERT INTO documents VALUES (?, ?, ?)",
            ((i, prefix.tobytes(), whole.tobytes()) for i, (prefix, whole) in rows),
        )

    found = []
    for whole, prefix in zip(queries, small_queries, strict=True):
        given = {"small": prefix.tobytes(), "whole": whole.tobytes()}
        found.append([i for (i,) in connection.execute(SEARCH, given)])

    exact, _ = top_k(queries, data.corpus, 10)
    recall = np.mean([np.isin(a, b).mean() for a, b in zip(exact, found, strict=True)])
    print(f"recall@10: {recall:.3f}")
    return recall


if __name__ == "__main__":
    main()
