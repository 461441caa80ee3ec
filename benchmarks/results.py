"""The main figures: nDCG@10 by dim on four collections, written to docs/results.md.

    python benchmarks/results.py --data ../shared/data [--seeds 3] [--quick]

`--data` is a folder of BEIR-layout folders, each with its vectors in an .npz. Every figure
is of the test judgments; queries whose mean centres are never scored.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from _common import RESULTS, ROOT, machine, output_of, parser, save, timed
from results_page import markdown
from scipy.sparse import csr_array

from madapt import MatryoshkaAdaptor
from madapt.baselines import PCAReducer, RandomRotation, SVDRotation, Truncation
from madapt.datasets import load_beir
from madapt.evaluation import dimension_curve

DIMS = {384: (8, 16, 32, 64, 128, 256, 384), 768: (8, 16, 32, 64, 128, 256, 384, 768)}
PAIRS = (("scifact", "minilm"), ("nfcorpus", "minilm"), ("cranfield", "mpnet"), ("cisi", "minilm"))

#: Whether two steps are enough, as nothing but running is tried.
QUICK = False


def curve(methods: dict[str, Any], data: Any, dims: tuple[int, ...]) -> dict[str, list[float]]:
    """Return nDCG@10 of each method at each dim."""
    found = dimension_curve(methods, data.corpus, data.queries, data.qrels, dims=dims)
    return {name: [float(s) for s in found.scores[name]["ndcg@10"]] for name in methods}


def timed_fit(adaptor: MatryoshkaAdaptor, *args: Any, **kwargs: Any) -> float:
    """Fit and return the seconds it took."""
    if QUICK:
        adaptor.set_params(max_iter=2)
    return timed(lambda: adaptor.fit(*args, **kwargs))


def without_labels(data: Any, seeds: range, queries: Any = None, **parameters: Any) -> dict:
    """Fit once a seed and average the curves."""
    dims = DIMS[data.corpus.shape[1]]
    curves, seconds, lossless = [], [], 0.0
    for seed in seeds:
        adaptor = MatryoshkaAdaptor(random_state=seed, **parameters)
        seconds.append(timed_fit(adaptor, data.corpus, queries=queries))
        curves.append(curve({"it": adaptor}, data, dims)["it"])
        if queries is None:
            lossless = max(lossless, cosine_change(adaptor, data))
    return {
        "mean": np.mean(curves, axis=0).tolist(),
        "std": np.std(curves, axis=0).tolist(),
        "seconds": seconds,
        "largest_cosine_change": lossless,
    }


def cosine_change(adaptor: MatryoshkaAdaptor, data: Any) -> float:
    """Return the largest change of a query-document cosine at full dim."""
    frozen = Truncation().fit(data.corpus)
    before = frozen.transform(data.queries) @ frozen.transform(data.corpus).T
    after = adaptor.transform(data.queries) @ adaptor.transform(data.corpus).T
    return float(np.abs(before - after).max())


def centred(data: Any, seen: Any, strength: float, seeds: range) -> list[float]:
    """Return the curve with unlabeled queries; halves take turns where no others exist."""
    if seen is not None:
        return without_labels(data, seeds, seen.queries, center=strength)["mean"]
    order = np.random.default_rng(0).permutation(len(data.queries))
    halves = np.array_split(order, 2)
    total = 0.0
    for scored, other in (halves, halves[::-1]):
        part = type(data)(**data)
        part.queries, part.qrels = data.queries[scored], csr_array(data.qrels[scored])
        run = without_labels(part, seeds, data.queries[other], center=strength)
        total = total + len(scored) * np.asarray(run["mean"])
    return (total / len(order)).tolist()


def collection(folder: Path, vectors: str, seeds: range) -> dict[str, Any]:
    """Measure everything that needs no labels on one collection."""
    data = load_beir(folder, "test", vectors=vectors)
    has_train = (folder / "qrels" / "train.tsv").exists()
    seen = load_beir(folder, "train", vectors=vectors) if has_train else None
    dims = DIMS[data.corpus.shape[1]]
    baselines = {
        "frozen": "frozen",
        "truncation": Truncation(),
        "random rotation": RandomRotation(random_state=0),
        "PCA": PCAReducer(),
        "SVD": SVDRotation(),
    }
    for method in baselines.values():
        if not isinstance(method, str):
            method.fit(data.corpus)
    result = {"dims": dims, "curves": curve(baselines, data, dims)}
    result["seconds"] = {}
    for label, parameters in paper_variants(data.corpus.shape[1]).items():
        paper = MatryoshkaAdaptor.from_paper(random_state=0, **parameters)
        result["seconds"][label] = timed_fit(paper, data.corpus)
        result["curves"][label] = curve({"it": paper}, data, dims)["it"]
    reference = MatryoshkaAdaptor(random_state=0, backend="numpy")
    result["seconds"]["madapt, NumPy backend"] = timed_fit(reference, data.corpus)
    run = without_labels(data, seeds)
    result["curves"]["madapt"] = run["mean"]
    result["madapt"] = run
    for strength in (0.5, 0.75):
        name = f"madapt, queries, c = {strength}"
        result["curves"][name] = centred(data, seen, strength, seeds)
    return result


def paper_variants(d: int) -> dict[str, dict[str, float]]:
    """Return the published method under both readings of its reconstruction loss."""
    return {
        "from_paper()": {},
        "from_paper(), reconstruction / d": {"reconstruction_weight": 1.0 / d},
    }


def with_labels(folder: Path, vectors: str, seeds: range) -> dict[str, Any]:
    """Measure the two-stage fits with all train queries, and with 50 of them."""
    test = load_beir(folder, "test", vectors=vectors)
    train = load_beir(folder, "train", vectors=vectors)
    dims = DIMS[test.corpus.shape[1]]
    result: dict[str, Any] = {"dims": dims, "curves": {}, "seconds": {}}

    def add(name: str, adaptors: list[MatryoshkaAdaptor], rows: list[np.ndarray]) -> None:
        curves, seconds = [], []
        for adaptor, at in zip(adaptors, rows, strict=True):
            qrels = csr_array(train.qrels[at])
            queries = train.queries[at]
            seconds.append(timed_fit(adaptor, test.corpus, queries=queries, qrels=qrels))
            curves.append(curve({"it": adaptor}, test, dims)["it"])
        result["curves"][name] = np.mean(curves, axis=0).tolist()
        result["seconds"][name] = seconds

    label_free = without_labels(test, seeds)
    result["curves"]["frozen"] = curve({"it": "frozen"}, test, dims)["it"]
    result["curves"]["madapt without labels"] = label_free["mean"]
    everything = np.arange(len(train.queries))
    draws = [np.random.default_rng(seed).permutation(everything)[:50] for seed in seeds]
    add(
        "madapt, 50 queries, not centred",
        [MatryoshkaAdaptor(random_state=s, center=None) for s in seeds],
        draws,
    )
    add(
        "madapt, 50 queries",
        [MatryoshkaAdaptor(random_state=s) for s in seeds],
        draws,
    )
    reference = [MatryoshkaAdaptor(random_state=0, backend="numpy")]
    add("madapt, all queries, NumPy backend", reference, [everything])
    add(
        "madapt, all queries",
        [MatryoshkaAdaptor(random_state=s) for s in seeds],
        [everything] * len(seeds),
    )
    for label, parameters in paper_variants(test.corpus.shape[1]).items():
        paper = MatryoshkaAdaptor.from_paper(random_state=0, **parameters)
        add(f"{label}, all queries", [paper], [everything])
    return result


def main() -> None:
    """Measure everything and write the figures and the page."""
    global QUICK
    options = parser(__doc__, "main")
    options.add_argument("--data", type=Path, help="a folder of collections")
    options.add_argument("--seeds", type=int, default=3)
    args = options.parse_args()
    if args.data is None:
        options.error("--data is needed")
    QUICK = args.quick
    seeds = range(1 if QUICK else args.seeds)
    report: dict[str, Any] = {
        "machine": machine("scipy", "scikit-learn", "numba"),
        "seeds": len(seeds),
        "collections": {},
    }
    for name, vectors in PAIRS[-1:] if QUICK else PAIRS:
        report["collections"][f"{name} {vectors}"] = collection(args.data / name, vectors, seeds)
        save(report, args)
    report["labels"] = {"scifact minilm": with_labels(args.data / "scifact", "minilm", seeds)}
    save(report, args)
    output = output_of(args)
    is_figures = output.parent.resolve() == RESULTS
    page = ROOT / "docs" / "results.md" if is_figures else output.with_suffix(".md")
    page.write_text(markdown(report), encoding="utf-8")


if __name__ == "__main__":
    main()
