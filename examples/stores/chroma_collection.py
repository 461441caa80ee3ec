"""Chroma: a collection of small vectors finds; whole ones, in a file, rank.

pip install chromadb
python examples/stores/chroma_collection.py
"""

import tempfile

import chromadb
import numpy as np

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
        np.save(f"{folder}/whole.npy", data.corpus)
        whole = np.load(f"{folder}/whole.npy", mmap_mode="r")  # candidates are read, no others
        documents = chromadb.PersistentClient(f"{folder}/chroma").create_collection(
            "documents",
            embedding_function=None,  # else Chroma fetches a model of its own
            configuration={"hnsw": {"space": "cosine", "ef_search": 80}},
        )
        documents.add(ids=[str(i) for i in range(len(small))], embeddings=small)

        answers = documents.query(query_embeddings=small_queries, n_results=80, include=[])
        candidates = np.array(answers["ids"]).astype(int)  # (n_queries, 80)
        similarities = np.einsum("qcd,qd->qc", whole[candidates], queries)
        best = np.argsort(-similarities, axis=1)[:, :10]
        found = np.take_along_axis(candidates, best, axis=1)

    exact, _ = top_k(queries, data.corpus, 10)
    recall = np.mean([np.isin(a, b).mean() for a, b in zip(exact, found, strict=True)])
    print(f"recall@10: {recall:.3f}")
    return recall


if __name__ == "__main__":
    main()
