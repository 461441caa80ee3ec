"""Where the seconds of a default training step go, without and with labels.

    python benchmarks/profile_step.py [--data ../shared/data] [--threads 1 2] [--rounds 3]
        [--steps 150] [--quick]

Phases of a step, each moment counted once, where it is spent (see `_clock.py` for how):

    batch      indices drawn, rows gathered, noise made
    forward    the adaptor's forward pass
    targets    cosines of the original vectors
    kernels    the losses' kernels as a whole, their own products among it
    losses     what is around the kernels: masks, weights, sums
    backward   the adaptor's backward pass
    update     Adam, and the way back to orthogonal matrices
    rest       concatenations and the loop

and in each of them matrix products, Numba's compiled loops, and everything else: elementwise
NumPy, copies, Python. "BLAS and kernels" is all products, all compiled loops, and what
is in kernels. With two threads the main one is watched, and in kernels waits for the other.

One fit with labels on SciFact's MiniLM vectors has both stages: stage 1 is the default step
without labels. Without `--data` the rows are made up, in the same shapes. The guard is off, so
that nothing but the steps of one run is measured; checks on held-out rows are not part of a
step. Runs with the clock and without take turns: the difference is what measuring costs.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from _clock import COMPILED, OTHER, PRODUCTS, Clock, import_with_products_timed, time_compiled_loops
from _common import add_threads, answered, child, free_cores, machine, parser, save, shown, spread
from _rows import embedding_rows

STAGES = ("without labels", "with labels")
PHASES = ("batch", "forward", "targets", "kernels", "losses", "backward", "update", "rest")
KINDS = (PRODUCTS, COMPILED, OTHER)


def perform(task: dict[str, Any]) -> dict[str, Any]:
    """Fit once in this process; return seconds by stage: of the steps, and by phase and kind."""
    clock = Clock()
    if task["clock"]:
        import_with_products_timed(clock)
    from madapt import MatryoshkaAdaptor

    corpus, labels = inputs(task["data"] and Path(task["data"]), task["rows"])
    options: dict[str, Any] = {"backend": "numba", "guard": False, "random_state": 0}
    MatryoshkaAdaptor(max_iter=2, **options).fit(corpus, **labels)  # compiled and loaded
    if task["clock"]:
        time_compiled_loops(clock)
        watch_phases(clock)
    found = watch_steps(clock)
    fitted = MatryoshkaAdaptor(max_iter=task["steps"], **options).fit(corpus, **labels)
    return found | {"fingerprint": fitted.fingerprint_}


def inputs(data: Path | None, n: int) -> tuple[np.ndarray, dict[str, Any]]:
    """Return documents, and queries with judgments: SciFact's, or n rows of their kind."""
    if data is not None:
        from madapt.datasets import load_beir

        found = load_beir(data / "scifact", "train", vectors="minilm")
        return found.corpus, {"queries": found.queries, "qrels": found.qrels}
    rows = embedding_rows(n, 384)
    n_queries = max(25, n * 809 // 5183)
    noise = np.random.default_rng(1).standard_normal((n_queries, 384), dtype=np.float32)
    queries = rows[:n_queries] + np.float32(0.8 / 384**0.5) * noise
    return rows, {"queries": queries, "qrels": [{i: 1} for i in range(n_queries)]}


def watch_phases(clock: Clock) -> None:
    """Have the parts of a step counted for their phases."""
    from madapt.adaptor import ResidualAdaptor
    from madapt.backends.numba import _losses, _moments, _products, _residual
    from madapt.losses import Objective
    from madapt.training import sampling, tasks

    plain_forward = ResidualAdaptor.forward

    def forward(adaptor: Any, *args: Any) -> Any:
        found = plain_forward(adaptor, *args)
        return found._replace(backward=clock.of(found.backward, "backward"))

    ResidualAdaptor.forward = clock.of(forward, "forward")
    sampling.DocumentSampler.draw = clock.of(sampling.DocumentSampler.draw, "batch")
    sampling.QuerySampler.draw = clock.of(sampling.QuerySampler.draw, "batch")
    tasks._rows = clock.of(tasks._rows, "batch")
    tasks.QueryTask._noisy = clock.of(tasks.QueryTask._noisy, "batch")
    tasks.Updater.update = clock.of(tasks.Updater.update, "update")
    for name in ("documents", "queries"):
        setattr(Objective, name, clock.of(getattr(Objective, name), "losses"))
    Objective.product = clock.of(Objective.product, "targets")
    for name in _losses.__all__:
        setattr(_losses, name, clock.of(getattr(_losses, name), "kernels"))
    # The other kernels stay in the phase of their caller, products of their own apart.
    for module, name in (
        (_residual, "residual"),
        (_residual, "_backward"),
        (_products, "product"),
        (_moments, "adam_direction"),
    ):
        setattr(module, name, clock.of(getattr(module, name), None, COMPILED))


def watch_steps(clock: Clock) -> dict[str, Any]:
    """Have whole steps timed, and the clock run in them alone; return what will be found."""
    from madapt.training import runs

    found: dict[str, Any] = {}
    runs.minimise = _watched(runs.minimise, clock, found)
    return found


def _watched(
    minimise: Callable[..., Any], clock: Clock, found: dict[str, Any]
) -> Callable[..., Any]:
    def watched(state: Any, step: Callable[..., Any], **options: Any) -> Any:
        seconds: list[float] = []
        stage = STAGES[0 if state.P is not None else 1]  # the first turns a rotation

        def one_step(*args: Any) -> Any:
            began = time.perf_counter()
            with clock.measuring("rest"):
                after = step(*args)
            seconds.append(time.perf_counter() - began)
            return after

        clock.seconds.clear()
        result = minimise(state, one_step, **options)
        found[stage] = {"seconds": seconds, "phases": _table(clock)}
        return result

    return watched


def _table(clock: Clock) -> dict[str, dict[str, float]]:
    """Return seconds by phase and kind; the one product of a step itself is the targets'."""
    table = {phase: dict.fromkeys(KINDS, 0.0) for phase in PHASES}
    for (phase, kind), seconds in clock.seconds.items():
        is_target = (phase, kind) == ("rest", PRODUCTS)
        table["targets" if is_target else phase][kind] += seconds
    return table


def main() -> None:
    """Measure and write the report."""
    options = parser(__doc__, "profile_step")
    add_threads(options)
    options.add_argument("--data", type=Path, help="a folder with SciFact's vectors")
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--steps", type=int, default=150, help="of each stage")
    args = options.parse_args()
    if answered(args, perform):
        return
    task = {"data": args.data and str(args.data), "rows": 5183, "steps": args.steps}
    if args.quick:
        args.rounds, task = 1, {"data": None, "rows": 600, "steps": 3}
    report: dict[str, Any] = {
        "machine": machine("scipy", "numba"),
        "data": "SciFact, MiniLM" if task["data"] else f"{task['rows']:,} x 384 made-up rows",
        "steps": task["steps"],
        "threads": {},
    }
    for threads in args.threads:
        found: dict[str, Any] = {"free cores": free_cores(threads)}
        runs: dict[bool, list[Any]] = {False: [], True: []}
        for _ in range(args.rounds):
            for with_clock, done in runs.items():
                done.append(child(__file__, task | {"clock": with_clock}, threads))
        if len({run["fingerprint"] for run in runs[False] + runs[True]}) > 1:
            raise AssertionError("with the clock the fit came out differently")
        found |= {stage: summary(stage, runs[False], runs[True]) for stage in STAGES}
        found["free cores after"] = free_cores(threads)
        report["threads"][threads] = found
        show(threads, found)
    save(report, args)


def summary(stage: str, plain: list[Any], clocked: list[Any]) -> dict[str, Any]:
    """Return milliseconds of a step, medians over rounds, and the share in BLAS and kernels."""
    per_step = 1e3 / len(clocked[0][stage]["seconds"])
    tables = [
        {
            phase: {kind: per_step * seconds for kind, seconds in kinds.items()}
            for phase, kinds in run[stage]["phases"].items()
        }
        for run in clocked
    ]
    shares = []
    for table in tables:
        outside = sum(
            kinds[PRODUCTS] + kinds[COMPILED]
            for phase, kinds in table.items()
            if phase != "kernels"
        )
        total = sum(sum(kinds.values()) for kinds in table.values())
        shares.append((outside + sum(table["kernels"].values())) / total)
    return {
        "milliseconds": {
            phase: {kind: float(np.median([t[phase][kind] for t in tables])) for kind in KINDS}
            for phase in PHASES
        },
        "share in BLAS and kernels": spread(shares),
        "milliseconds of a step": {
            "with the clock": spread([1e3 * np.mean(run[stage]["seconds"]) for run in clocked]),
            "without": spread([1e3 * np.mean(run[stage]["seconds"]) for run in plain]),
        },
    }


def show(threads: int, found: dict[str, Any]) -> None:
    """Print the shares and the table."""
    for stage in STAGES:
        rows = found[stage]
        whole = rows["milliseconds of a step"]
        print(
            f"{threads} threads, {stage}: {shown(whole['without'])} ms a step, with the clock "
            f"{shown(whole['with the clock'])}; share in BLAS and kernels "
            f"{shown(rows['share in BLAS and kernels'])}"
        )
        for phase, kinds in rows["milliseconds"].items():
            print(f"  {phase:9}", *(f"{kind} {ms:.2f}" for kind, ms in kinds.items()), sep="  ")


if __name__ == "__main__":
    main()
