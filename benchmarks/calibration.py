"""How nDCG@10 by judgments follows nDCG@10 by neighbours: the exponent of `recommend_dim`.

    python benchmarks/calibration.py --data ../shared/data

Each pair is fitted without labels and queries. At each dim two shares of the whole vector's are
compared: f, what held-out documents find of their neighbours (`validation_scores_`), and that of
nDCG@10 by judgments, of SciFact's train queries, NFCorpus' dev queries and the train half of
Cranfield's; no test query has a say. The exponent is that of share = f^exponent, by least squares
on logarithms over all pairs and dims below full, with each pair left out in turn.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from _common import machine, parser, save

from madapt import MatryoshkaAdaptor
from madapt.datasets import load_beir, load_cranfield
from madapt.evaluation import dimension_curve

PAIRS = (
    ("scifact", "minilm", "train"),
    ("scifact", "mpnet", "train"),
    ("nfcorpus", "minilm", "dev"),
    ("cranfield", "minilm", "test"),
    ("cranfield", "mpnet", "test"),
)


def measured(data: Any, queries: np.ndarray) -> dict[str, list[float]]:
    """Return both shares at each dim below full."""
    adaptor = MatryoshkaAdaptor(random_state=0).fit(data.corpus)
    table = adaptor.validation_scores_
    kept = table[table["kept"][0]]
    dims = adaptor.dims_
    found = dimension_curve(
        {"adaptor": adaptor}, data.corpus, data.queries[queries], data.qrels[queries], dims=dims
    )
    scores = found.scores["adaptor"]["ndcg@10"]
    shares = [float(score / scores[-1]) for score in scores]
    return {"dim": list(dims[:-1]), "neighbors": kept[:-1], "judged": shares[:-1]}


def exponent(pairs: list[dict[str, list[float]]]) -> float:
    """Return the least-squares slope through the origin, on logarithms."""
    f = np.log(np.concatenate([pair["neighbors"] for pair in pairs]))
    share = np.log(np.concatenate([pair["judged"] for pair in pairs]))
    return float(f @ share / (f @ f))


def main() -> None:
    """Measure all pairs, print the exponents and write them down."""
    options = parser(__doc__, "calibration")
    options.add_argument("--data", type=Path, required=True, help="folder of BEIR-layout folders")
    args = options.parse_args()
    found = {}
    for collection, vectors, split in PAIRS:
        data = load_beir(args.data / collection, split, vectors=vectors)
        queries = np.arange(len(data.queries))
        if collection == "cranfield":
            train = set(load_cranfield("train").query_ids)
            queries = np.flatnonzero([name in train for name in data.query_ids])
        found[f"{collection} {vectors}"] = measured(data, queries)
    pairs = list(found.values())
    left_out = {
        name: exponent([pair for pair in pairs if pair is not found[name]]) for name in found
    }
    report = {
        "machine": machine("numpy", "scipy", "madapt"),
        "exponent": exponent(pairs),
        "left_out": left_out,
        "pairs": found,
    }
    print({name: report[name] for name in ("exponent", "left_out")})
    save(report, args)


if __name__ == "__main__":
    main()
