"""LanceDB: two columns of one table; the small one finds, the whole one is fetched to rank.

pip install lancedb
python examples/stores/lancedb_columns.py
"""

import tempfile

import lancedb
import numpy as np
import pyarrow as pa

from madapt import MatryoshkaAdaptor
from madapt.datasets import load_cranfield
from madapt.neighbors import top_k


def main() -> float:
    """Return recall@10 against exact search by whole vectors."""
    data = load_cranfield()
    queries = data.queries[data.test]
    adaptor = MatryoshkaAdaptor(random_state=0).fit(data.corpus, queries=data.queries[data.train])
    small = adaptor.transform(data.corpus, dim=64)
    small_queries = adaptor.transform(queries, dim=64, side="query")

    def column(rows: np.ndarray) -> pa.Array:
        return pa.FixedSizeListArray.from_arrays(rows.ravel(), rows.shape[1])

    with tempfile.TemporaryDirectory() as folder:
        columns = {
            "id": np.arange(len(small)),
            "small": column(small),
            "whole": column(data.corpus),
        }
        documents = lancedb.connect(folder).create_table("documents", pa.table(columns))
        # From some 100,000 rows on: documents.create_index("cosine", vector_column_name="small").
        found = []
        for query, prefix in zip(queries, small_queries, strict=True):
            search = documents.search(prefix, vector_column_name="small").distance_type("cosine")
            candidates = search.limit(80).select(["id", "whole", "_distance"]).to_arrow()
            whole = candidates["whole"].combine_chunks().flatten().to_numpy().reshape(-1, 384)
            best = np.argsort(-(whole @ query))[:10]
            found.append(candidates["id"].to_numpy()[best])

    exact, _ = top_k(queries, data.corpus, 10)
    recall = np.mean([np.isin(a, b).mean() for a, b in zip(exact, found, strict=True)])
    print(f"recall@10: {recall:.3f}")
    return recall


if __name__ == "__main__":
    main()
