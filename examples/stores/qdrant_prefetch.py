"""Qdrant: two named vectors; one request finds by the small one and ranks by the whole one.

pip install qdrant-client
python examples/stores/qdrant_prefetch.py
"""

import numpy as np
from qdrant_client import QdrantClient, models

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

    client = QdrantClient(":memory:")  # QdrantClient(url="http://localhost:6333") for a server
    client.create_collection(
        "documents",
        vectors_config={
            "small": models.VectorParams(size=64, distance=models.Distance.COSINE),
            "whole": models.VectorParams(size=384, distance=models.Distance.COSINE, on_disk=True),
        },
    )
    rows = zip(small.tolist(), data.corpus.tolist(), strict=True)
    points = [
        models.PointStruct(id=i, vector={"small": prefix, "whole": whole})
        for i, (prefix, whole) in enumerate(rows)
    ]
    client.upload_points("documents", points)

    found = []
    for whole, prefix in zip(queries, small_queries, strict=True):
        first = models.Prefetch(query=prefix.tolist(), using="small", limit=80)
        answer = client.query_points(
            "documents", prefetch=first, query=whole.tolist(), using="whole", limit=10
        )
        found.append([point.id for point in answer.points])

    exact, _ = top_k(queries, data.corpus, 10)
    recall = np.mean([np.isin(a, b).mean() for a, b in zip(exact, found, strict=True)])
    print(f"recall@10: {recall:.3f}")
    return recall


if __name__ == "__main__":
    main()
