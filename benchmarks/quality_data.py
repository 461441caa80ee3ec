"""What the quality study fits on and scores: collections, halves, cuts, draws, wrong labels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import csr_array, vstack

from madapt.datasets import load_beir

#: Collection and vectors, in the order of the page.
PAIRS = (
    ("scifact", "minilm"),
    ("scifact", "mpnet"),
    ("nfcorpus", "minilm"),
    ("cranfield", "minilm"),
    ("cranfield", "mpnet"),
    ("cisi", "minilm"),
    ("cisi", "mpnet"),
)
_DIMS = (8, 16, 32, 64, 128, 256, 384, 768)


@dataclass(frozen=True)
class Case:
    """One fit and what it is scored on.

    Parameters
    ----------
    corpus : ndarray of shape (n_docs, d)
    queries : ndarray of shape (n_scored, d)
        Never seen by the fit.
    qrels : csr_array of shape (n_scored, n_docs)
    scored : ndarray of shape (n_scored,)
        Which of the test queries these are.
    seen : ndarray of shape (n_seen, d) or None
        Queries that the fit may see.
    seen_qrels : csr_array of shape (n_seen, n_docs) or None
        Their judgments, where it may see those, too.
    """

    corpus: np.ndarray
    queries: np.ndarray
    qrels: csr_array
    scored: np.ndarray
    seen: np.ndarray | None = None
    seen_qrels: csr_array | None = None

    @property
    def dims(self) -> tuple[int, ...]:
        """The prefixes that are scored, d among them."""
        return dims_of(self.corpus.shape[1])


def dims_of(d: int) -> tuple[int, ...]:
    """Return the prefixes that are scored."""
    return (*(m for m in _DIMS if m < d), d)


@lru_cache(maxsize=6)
def load(folder: Path, split: str, vectors: str) -> Any:
    """Read a split once a process."""
    return load_beir(folder, split, vectors=vectors)


def splits(folder: Path) -> set[str]:
    """Return the names of a collection's splits."""
    return {path.stem for path in (folder / "qrels").glob("*.tsv")}


def documents_only(folder: Path, vectors: str) -> Case:
    """Return a case in which nothing but the corpus is seen."""
    test = load(folder, "test", vectors)
    return Case(test.corpus, test.queries, test.qrels, np.arange(len(test.queries)))


def cut(case: Case, n_docs: int, seed: int) -> Case:
    """Keep so many documents: positives of the scored queries first, then others, at random."""
    generator = np.random.default_rng(seed)
    positive = np.zeros(len(case.corpus))
    positive[case.qrels.indices[case.qrels.data > 0]] = 1
    order = np.lexsort((generator.permutation(len(positive)), -positive))
    kept = np.sort(order[:n_docs])
    return replace(case, corpus=case.corpus[kept], qrels=csr_array(case.qrels[:, kept]))


def with_queries(case: Case, folder: Path, vectors: str) -> list[Case]:
    """Return cases with unlabeled queries: the train queries, or each half for the other."""
    if "train" in splits(folder):
        return [replace(case, seen=load(folder, "train", vectors).queries)]
    halves = np.array_split(np.random.default_rng(0).permutation(len(case.queries)), 2)
    return [
        replace(
            case,
            queries=case.queries[half],
            qrels=csr_array(case.qrels[half]),
            scored=half,
            seen=case.queries[other],
        )
        for half, other in (halves, halves[::-1])
    ]


def with_labels(case: Case, folder: Path, vectors: str, dev: bool = True) -> Case:
    """Return the case with the judged queries of train, and of dev where there is one."""
    names = ["train"] + (["dev"] if dev and "dev" in splits(folder) else [])
    parts = [load(folder, name, vectors) for name in names]
    return replace(
        case,
        seen=np.concatenate([part.queries for part in parts]),
        seen_qrels=csr_array(vstack([part.qrels for part in parts], format="csr")),
    )


def fewer_queries(case: Case, n: int, seed: int) -> Case | None:
    """Return the case with the first n of the seen queries, shuffled; None if there are fewer."""
    if n > len(case.seen):
        return None
    chosen = np.random.default_rng(seed).permutation(len(case.seen))[:n]
    labels = None if case.seen_qrels is None else csr_array(case.seen_qrels[chosen])
    return replace(case, seen=case.seen[chosen], seen_qrels=labels)


def misled(case: Case, how: str, seed: int) -> Case:
    """Return the case with judgments that teach nothing, or the opposite."""
    generator = np.random.default_rng(seed)
    return replace(case, seen_qrels=csr_array(MISLEADING[how](case, generator)))


def _random_labels(case: Case, generator: np.random.Generator) -> csr_array:
    """Give each query as many documents as it had, at random."""
    n_docs = len(case.corpus)
    return _instead(case.seen_qrels, lambda i, n: generator.choice(n_docs, n, replace=False))


def _shuffled_queries(case: Case, generator: np.random.Generator) -> csr_array:
    """Give each query the judgments of another."""
    return case.seen_qrels[generator.permutation(len(case.seen))]


def _worst_documents(case: Case, generator: np.random.Generator) -> csr_array:
    """Give each query the documents that are least like it."""
    rising = np.argsort(case.seen @ case.corpus.T, axis=1, kind="stable")
    return _instead(case.seen_qrels, lambda i, n: rising[i, :n])


def _opposite_queries(case: Case, generator: np.random.Generator) -> csr_array:
    """Give each query, beside its own documents, those of the query least like it."""
    opposite = np.argmin(case.seen @ case.seen.T, axis=1)
    return case.seen_qrels.maximum(case.seen_qrels[opposite])


#: How judgments are spoilt; what is made of them has the shape of the true ones.
MISLEADING: dict[str, Callable[[Case, np.random.Generator], csr_array]] = {
    "random labels": _random_labels,
    "shuffled judgments": _shuffled_queries,
    "worst documents": _worst_documents,
    "opposite queries": _opposite_queries,
}


def _instead(qrels: csr_array, documents: Callable[[int, int], np.ndarray]) -> csr_array:
    """Return the same grades, query by query, for other documents."""
    found = qrels.copy()
    for i in range(qrels.shape[0]):
        row = slice(*qrels.indptr[i : i + 2])
        found.indices[row] = documents(i, row.stop - row.start)
    found.has_sorted_indices = False
    found.sort_indices()
    return found
