"""Seconds of whole default fits on SciFact, by backend, without and with labels.

    python benchmarks/fit.py --data ../shared/data [--threads 1 2] [--rounds 2] [--quick]

Backends take turns in each round; run it on an idle machine. `--quick` stops after two steps.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from _common import (
    add_threads,
    answered,
    child,
    free_cores,
    machine,
    parser,
    save,
    take_turns,
)

BACKENDS = ("numpy", "numba")
KINDS = ("without labels", "with labels")


def perform(task: dict[str, Any]) -> dict[str, Any]:
    """Fit in this process; return seconds by kind and backend, and the shapes."""
    from madapt import MatryoshkaAdaptor
    from madapt.datasets import load_beir

    data = load_beir(Path(task["data"]) / "scifact", "train", vectors="minilm")
    labels = {"queries": data.queries, "qrels": data.qrels}
    arguments = dict(zip(KINDS, ({}, labels), strict=True))
    MatryoshkaAdaptor(max_iter=2, backend="numba").fit(data.corpus, **labels)  # compiled, loaded

    def fit(kind: str, backend: str) -> None:
        adaptor = MatryoshkaAdaptor(random_state=0, backend=backend, max_iter=task["max_iter"])
        adaptor.fit(data.corpus, **arguments[kind])

    runs = {
        (kind, backend): lambda kind=kind, backend=backend: fit(kind, backend)
        for kind in KINDS
        for backend in BACKENDS
    }
    seconds = take_turns(runs, task["rounds"])
    return {
        "shape": data.corpus.shape,
        "judged queries": len(data.queries),
        "seconds": {kind: {b: seconds[kind, b] for b in BACKENDS} for kind in KINDS},
    }


def main() -> None:
    """Measure and write the report."""
    options = parser(__doc__, "fit")
    add_threads(options)
    options.add_argument("--data", type=Path, help="a folder with SciFact")
    options.add_argument("--rounds", type=int, default=2)
    args = options.parse_args()
    if answered(args, perform):
        return
    if args.data is None:
        options.error("--data is needed")
    task = {"data": str(args.data), "rounds": args.rounds, "max_iter": "auto"}
    if args.quick:
        task |= {"rounds": 1, "max_iter": 2}
    report: dict[str, Any] = {"machine": machine("scipy", "scikit-learn", "numba"), "threads": {}}
    for threads in args.threads:
        before = free_cores(threads)
        found = child(__file__, task, threads)
        report |= {name: found.pop(name) for name in ("shape", "judged queries")}
        report["threads"][threads] = found | {
            "free cores": before,
            "free cores after": free_cores(threads),
        }
        for kind, backends in found["seconds"].items():
            for backend, seconds in backends.items():
                print(f"{threads} threads, {kind}, {backend}: {seconds}", flush=True)
    save(report, args)


if __name__ == "__main__":
    main()
