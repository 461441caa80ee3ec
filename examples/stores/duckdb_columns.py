"""DuckDB: two columns of one table; the small one finds, the whole one ranks, in one statement.

pip install duckdb pyarrow
python examples/stores/duckdb_columns.py
"""

import duckdb
import numpy as np
import pyarrow as pa

from madapt import MatryoshkaAdaptor
from madapt.datasets import load_cranfield
from madapt.neighbors import top_k

# For all queries at once. A prefix of adapted whole vectors: `whole[1:64]::FLOAT[64]`.
SEARCH = """
    SELECT queries.query, best.id FROM queries, LATERAL (
      SELECT id FROM (
        SELECT id, whole FROM documents
        ORDER BY array_cosine_distance(documents.small, queries.small) LIMIT 80) AS candidates
      ORDER BY array_cosine_distance(candidates.whole, queries.whole) LIMIT 10) AS best
    ORDER BY queries.query
"""


def main() -> float:
    """Return recall@10 against exact search by whole vectors."""
    data = load_cranfield()
    queries = data.queries[data.test]
    adaptor = MatryoshkaAdaptor(random_state=0).fit(data.corpus, queries=data.queries[data.train])
    small = adaptor.transform(data.corpus, dim=64)
    small_queries = adaptor.transform(queries, dim=64, side="query")

    def column(rows: np.ndarray) -> pa.Array:
        return pa.FixedSizeListArray.from_arrays(rows.ravel(), rows.shape[1])

    connection = duckdb.connect()  # or a file
    documents = {"id": np.arange(len(small)), "small": column(small), "whole": column(data.corpus)}
    connection.register("given", pa.table(documents))
    connection.execute("CREATE TABLE documents AS SELECT * FROM given")
    asked = {"query": np.arange(len(queries)), "small": column(small_queries)}
    asked["whole"] = column(queries)
    connection.register("asked", pa.table(asked))
    connection.execute("CREATE TABLE queries AS SELECT * FROM asked")
    answer = connection.execute(SEARCH).fetchnumpy()
    found = answer["id"].reshape(len(queries), 10)

    exact, _ = top_k(queries, data.corpus, 10)
    recall = np.mean([np.isin(a, b).mean() for a, b in zip(exact, found, strict=True)])
    print(f"recall@10: {recall:.3f}")
    return recall


if __name__ == "__main__":
    main()
