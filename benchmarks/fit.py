"""Seconds of whole default fits on SciFact, by backend, without and with labels.

    python benchmarks/fit.py --data ../shared/data [--rounds 2]

Backends take turns in each round; run it on an idle machine.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any

from results import machine

from madapt import MatryoshkaAdaptor
from madapt.datasets import load_beir

HERE = Path(__file__).resolve().parent
BACKENDS = ("numpy", "numba")


def main() -> None:
    """Measure and write benchmarks/results/fit.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=2)
    args = parser.parse_args()
    data = load_beir(args.data / "scifact", "train", vectors="minilm")
    labels = {"queries": data.queries, "qrels": data.qrels}
    MatryoshkaAdaptor(max_iter=2, backend="numba").fit(data.corpus, **labels)  # compiled, loaded
    seconds: dict[str, dict[str, list[float]]] = {}
    for _ in range(args.rounds):
        for kind, arguments in (("without labels", {}), ("with labels", labels)):
            for backend in BACKENDS:
                took = one_fit(backend, data.corpus, arguments)
                seconds.setdefault(kind, {}).setdefault(backend, []).append(took)
                print(f"{kind}, {backend}: {took:.1f} s", flush=True)
    found = {
        "machine": machine() | {"load": os.getloadavg()[0]},
        "shape": data.corpus.shape,
        "judged queries": len(data.queries),
        "seconds": seconds,
    }
    (HERE / "results" / "fit.json").write_text(json.dumps(found, indent=1))


def one_fit(backend: str, corpus: Any, arguments: dict[str, Any]) -> float:
    """Fit with the defaults and return the seconds."""
    began = time.perf_counter()
    MatryoshkaAdaptor(random_state=0, backend=backend).fit(corpus, **arguments)
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
