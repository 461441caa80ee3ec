"""One loss with its gradient: the fused kernels against bare products, and against PyTorch.

    python benchmarks/loss.py [--threads 1 2] [--rounds 15] [--no-torch] [--compile]

All in the ratio of one round, in which everything runs once, one after the other, so that a
machine that is slower for a while is slower for all. "products" is two sgemm calls of
2 B n d operations: no loss over B rows and n columns can do without one forward and one back.
Peak memory is what the resident size of a fresh process grows by during one call (its high
water mark, reset before the call where Linux allows it), inputs and imports not counted.
PyTorch gets the softmax of the targets ready-made; the kernels compute it each time.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from loss_peers import MAKERS, Case, arrays, free_cores

HERE = Path(__file__).resolve().parent
TWELVE = (8, 16, 32, 64, 128, 192, 256, 320, 384, 512, 640, 768)
NINE = (16, 32, 64, 128, 256, 512, 1024, 2048, 3072)


CASES = {
    "pairwise + top-k, 1024 x 768, 12 dims": Case("similarity", 1024, 768, TWELVE),
    "listwise, 1024 x 768, 12 dims": Case("listwise", 1024, 768, TWELVE),
    "listwise, 256 rows x 1024, d = 768, 12 dims": Case("listwise", 256, 768, TWELVE, 1024),
    "listwise, 256 rows x 4096, d = 128, 5 dims": Case(
        "listwise", 256, 128, (8, 16, 32, 64, 128), 4096
    ),
    "pairwise + top-k, 1024 x 3072, 9 dims": Case("similarity", 1024, 3072, NINE),
    "listwise, 1024 x 3072, 9 dims": Case("listwise", 1024, 3072, NINE),
}


def spread(L: int, d: int = 768) -> tuple[int, ...]:
    """Return L dims at equal distances."""
    return tuple(d * (place + 1) // L for place in range(L))


SWEEPS = {
    "L": {L: Case("similarity", 1024, 768, spread(L)) for L in (1, 2, 4, 8, 12, 16, 24)},
    "L, listwise": {L: Case("listwise", 1024, 768, spread(L)) for L in (1, 2, 4, 8, 12, 16, 24)},
    "B": {B: Case("similarity", B, 768, TWELVE) for B in (256, 512, 1024, 2048)},
    "d": {d: Case("similarity", 1024, d, spread(8, d)) for d in (96, 192, 384, 768, 1536, 3072)},
}


def timed(case: Case, names: list[str], rounds: int) -> dict[str, Any]:
    """Run all of them in turn; return seconds by name."""
    data = arrays(case)
    runs = {name: MAKERS[name](case, data) for name in names}
    seconds: dict[str, Any] = {name: [] for name in names}
    results: dict[str, Any] = {name: run() for name, run in runs.items()}  # warm
    if "torch" in names:
        same_loss(results["kernel"], results["torch"], case)
    for _ in range(rounds):
        for name, run in runs.items():
            began = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - began)
    return seconds


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
    clear = Path("/proc/self/clear_refs")
    if clear.exists():
        clear.write_text("5")
        before = high_water_mark()
    else:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    run()
    return high_water_mark() - before


def high_water_mark() -> int:
    """Return the largest resident size so far, in bytes."""
    status = Path("/proc/self/status")
    if status.exists():
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(lines["VmHWM"].split()[0]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def loading() -> dict[str, float]:
    """Return what a first fit waits for."""
    from madapt.backends import get_backend

    began = time.perf_counter()
    import numba  # noqa: F401

    imported = time.perf_counter()
    len(get_backend("numba").kernels)
    return {"import numba": imported - began, "kernels": time.perf_counter() - imported}


def child(task: dict[str, Any], threads: int, **variables: str) -> Any:
    """Do one task in a fresh process of that many threads."""
    count = {f"{name}_NUM_THREADS": str(threads) for name in ("OPENBLAS", "OMP", "MKL", "NUMBA")}
    # Threads of one library that spin while they wait would take the others' cores.
    environment = os.environ | count | {"OMP_WAIT_POLICY": "PASSIVE"} | variables
    path = os.pathsep.join([str(HERE.parent), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, __file__, "--task", json.dumps(task)]
    done = subprocess.run(
        command, env=environment | {"PYTHONPATH": path}, stdout=subprocess.PIPE, text=True
    )
    return json.loads(done.stdout) if done.returncode == 0 else None


def perform(task: dict[str, Any]) -> Any:
    """Do in this process what `child` was asked for."""
    if task["what"] == "loading":
        return loading()
    if task["what"] == "cores":
        return free_cores(task["threads"])
    case = Case(**task["case"] | {"dims": tuple(task["case"]["dims"])})
    if task["what"] == "memory":
        return peak_bytes(case, task["name"])
    return timed(case, task["names"], task["rounds"])


def ratios(seconds: dict[str, list[float]], over: str, under: str) -> list[float]:
    """Return minimum, median and maximum of the rounds' ratios."""
    each = np.asarray(seconds[over]) / np.asarray(seconds[under])
    return [float(np.min(each)), float(np.median(each)), float(np.max(each))]


