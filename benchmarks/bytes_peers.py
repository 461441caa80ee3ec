"""What else a vector store can keep in so many bytes: quantisers of FAISS, bits and floats."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from madapt._rows import unit_rows
from madapt.baselines import PCAReducer, SVDRotation, Truncation
from madapt.evaluation import retrieval_scores

Same = Callable[[np.ndarray], np.ndarray]
#: name of a variant, documents as they are scored, and what queries go through.
Variant = tuple[str, np.ndarray, Same]


def product_quantizers(X: np.ndarray, n_bytes: int) -> Iterator[Variant]:
    """Yield PQ on the vectors as they are: one byte for each of so many parts."""
    import faiss

    quantizer = faiss.ProductQuantizer(X.shape[1], n_bytes, 8)
    quantizer.train(X)
    yield "PQ", quantizer.decode(quantizer.compute_codes(X)), _same


def optimized_product_quantizers(X: np.ndarray, n_bytes: int) -> Iterator[Variant]:
    """Yield OPQ on all dims, and at 16 bytes on 96 of them, too: above those do worse."""
    import faiss

    d = X.shape[1]
    for kept in (96, d) if n_bytes <= 16 and d > 96 else (d,):
        rotation = faiss.OPQMatrix(d, n_bytes, kept)
        rotation.niter = 25
        rotation.train(X)
        A = faiss.vector_to_array(rotation.A).reshape(kept, d)
        Z = rotation.apply(X)
        quantizer = faiss.ProductQuantizer(kept, n_bytes, 8)
        quantizer.train(Z)
        decoded = quantizer.decode(quantizer.compute_codes(Z))
        yield f"OPQ, {kept} dims", decoded, lambda Q, A=A: Q @ A.T


def scalar_quantizers(X: np.ndarray, n_bytes: int, bits: int) -> Iterator[Variant]:
    """Yield FAISS's SQ on prefixes of truncation, PCA and SVD."""
    import faiss

    kind = {8: faiss.ScalarQuantizer.QT_8bit, 4: faiss.ScalarQuantizer.QT_4bit}[bits]
    m = n_bytes * 8 // bits
    for name, reducer in _reducers(X, m):
        Z = np.ascontiguousarray(reducer.transform(X, dim=m))
        quantizer = faiss.ScalarQuantizer(m, kind)
        quantizer.train(Z)
        decoded = quantizer.decode(quantizer.compute_codes(Z))
        yield f"{name}, {m} dims", decoded, lambda Q, r=reducer: r.transform(Q, dim=m)


def floats(X: np.ndarray, n_bytes: int, dtype: str) -> Iterator[Variant]:
    """Yield prefixes of truncation, PCA and SVD."""
    m = n_bytes // np.dtype(dtype).itemsize
    for name, reducer in _reducers(X, m):
        Z = reducer.transform(X, dim=m).astype(dtype).astype(np.float32)
        yield f"{name}, {m} dims", Z, lambda Q, r=reducer: r.transform(Q, dim=m)


def signs(X: np.ndarray, n_bytes: int, *, symmetric: bool) -> Iterator[Variant]:
    """Yield the signs of all dims, where they fit."""
    if n_bytes * 8 == X.shape[1]:
        yield f"{X.shape[1]} bits", _signs(X), _signs if symmetric else _same


#: Each peer's variants; the one that is best on the train queries stands for it.
PEERS: dict[str, Callable[[np.ndarray, int], Iterator[Variant]]] = {
    "FAISS SQ, 8 bits": lambda X, size: scalar_quantizers(X, size, 8),
    "FAISS SQ, 4 bits": lambda X, size: scalar_quantizers(X, size, 4),
    "signs of all dims, float queries": lambda X, size: signs(X, size, symmetric=False),
    "signs of all dims, Hamming": lambda X, size: signs(X, size, symmetric=True),
    "float16 prefix": lambda X, size: floats(X, size, "float16"),
    "float32 prefix": lambda X, size: floats(X, size, "float32"),
    "FAISS PQ": product_quantizers,
    "FAISS OPQ": optimized_product_quantizers,
}


def measure(peer: str, train: Any, test: Any, n_bytes: int) -> list[dict[str, Any]]:
    """Return nDCG@10 of each variant on the train and on the test queries.

    Documents are scored by the cosine of what is decoded, which forgives a quantiser that
    shortens; the inner product of FAISS's own search does not.
    """
    X = np.ascontiguousarray(unit_rows(test.corpus.astype(np.float32)))
    found = []
    for name, documents, through in PEERS[peer](X, n_bytes):
        scores = {}
        for split, data in (("train", train), ("test", test)):
            queries = through(data.queries.astype(np.float32))
            scores[split] = retrieval_scores(queries, documents, data.qrels)["ndcg@10"]
        found.append({"variant": name, **scores})
    return found


def _reducers(X: np.ndarray, m: int) -> Iterator[tuple[str, Any]]:
    if m > X.shape[1]:
        return
    for name, kind in (("truncation", Truncation), ("PCA", PCAReducer), ("SVD", SVDRotation)):
        yield name, kind().fit(X)


def _same(Q: np.ndarray) -> np.ndarray:
    return Q


def _signs(Q: np.ndarray) -> np.ndarray:
    return np.where(Q > 0, np.float32(1), np.float32(-1))
