"""Search-Adaptor's settings, compared on train queries that are held out.

    python benchmarks/search_adaptor.py --data ../shared/data/scifact --vectors minilm

`--data` is a folder in BEIR's layout with its vectors in an .npz. A quarter of its train queries
is held out, others each time; test queries are never read. Settings are taken by name, as
`--set learning_rate=2e-3 n_negatives=10`; without any, the ones the defaults were chosen among.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from _common import machine, parser, save, timed
from scipy.sparse import csr_array

from madapt.baselines import SearchAdaptor, Truncation
from madapt.datasets import load_beir
from madapt.evaluation import dimension_curve

#: Each changes one thing of the defaults.
CHANGES: tuple[dict[str, Any], ...] = (
    {},
    *({"learning_rate": rate} for rate in (3e-4, 2e-3, 3e-3)),
    *({"recovery_weight": weight} for weight in (0.0, 1e-3, 5e-3, 2e-2, 1e-1)),
    *({"prediction_weight": weight} for weight in (0.0, 1e-3, 1e-1)),
    *({"n_negatives": n} for n in (1, 10)),
)


def held_out_curve(data: Any, changes: dict[str, Any], seed: int) -> dict[str, Any]:
    """Fit on three quarters of the queries and measure the others."""
    order = np.random.default_rng(100 + seed).permutation(len(data.queries))
    held_out, seen = np.split(order, [len(order) // 4])
    adaptor = SearchAdaptor(random_state=seed, **changes)
    labels = {"queries": data.queries[seen], "qrels": csr_array(data.qrels[seen])}
    seconds = timed(lambda: adaptor.fit(data.corpus, **labels))
    methods = {"frozen": "frozen", "truncation": Truncation().fit(data.corpus), "it": adaptor}
    qrels = csr_array(data.qrels[held_out])
    found = dimension_curve(methods, data.corpus, data.queries[held_out], qrels)
    curves = {name: found.scores[name]["ndcg@10"].tolist() for name in methods}
    return {"dims": found.dims.tolist(), "seconds": seconds, "steps": adaptor.n_iter_, **curves}


def main() -> None:
    """Fit and measure each setting and print its curve."""
    options = parser(__doc__, "search_adaptor")
    options.add_argument("--data", type=Path, required=True, help="a collection's folder")
    options.add_argument("--vectors", default="minilm")
    options.add_argument("--seeds", type=int, default=2)
    options.add_argument("--set", nargs="+", default=None, metavar="NAME=NUMBER")
    args = options.parse_args()
    data = load_beir(args.data, "train", vectors=args.vectors)
    given = dict(pair.split("=") for pair in args.set or ())
    one = {name: int(text) if text.isdigit() else float(text) for name, text in given.items()}
    report: dict[str, Any] = {"machine": machine("scipy", "numba"), "settings": []}
    for changes in [one] if args.set else CHANGES[:1] if args.quick else CHANGES:
        more = {"max_iter": 2} if args.quick else {}
        seeds = range(1 if args.quick else args.seeds)
        runs = [held_out_curve(data, changes | more, seed) for seed in seeds]
        curve = np.mean([run["it"] for run in runs], axis=0)
        seconds = max(run["seconds"] for run in runs)
        shown = " ".join(f"{score:.3f}" for score in curve)
        print(f"{changes or 'defaults'}: {shown}, mean {curve.mean():.4f}, {seconds:.1f} s")
        report["settings"].append({"changes": changes, "runs": runs})
    save(report, args)


if __name__ == "__main__":
    main()
