"""FAISS: an index that takes vectors as they are, adapts, finds by 64 dims and ranks by all.

pip install "madapt[faiss]"
python examples/stores/faiss_refine.py
"""

import faiss
import numpy as np

from madapt import MatryoshkaAdaptor
from madapt.datasets import load_cranfield
from madapt.export import to_faiss
from madapt.neighbors import top_k


def main() -> float:
    """Return recall@10 against exact search by whole vectors."""
    data = load_cranfield()
    queries = data.queries[data.test]
    adaptor = MatryoshkaAdaptor(random_state=0).fit(data.corpus)  # without centring, for one index

    graph = faiss.IndexHNSWFlat(64, 32, faiss.METRIC_INNER_PRODUCT)
    graph.hnsw.efSearch = 80
    finding = faiss.IndexPreTransform(faiss.NormalizationTransform(64), graph)
    finding.prepend_transform(to_faiss(adaptor, dim=64))
    index = faiss.IndexRefineFlat(finding)
    index.k_factor = 8
    index.add(data.corpus)
    _, found = index.search(queries, 10)

    exact, _ = top_k(queries, data.corpus, 10)
    recall = np.mean([np.isin(a, b).mean() for a, b in zip(exact, found, strict=True)])
    print(f"recall@10: {recall:.3f}")
    return recall


if __name__ == "__main__":
    main()
