"""Exact nearest rows: `madapt.neighbors.top_k` against faiss and scikit-learn.

    python benchmarks/neighbors.py [--data ../shared/data] [--threads 1 2] [--rounds 5] [--quick]

Unit rows of 384 columns, float32: 1,000 queries in a corpus of 100,000, and 50,000 rows among
themselves without their own. All take turns in each round, on the same threads; numbers above 1
mean that madapt was faster in that round. madapt runs with the inner product, as
`faiss.IndexFlatIP` has it, and with the cosine, its default, for which it measures each row; it
also looks for NaN and for equal rows. faiss is timed with its index ready, and with `add`;
asked for k + 1, it finds a row itself. scikit-learn is timed with `fit`; its product is NumPy's.
Before anything is timed, all must have found the same rows apart from scores within 1e-6. The
rows are made to resemble embeddings, with the spectrum of SciFact's if there are data.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from _common import (
    add_threads,
    answered,
    child,
    free_cores,
    machine,
    parser,
    ratios,
    save,
    shown,
    spread,
    take_turns,
)
from _rows import embedding_rows, spectrum_of
from threadpoolctl import threadpool_limits

#: Scores that differ by less may change places.
SAME_SCORE = 1e-6


@dataclass(frozen=True)
class Search:
    """k rows of n for each query; n_queries = None looks for the neighbours of all rows."""

    n: int
    k: int
    n_queries: int | None = None
    d: int = 384

    @property
    def name(self) -> str:
        """What it is called in the report."""
        who = f"{self.n_queries:,} queries in {self.n:,}" if self.n_queries else f"all {self.n:,}"
        return f"{who} x {self.d}, k = {self.k}"


SEARCHES = (Search(100_000, 10, 1000), Search(100_000, 100, 1000), Search(50_000, 10))
QUICK = (Search(3000, 10, 100), Search(1500, 10))


def has_faiss() -> bool:
    """Say whether faiss is there, from whichever package."""
    return find_spec("faiss") is not None


def contenders(search: Search, X: np.ndarray, Q: np.ndarray) -> dict[str, Callable[[], Any]]:
    """Return what is timed, madapt first; each returns indices of shape (n_queries, k)."""
    from sklearn.neighbors import NearestNeighbors

    from madapt.neighbors import top_k

    k, alone = search.k, search.n_queries is None

    def madapt(metric: str) -> np.ndarray:
        return top_k(Q, X, k, metric, exclude_self=alone)[0]

    def scikit_learn() -> np.ndarray:
        found = NearestNeighbors(n_neighbors=k, algorithm="brute", metric="cosine").fit(X)
        return found.kneighbors(None if alone else Q, return_distance=False)

    runs = {"madapt": lambda: madapt("dot"), "madapt, cosine": lambda: madapt("cosine")}
    if not alone:
        runs["scikit-learn"] = scikit_learn  # minutes for all pairs
    return runs | faiss_contenders(X, Q, k, alone) if has_faiss() else runs


def faiss_contenders(
    X: np.ndarray, Q: np.ndarray, k: int, alone: bool
) -> dict[str, Callable[[], Any]]:
    """Return faiss with its index ready, and with filling it."""
    import faiss

    def filled() -> Any:
        index = faiss.IndexFlatIP(X.shape[1])
        index.add(X)
        return index

    ready = filled()
    return {
        "faiss": lambda: ready.search(Q, k + alone)[1],
        "faiss, with add": lambda: filled().search(Q, k + alone)[1],
    }


def perform(task: dict[str, Any]) -> dict[str, list[float]]:
    """Compare the results, then the seconds, in this process."""
    search, threads = Search(**task["search"]), task["threads"]
    spectrum = spectrum_of(task["data"] and Path(task["data"]), "minilm")
    n_queries = search.n_queries or 0
    rows = embedding_rows(search.n + n_queries, search.d, spectrum=spectrum)
    X = np.ascontiguousarray(rows[n_queries:])
    Q = np.ascontiguousarray(rows[:n_queries]) if n_queries else X
    runs = contenders(search, X, Q)
    if has_faiss():
        import faiss

        faiss.omp_set_num_threads(threads)
    with threadpool_limits(threads):
        found = {name: run() for name, run in runs.items()}
        check_agreement(found, X, Q, search)
        del found
        return take_turns(runs, task["rounds"])


def check_agreement(
    found: dict[str, np.ndarray], X: np.ndarray, Q: np.ndarray, search: Search
) -> None:
    """Make sure that all found the same rows, apart from scores that are nearly the same."""
    some = np.arange(0, len(Q), max(1, len(Q) // 1000))
    exact = {name: _scores(indices[some], X, Q, some, search) for name, indices in found.items()}
    for name, scores in exact.items():
        if not np.abs(scores - exact["madapt"]).max() < SAME_SCORE:
            raise AssertionError(f"{name} found other rows than madapt, {search.name}")


def _scores(
    indices: np.ndarray, X: np.ndarray, Q: np.ndarray, some: np.ndarray, search: Search
) -> np.ndarray:
    """Return the true cosines, falling, of what was found for some queries, its own row apart."""
    scores = np.empty((len(some), search.k))
    for place, (query, row) in enumerate(zip(some, indices, strict=True)):
        others = row[row != query] if search.n_queries is None else row
        others = others[: search.k]
        if len(np.unique(others)) < search.k:
            raise AssertionError(f"fewer than {search.k} different rows, {search.name}")
        scores[place] = np.sort(X[others].astype(np.float64) @ Q[query].astype(np.float64))[::-1]
    return scores


def main() -> None:
    """Measure and write the report."""
    options = parser(__doc__, "neighbors")
    add_threads(options)
    options.add_argument("--rounds", type=int, default=5, help="at most 3 for all pairs")
    options.add_argument("--data", type=Path, help="for the spectrum of real vectors")
    args = options.parse_args()
    if answered(args, perform):
        return
    report: dict[str, Any] = {
        "machine": machine("scikit-learn", "faiss-cpu"),
        "spectrum": "a power law" if args.data is None else "SciFact, MiniLM",
        "threads": {},
    }
    for threads in args.threads:
        found: dict[str, Any] = {"free cores": free_cores(threads), "searches": {}}
        for search in QUICK if args.quick else SEARCHES:
            rounds = min(args.rounds, 2 if args.quick else args.rounds)
            found["searches"][search.name] = row = measure(search, threads, rounds, args.data)
            cells = "; ".join(f"{name} {shown(v)}" for name, v in row["ratios"].items())
            print(f"{threads} threads, {search.name}: {cells}", flush=True)
        found["free cores after"] = free_cores(threads)
        report["threads"][threads] = found
    save(report, args)


def measure(search: Search, threads: int, rounds: int, data: Path | None) -> dict[str, Any]:
    """Return seconds and ratios of one search."""
    if search.n_queries is None:
        rounds = min(rounds, 3)
    task = {"search": asdict(search), "threads": threads, "rounds": rounds}
    seconds = child(__file__, task | {"data": data and str(data)}, threads)
    others = [name for name in seconds if name != "madapt"]
    return {
        "rounds": rounds,
        "seconds": {name: spread(times) for name, times in seconds.items()},
        "ratios": {f"{name} / madapt": ratios(seconds, name, "madapt") for name in others},
    }


if __name__ == "__main__":
    main()