def measure(case: Case, names: list[str], threads: int, rounds: int) -> dict[str, Any] | None:
    """Return median seconds and ratios, or None where a process failed."""
    task = {"what": "time", "case": asdict(case), "names": names, "rounds": rounds}
    seconds = child(task, threads)
    if seconds is None:
        return None
    row: dict[str, Any] = {name: float(np.median(times)) for name, times in seconds.items()}
    row["kernel / products"] = ratios(seconds, "kernel", "products")
    for name in names[2:]:
        row[f"{name} / kernel"] = ratios(seconds, name, "kernel")
    return row


def machine() -> dict[str, Any]:
    """Say what this was measured on, and with."""
    found = {}
    for name in ("madapt", "numpy", "numba", "torch"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    processor = names[0] if names else platform.processor()
    return {
        "processor": processor,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
    } | found


def show(name: str, row: dict[str, Any]) -> None:
    """Print medians, with minimum and maximum."""
    parts = [f"{key} {v[1]:.2f} ({v[0]:.2f}..{v[2]:.2f})" for key, v in row.items() if "/" in key]
    print(f"  {name}: {row['kernel'] * 1e3:.1f} ms; " + "; ".join(parts), flush=True)


def main() -> None:
    """Run all and write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--no-torch", action="store_true")
    parser.add_argument("--compile", action="store_true", help="torch.compile, too")
    parser.add_argument("--output", type=Path, default=HERE / "results" / "loss.json")
    parser.add_argument("--task", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.task:
        print(json.dumps(perform(json.loads(args.task))))
        return
    peers = [] if args.no_torch else ["torch"]
    report: dict[str, Any] = {"machine": machine(), "rounds": args.rounds, "threads": {}}
    with tempfile.TemporaryDirectory() as cache:
        report["loading"] = {
            name: child({"what": "loading"}, 1, NUMBA_CACHE_DIR=cache)
            for name in ("first", "from the cache")
        }
    print(json.dumps(report["machine"]), json.dumps(report["loading"]), sep="\n")
    for threads in args.threads:
        print(f"{threads} threads")
        report["threads"][threads] = by_threads(threads, args.rounds, peers, args.compile)
    args.output.parent.mkdir(parents=True, exist_ok=True)
    args.output.write_text(json.dumps(report, indent=1) + "\n")


def by_threads(threads: int, rounds: int, peers: list[str], compiled: bool) -> dict[str, Any]:
    """Run everything with so many threads."""
    found: dict[str, Any] = {"cases": {}, "sweeps": {}, "compiled": {}, "bytes": {}}
    found["free cores"] = child({"what": "cores", "threads": threads}, threads)
    print(f"  free cores: {found['free cores']:.2f}")
    for name, case in CASES.items():
        found["cases"][name] = row = measure(case, ["products", "kernel", *peers], threads, rounds)
        show(name, row)
        memory = {"what": "memory", "case": asdict(case)}
        found["bytes"][name] = peaks = {
            peer: child(memory | {"name": peer}, threads) for peer in ("kernel", *peers)
        }
        print("   MiB: " + ", ".join(f"{peer} {n / 2**20:.0f}" for peer, n in peaks.items()))
        if compiled:
            row = measure(case, ["products", "kernel", "torch.compile"], threads, rounds)
            found["compiled"][name] = row
            show(name, row) if row else print("   torch.compile failed")
    for over, cases in SWEEPS.items():
        print(f" over {over}")
        found["sweeps"][over] = {}
        for at, case in cases.items():
            row = measure(case, ["products", "kernel"], threads, rounds)
            found["sweeps"][over][at] = row
            show(str(at), row)
    return found


if __name__ == "__main__":
    main()
