"""Milvus: two fields of vectors; the small one finds, the whole one comes along to rank.

pip install pymilvus milvus-lite
python examples/stores/milvus_fields.py
"""

import tempfile

import numpy as np
from pymilvus import DataType, MilvusClient

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

    with tempfile.TemporaryDirectory() as folder:
        client = MilvusClient(f"{folder}/documents.db")  # Milvus Lite; an address for a server
        schema = client.create_schema()
        schema.add_field("id", DataType.INT64, is_primary=True)
        schema.add_field("small", DataType.FLOAT_VECTOR, dim=64)
        schema.add_field("whole", DataType.FLOAT_VECTOR, dim=384)
        index = client.prepare_index_params()
        index.add_index("small", index_type="HNSW", metric_type="COSINE")
        index.add_index("whole", index_type="FLAT", metric_type="COSINE")
        client.create_collection("documents", schema=schema, index_params=index)
        rows = enumerate(zip(small, data.corpus, strict=True))
        client.insert("documents", [{"id": i, "small": s, "whole": w} for i, (s, w) in rows])

        answers = client.search(
            "documents", list(small_queries), anns_field="small", limit=80, output_fields=["whole"]
        )
        found = []
        for query, hits in zip(queries, answers, strict=True):
            whole = np.array([hit["entity"]["whole"] for hit in hits])
            best = np.argsort(-(whole @ query))[:10]
            found.append([hits[i]["id"] for i in best])
        client.close()

    exact, _ = top_k(queries, data.corpus, 10)
    recall = np.mean([np.isin(a, b).mean() for a, b in zip(exact, found, strict=True)])
    print(f"recall@10: {recall:.3f}")
    return recall


if __name__ == "__main__":
    main()
