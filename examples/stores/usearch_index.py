"""usearch: an index of small vectors in int8 finds; whole ones, in a file, rank.

pip install usearch
python examples/stores/usearch_index.py
"""

import tempfile

import numpy as np
from usearch.index import Index

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
        index = Index(ndim=64, metric="cos", dtype="i8", expansion_search=80)
        index.add(np.arange(len(small)), small)

        candidates = index.search(small_queries, 80).keys.astype(int)  # (n_queries, 80)
        similarities = np.einsum("qcd,qd->qc", whole[candidates], queries)
        best = np.argsort(-similarities, axis=1)[:, :10]
        found = np.take_along_axis(candidates, best, axis=1)

    exact, _ = top_k(queries, data.corpus, 10)
    recall = np.mean([np.isin(a, b).mean() for a, b in zip(exact, found, strict=True)])
    print(f"recall@10: {recall:.3f}")
    return recall


if __name__ == "__main__":
    main()
