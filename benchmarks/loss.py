"""One loss with its gradient: the fused kernels against bare products, and against PyTorch.

    python benchmarks/loss.py [--threads 1 2] [--rounds 15] [--no-torch] [--compile] [--quick]

All in the ratio of one round, in which everything runs once, one after the other, so that a
machine that is slower for a while is slower for all. "products" is two sgemm calls of
2 B n d operations: no loss over B rows and n columns can do without one forward and one back.
Peak memory is what the resident size of a fresh process grows by during one call (its high
water mark, reset before the call where Linux allows it), inputs and imports not counted.
PyTorch gets the softmax of the targets ready-made; the kernels compute it each time.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import asdict
from typing import Any

import numpy as np
from _common import (
    add_threads,
    answered,
    child,
    free_cores,
    high_water_mark,
    installed,
    machine,
    parser,
    ratios,
    reset_high_water_mark,
    save,
    shown,
    take_turns,
)
from loss_cases import CASES, QUICK_CASES, QUICK_SWEEPS, SWEEPS, Case
from loss_peers import MAKERS, arrays


def perform(task: dict[str, Any]) -> Any:
    """Do in this process what a child was asked for."""
    if task["what"] == "loading":
        return loading()
    case = Case(**task["case"] | {"dims": tuple(task["case"]["dims"])})
    if task["what"] == "memory":
        return peak_bytes(case, task["name"])
    return seconds_of(case, task["names"], task["rounds"])


def seconds_of(case: Case, names: list[str], rounds: int) -> dict[str, list[float]]:
    """Run all of them in turn; return seconds by name."""
    data = arrays(case)
    runs = {name: MAKERS[name](case, data) for name in names}
    results: dict[str, Any] = {name: run() for name, run in runs.items()}  # warm
    if "torch" in names:
        same_loss(results["kernel"], results["torch"], case)
    return take_turns(runs, rounds)


def same_loss(one: Any, other: Any, case: Case) -> None:
    """Make sure that the same thing is measured."""
    gradient = one[1]
    if case.n:
        gradient = gradient[1].copy()
        gradient[: case.B] += one[1][0]
    np.testing.assert_allclose(one[0], other[0], rtol=1e-4)
    # A pair whose difference of cosines is nothing but rounding may have either sign.
    if not np.linalg.norm(gradient - other[1]) < 2e-3 * np.linalg.norm(other[1]):
        raise AssertionError("the gradients differ")


def peak_bytes(case: Case, name: str) -> int:
    """Return by how much one call raises the high water mark of this process."""
    small = Case(case.loss, 32, 16, (4, 16), 40 if case.n else None)
    MAKERS[name](small, arrays(small))()
    run = MAKERS[name](case, arrays(case))
    before = reset_high_water_mark()
    run()
    return high_water_mark() - before


def loading() -> dict[str, float]:
    """Return what a first fit waits for."""
    from madapt.backends import get_backend

    began = time.perf_counter()
    import numba  # noqa: F401

    imported = time.perf_counter()
    len(get_backend("numba").kernels)
    return {"import numba": imported - began, "kernels": time.perf_counter() - imported}


def measure(case: Case, names: list[str], threads: int, rounds: int) -> dict[str, Any] | None:
    """Return median seconds and ratios, or None where a process failed."""
    task = {"what": "time", "case": asdict(case), "names": names, "rounds": rounds}
    seconds = child(__file__, task, threads, may_fail="torch.compile" in names)
    if seconds is None:
        return None
    row: dict[str, Any] = {name: float(np.median(times)) for name, times in seconds.items()}
    row["kernel / products"] = ratios(seconds, "kernel", "products")
    for name in names[2:]:
        row[f"{name} / kernel"] = ratios(seconds, name, "kernel")
    return row


def show(name: str, row: dict[str, Any]) -> None:
    """Print medians, with minimum and maximum."""
    parts = [f"{key} {shown(value)}" for key, value in row.items() if "/" in key]
    print(f"  {name}: {row['kernel'] * 1e3:.1f} ms; " + "; ".join(parts), flush=True)


def main() -> None:
    """Run all and write the report."""
    options = parser(__doc__, "loss")
    add_threads(options)
    options.add_argument("--rounds", type=int, default=15)
    options.add_argument("--no-torch", action="store_true", help="leave PyTorch out")
    options.add_argument("--compile", action="store_true", help="torch.compile, too")
    args = options.parse_args()
    if answered(args, perform):
        return
    rounds = min(args.rounds, 2) if args.quick else args.rounds
    peers = [] if args.no_torch or not installed("torch") else ["torch"]
    report: dict[str, Any] = {"machine": machine("numba", "torch"), "rounds": rounds}
    with tempfile.TemporaryDirectory() as cache:
        report["loading"] = {
            name: child(__file__, {"what": "loading"}, 1, NUMBA_CACHE_DIR=cache)
            for name in ("first", "from the cache")
        }
    print(report["machine"], report["loading"], sep="\n")
    report["threads"] = {}
    for threads in args.threads:
        found: dict[str, Any] = {"free cores": free_cores(threads)}
        print(f"{threads} threads, free cores: {found['free cores']:.2f}")
        found |= all_cases(args.quick, threads, rounds, peers, args.compile)
        found["sweeps"] = all_sweeps(args.quick, threads, rounds)
        found["free cores after"] = free_cores(threads)
        report["threads"][threads] = found
    save(report, args)


def all_cases(
    quick: bool, threads: int, rounds: int, peers: list[str], compiled: bool
) -> dict[str, Any]:
    """Measure seconds and memory of each case."""
    found: dict[str, Any] = {"cases": {}, "bytes": {}, "compiled": {}}
    for name, case in (QUICK_CASES if quick else CASES).items():
        found["cases"][name] = row = measure(case, ["products", "kernel", *peers], threads, rounds)
        show(name, row)
        memory = {"what": "memory", "case": asdict(case)}
        found["bytes"][name] = peaks = {
            peer: child(__file__, memory | {"name": peer}, threads) for peer in ("kernel", *peers)
        }
        print("   MiB: " + ", ".join(f"{peer} {n / 2**20:.0f}" for peer, n in peaks.items()))
        if compiled:
            row = measure(case, ["products", "kernel", "torch.compile"], threads, rounds)
            found["compiled"][name] = row
            show(name, row) if row else print("   torch.compile failed")
    return found


def all_sweeps(quick: bool, threads: int, rounds: int) -> dict[str, Any]:
    """Measure how the cost grows with each size."""
    found: dict[str, Any] = {}
    for over, cases in (QUICK_SWEEPS if quick else SWEEPS).items():
        print(f" over {over}")
        found[over] = {}
        for at, case in cases.items():
            row = measure(case, ["products", "kernel"], threads, rounds)
            found[over][at] = row
            show(str(at), row)
    return found


if __name__ == "__main__":
    main()
