"""nDCG@10 against bytes per vector, written to docs/bytes.md.

    python benchmarks/bytes.py --data ../shared/data [--seeds 2] [--jobs 2] [--resume] [--quick]

`--data` is a folder of BEIR-layout folders, each with its vectors in an .npz. Each size is filled
to the last bit by dims at several precisions. Which of them stands for madapt is settled before
the test queries are looked at: without labels by how well the frozen vectors' ten nearest documents
are found again, with labels on a quarter of the train queries that a fit on the others has not
seen, after which madapt is fitted on all. The test queries measure only what was chosen. Of each
peer the variant counts that is best on the judged train queries. `--resume` keeps what the report
already holds; it is written after each part.
"""

from __future__ import annotations

import json
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from _common import RESULTS, ROOT, machine, output_of, parser, save
from bytes_page import METHODS, write_page
from bytes_peers import PEERS, measure
from scipy.sparse import csr_array

from madapt import MatryoshkaAdaptor
from madapt.datasets import load_beir
from madapt.evaluation import best_setting, byte_curve
from madapt.neighbors import top_k
from madapt.quantization import PRECISIONS

SIZES = (16, 32, 48, 64, 96, 128, 192)
PAIRS = (("scifact", "minilm"), ("nfcorpus", "minilm"))
#: Train queries that a setting is chosen by, at most.
MAX_QUERIES = 1_000
Cell = tuple[str, str, str, int]


@cache
def splits(folder: Path, vectors: str) -> tuple[Any, Any]:
    """Return the collection with its train and with its test queries."""
    return tuple(load_beir(folder, split, vectors=vectors) for split in ("train", "test"))


def settings_of(d: int, sizes: tuple[int, ...]) -> list[tuple[int, str]]:
    """Return all settings that fill one of the sizes to the last bit."""
    every = {(size * 8 // bits, name) for size in sizes for name, bits in PRECISIONS.items()}
    return sorted((m, name) for m, name in every if m <= d)


def scores_of(adaptor: MatryoshkaAdaptor, data: Any, settings: list[tuple[int, str]]) -> Any:
    """Return the byte curve on the queries of `data`."""
    return byte_curve({"madapt": adaptor}, data.corpus, data.queries, data.qrels, settings)


def part_of(data: Any, rows: np.ndarray) -> Any:
    """Return the collection with some of its queries."""
    part = type(data)(**data)
    part.queries, part.qrels = data.queries[rows], csr_array(data.qrels[rows])
    return part


def frozen_neighbors(data: Any) -> Any:
    """Return the collection with the frozen vectors' ten nearest documents as judgments."""
    nearest, _ = top_k(data.queries, data.corpus, 10)
    n, rows = len(nearest), np.repeat(np.arange(len(nearest)), nearest.shape[1])
    shape = (n, len(data.corpus))
    relabelled = type(data)(**data)
    relabelled.qrels = csr_array((np.ones(nearest.size), (rows, nearest.ravel())), shape=shape)
    return relabelled


def measured(method: str, train: Any, test: Any, sizes: tuple[int, ...], **steps: Any) -> Any:
    """Fit, choose, and measure what was chosen on the test queries; by size."""
    order = np.random.default_rng(0).permutation(len(train.queries))
    queries = train.queries
    if method == "madapt, labels":
        cut = len(order) * 3 // 4
        seen, by = part_of(train, order[:cut]), part_of(train, order[cut:])
        known = {"queries": seen.queries, "qrels": seen.qrels}
        chooser = MatryoshkaAdaptor(**steps).fit(test.corpus, **known)
        adaptor = MatryoshkaAdaptor(**steps).fit(test.corpus, queries=queries, qrels=train.qrels)
    else:
        known = {"queries": queries} if method == "madapt, unlabeled queries" else {}
        chooser = adaptor = MatryoshkaAdaptor(**steps).fit(test.corpus, **known)
        by = frozen_neighbors(part_of(train, order[:MAX_QUERIES]))
    curve = scores_of(chooser, by, settings_of(test.corpus.shape[1], sizes))
    chosen = {size: best_setting(curve, size) for size in sizes}
    final = scores_of(adaptor, test, sorted(set(chosen.values())))
    place, score = (
        {at: (k, float(c.scores["madapt"]["ndcg@10"][k])) for k, at in enumerate(c.settings)}
        for c in (curve, final)
    )
    return {
        "chosen": {
            str(size): {"dim": at[0], "precision": at[1], "test": score[at][1]}
            for size, at in chosen.items()
        },
        "chosen by": [[*at, int(curve.bytes[k]), value] for at, (k, value) in place.items()],
    }


def perform(data: Path, cell: Cell, quick: bool) -> Any:
    """Measure one cell: a method at all sizes, or a peer at one."""
    pair, vectors, name, number = cell
    train, test = splits(data / pair, vectors)
    if name in PEERS:
        return measure(name, train, test, number)
    steps = {"max_iter": 2} if quick else {}
    return measured(name, train, test, SIZES[:2] if quick else SIZES, random_state=number, **steps)


def cells(report: dict[str, Any], args: Any) -> list[Cell]:
    """Return what the report does not hold yet: madapt, the peers, and madapt's other seeds."""
    pairs, sizes = (PAIRS[1:], SIZES[:2]) if args.quick else (PAIRS, SIZES)
    # Those with labels take longest.
    ours = [(name, seed) for seed in range(args.seeds) for name in reversed(METHODS)]
    peers = [(peer, size) for peer in PEERS for size in sizes]
    every = [*ours[: len(METHODS)], *peers, *ours[len(METHODS) :]]
    missing = []
    for name, number in every:
        for pair, vectors in pairs:
            found = report["collections"].setdefault(f"{pair} {vectors}", {})
            found["sizes"] = list(sizes)
            if str(number) not in found.get(name, {}):
                missing.append((pair, vectors, name, number))
    return missing


def main() -> None:
    """Measure everything and write the figures and the page."""
    options = parser(__doc__, "bytes")
    options.add_argument("--data", type=Path, help="a folder of collections")
    options.add_argument("--seeds", type=int, default=2, help="fits of each method")
    options.add_argument("--jobs", type=int, default=1, help="processes")
    options.add_argument("--resume", action="store_true", help="keep what has been measured")
    args = options.parse_args()
    if args.data is None:
        options.error("--data is needed")
    output = output_of(args)
    report: dict[str, Any] = {"collections": {}}
    if args.resume and output.exists():
        report = json.loads(output.read_text(encoding="utf-8"))
    report["machine"] = machine("scipy", "scikit-learn", "faiss-cpu")
    with ProcessPoolExecutor(args.jobs) as pool:
        runs = {pool.submit(perform, args.data, at, args.quick): at for at in cells(report, args)}
        for run in as_completed(runs):
            pair, vectors, name, number = runs[run]
            found = report["collections"][f"{pair} {vectors}"]
            found.setdefault(name, {})[str(number)] = run.result()
            print(f"{pair}: {name}, {number}", flush=True)
            save(report, args)
    is_figures = output.parent.resolve() == RESULTS
    write_page(report, ROOT / "docs" / "bytes.md" if is_figures else output.with_suffix(".md"))


if __name__ == "__main__":
    main()
