"""transform of a float16 memory map to 64 dims, against the bare cast and product.

    python benchmarks/transform.py [--rows 1000000] [--rounds 7] [--threads 1 2] [--quick]

The rival does the least that any transform by blocks can do: NumPy's cast of a block to float32
in reused memory, and one product that writes into the result. It checks nothing and leaves the
rows as long as they are; madapt refuses NaN and gives unit rows. A second rival has madapt's own
cast. All take turns, with the same threads and files; the files are in the page cache.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from _common import (
    add_threads,
    answered,
    child,
    free_cores,
    machine,
    parser,
    save,
    shown,
    take_turns,
    timed,
)
from _common import spread as minimum_median_maximum
from threadpoolctl import threadpool_limits

D, M = 768, 64
#: Rows of a block of the rivals: of these the fastest on the machine at hand counts.
RIVAL_ROWS = (512, 1024, 2048, 4096)


def make_file(path: Path, rows: int) -> None:
    """Write rows of random halves; a block of them is written again and again."""
    block = np.random.default_rng(0).standard_normal((min(rows, 20_000), D)).astype(np.float16)
    with path.open("wb") as file:
        for start in range(0, rows, len(block)):
            block[: rows - start].tofile(file)


def open_files(folder: Path, rows: int) -> tuple[np.memmap, np.memmap]:
    """Map the vectors, and the result, which is made if it is not there."""
    X = np.memmap(folder / "X.f16", np.float16, "r", shape=(rows, D))
    mode = "r+" if (folder / "Z.f32").exists() else "w+"
    return X, np.memmap(folder / "Z.f32", np.float32, mode, shape=(rows, M))


def rotation() -> np.ndarray:
    """Return a random rotation; what it is makes no difference to the time."""
    Q, _ = np.linalg.qr(np.random.default_rng(1).standard_normal((D, D)))
    return Q.astype(np.float32)


def bare(X: Any, out: Any, weights: np.ndarray, rows: int, cast: Callable[..., Any]) -> None:
    """Cast and multiply by blocks, and nothing else."""
    scratch = np.empty((rows, D), np.float32)
    for start in range(0, len(X), rows):
        block = X[start : start + rows]
        part = scratch[: len(block)]
        cast(block, part)
        np.matmul(part, weights, out=out[start : start + len(block)])


def contenders(X: Any, out: Any) -> dict[str, Callable[[], Any]]:
    """Return what is timed, by name, madapt first."""
    from madapt._blocks import transform_blocks
    from madapt._halves import widen_halves
    from madapt.adaptor import ResidualAdaptor

    adaptor = ResidualAdaptor(rotation())
    weights = np.ascontiguousarray(adaptor.P[:, :M])

    def numpy_cast(block: np.ndarray, part: np.ndarray) -> None:
        np.copyto(part, block)

    def fastest(cast: Callable[..., Any]) -> int:
        sample = min(len(X), 32_768)
        seconds = {}
        for _ in range(3):
            for rows in RIVAL_ROWS:
                took = timed(lambda rows=rows: bare(X[:sample], out[:sample], weights, rows, cast))
                seconds[rows] = min(took, seconds.get(rows, took))
        return min(seconds, key=seconds.__getitem__)

    plain, quick = fastest(numpy_cast), fastest(widen_halves)
    return {
        "madapt": lambda: transform_blocks(adaptor, X, M, out=out),
        f"cast + sgemm ({plain} rows)": lambda: bare(X, out, weights, plain, numpy_cast),
        f"madapt's cast + sgemm ({quick} rows)": lambda: bare(X, out, weights, quick, widen_halves),
    }


def measure_time(folder: Path, rows: int, rounds: int) -> dict[str, Any]:
    """Let the contenders take turns; the first turn is thrown away."""
    X, out = open_files(folder, rows)
    methods = contenders(X, out)
    take_turns(methods, 1)
    seconds = take_turns(methods, rounds)
    ours, *rivals = methods
    ratios = {
        name: [theirs / mine for theirs, mine in zip(seconds[name], seconds[ours], strict=True)]
        for name in rivals
    }
    return {
        "seconds": {name: spread(values) for name, values in seconds.items()},
        "throughput of madapt / of the rival": {n: spread(v) for n, v in ratios.items()},
    }


def spread(values: list[float]) -> dict[str, float]:
    """Return the least, the median and the largest."""
    return dict(zip(("min", "median", "max"), minimum_median_maximum(values), strict=True))


def anonymous_mib(status: str | None = None) -> float:
    """Return RssAnon, memory that no file stands behind: of this process, if not told."""
    lines = (status or Path("/proc/self/status").read_text()).splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("RssAnon"))


def measure_memory(folder: Path, rows: int) -> dict[str, float]:
    """Return what this process takes with madapt imported, and at its peak."""
    from madapt._blocks import transform_blocks
    from madapt.adaptor import ResidualAdaptor

    adaptor = ResidualAdaptor(rotation())
    X, out = open_files(folder, rows)
    imported, samples, done = anonymous_mib(), [0.0], threading.Event()

    def sample() -> None:
        while not done.wait(0.005):
            samples.append(anonymous_mib())

    thread = threading.Thread(target=sample)
    thread.start()
    transform_blocks(adaptor, X, M, out=out)
    samples.append(anonymous_mib())
    done.set()
    thread.join()
    return {"with madapt imported": imported, "peak": max(samples)}


def memory_of_its_own(task: dict[str, Any], threads: int) -> dict[str, float]:
    """Run `measure_memory` in an interpreter of its own, beside one that does nothing."""
    idle = "print(open('/proc/self/status').read())"
    run = subprocess.run([sys.executable, "-c", idle], capture_output=True, check=True, text=True)
    interpreter = anonymous_mib(run.stdout)
    found = child(__file__, task | {"what": "memory"}, threads)
    above = found["peak"] - interpreter
    return {"interpreter": interpreter, **found, "peak above the interpreter": above}


def perform(task: dict[str, Any]) -> dict[str, Any]:
    """Do in this process what a child was asked for."""
    folder = Path(task["folder"])
    if task["what"] == "memory":
        return measure_memory(folder, task["rows"])
    with threadpool_limits(task["threads"]):
        return measure_time(folder, task["rows"], task["rounds"])


def main() -> None:
    """Measure and write the report."""
    options = parser(__doc__, "transform")
    add_threads(options)
    options.add_argument("--rows", type=int, default=1_000_000)
    options.add_argument("--rounds", type=int, default=7)
    args = options.parse_args()
    if answered(args, perform):
        return
    if args.quick:
        args.rows, args.rounds = min(args.rows, 20_000), 1
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        room = int(0.4 * shutil.disk_usage(folder).free) // (2 * D + 4 * M)
        rows = min(args.rows, room)
        make_file(folder / "X.f16", rows)
        report: dict[str, Any] = {"rows": rows, "columns": D, "dims": M, "machine": machine()}
        task: dict[str, Any] = {"folder": name, "rows": rows}
        for threads in args.threads:
            before = free_cores(threads)
            run = {"what": "time", "threads": threads, "rounds": args.rounds}
            found = child(__file__, task | run, threads)
            cores = {"free cores": before, "free cores after": free_cores(threads)}
            report[f"threads {threads}"] = found | cores
            for rival, ratio in found["throughput of madapt / of the rival"].items():
                print(f"{threads} threads, {rival}: {shown(list(ratio.values()))}", flush=True)
        report["RssAnon, MiB"] = memory_of_its_own(task, max(args.threads))
    save(report, args)


if __name__ == "__main__":
    main()
