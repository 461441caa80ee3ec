"""Seconds of a default fit without labels on 100,000 x 768.

    python benchmarks/large_fit.py [--data ../shared/data] [--rows 100000] [--threads 1 2]
        [--rounds 2] [--quick]

The rows are made up: clusters whose neighbours mean something, with the spectrum of SciFact's
MPNet vectors if there are data, else a power law. The default trains on a sample of 50,000 of
them (`max_fit_rows`); the guard is on. The peak is the largest resident size of the process over
the fit, less what it was before it, when the rows were there.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from _common import (
    add_threads,
    answered,
    child,
    free_cores,
    high_water_mark,
    machine,
    parser,
    reset_high_water_mark,
    save,
    timed,
)
from _rows import embedding_rows, spectrum_of

COLUMNS = 768


def perform(task: dict[str, Any]) -> dict[str, Any]:
    """Fit in this process; return seconds, peak memory and what was kept."""
    from madapt import MatryoshkaAdaptor

    spectrum = spectrum_of(task["data"] and Path(task["data"]), "mpnet")
    X = embedding_rows(task["rows"], COLUMNS, spectrum=spectrum)
    MatryoshkaAdaptor(max_iter=2, backend="numba").fit(X[:500])  # compiled and loaded
    adaptor = MatryoshkaAdaptor(max_iter=task["max_iter"], backend="numba", random_state=0)
    before = reset_high_water_mark()
    seconds = timed(lambda: adaptor.fit(X))
    table = adaptor.validation_scores_
    return {
        "seconds": seconds,
        "bytes": high_water_mark() - before,
        "steps": adaptor.n_iter_,
        "kept": table["kept"][0],
        "overlap@10": {name: table[name] for name in ("dim", "truncation", "start", "adaptor")},
        "rows trained on": min(task["rows"], adaptor.max_fit_rows),
    }


def main() -> None:
    """Measure and write the report."""
    options = parser(__doc__, "large_fit")
    add_threads(options)
    options.add_argument("--data", type=Path, help="for the spectrum of real vectors")
    options.add_argument("--rows", type=int, default=100_000)
    options.add_argument("--rounds", type=int, default=2)
    args = options.parse_args()
    if answered(args, perform):
        return
    task = {"rows": args.rows, "data": args.data and str(args.data), "max_iter": "auto"}
    if args.quick:
        args.rounds, task = 1, {"rows": 1000, "data": None, "max_iter": 3}
    report: dict[str, Any] = {
        "machine": machine("scipy", "numba"),
        "spectrum": "SciFact, MPNet" if task["data"] else "a power law",
        "shape": [task["rows"], COLUMNS],
        "threads": {},
    }
    for threads in args.threads:
        found: dict[str, Any] = {"free cores": free_cores(threads), "fits": []}
        for _ in range(args.rounds):
            found["fits"].append(fit := child(__file__, task, threads))
            print(f"{threads} threads: {fit['seconds']:.1f} s, kept: {fit['kept']}", flush=True)
        found["free cores after"] = free_cores(threads)
        report["threads"][threads] = found
    save(report, args)


if __name__ == "__main__":
    main()
