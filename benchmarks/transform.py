"""transform of a float16 memory map to 64 dims, against the bare cast and product.

    python benchmarks/transform.py

The rival does the least that any transform by blocks can do: NumPy's cast of a block to float32
in reused memory, and one product that writes into the result. It checks nothing and leaves the
rows as long as they are; madapt refuses NaN and gives unit rows. A second rival has madapt's own
cast. All take turns, with the same threads (one, then all) and files; the files are in the page
cache.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_info, threadpool_limits

HERE = Path(__file__).resolve().parent
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


def timed(function: Callable[[], Any]) -> float:
    """Return the seconds of one call."""
    began = time.perf_counter()
    function()
    return time.perf_counter() - began


def measure_time(folder: Path, rows: int, repeats: int) -> dict[str, Any]:
    """Let the contenders take turns; the first turn is thrown away."""
    X, out = open_files(folder, rows)
    methods = contenders(X, out)
    seconds: dict[str, list[float]] = {name: [] for name in methods}
    for turn in range(repeats + 1):
        for name, function in methods.items():
            took = timed(function)
            if turn:
                seconds[name].append(took)
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
    return {"min": min(values), "median": statistics.median(values), "max": max(values)}


def anonymous_mib(status: str | None = None) -> float:
    """Return RssAnon, memory that no file stands behind: of this process, if not told."""
    lines = (status or Path("/proc/self/status").read_text()).splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("RssAnon"))


def measure_memory(folder: Path, rows: int) -> None:
    """Print what a process of its own takes: bare, with madapt imported, and at its peak."""
    before = anonymous_mib()
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
    print(json.dumps({"before": before, "imported": imported, "peak": max(samples)}))


def memory_of_its_own(folder: Path, rows: int) -> dict[str, float]:
    """Run `measure_memory` in an interpreter of its own, beside one that does nothing."""
    idle = "print(open('/proc/self/status').read())"
    run = subprocess.run([sys.executable, "-c", idle], capture_output=True, check=True, text=True)
    interpreter = anonymous_mib(run.stdout)
    command = [sys.executable, __file__, "--rows", str(rows), "--memory", str(folder)]
    run = subprocess.run(command, capture_output=True, check=True, text=True)
    found = json.loads(run.stdout)
    return {
        "interpreter": interpreter,
        "with madapt imported": found["imported"],
        "peak": found["peak"],
        "peak above the interpreter": found["peak"] - interpreter,
    }


def machine() -> dict[str, Any]:
    """Return what the figures depend on."""
    import madapt

    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return {
        "processor": names[0] if names else platform.processor(),
        "cores": os.cpu_count(),
        "load before": os.getloadavg()[0],
        "blas": [
            {key: pool[key] for key in ("internal_api", "version", "architecture")}
            for pool in threadpool_info()
            if pool["user_api"] == "blas"
        ],
        "python": platform.python_version(),
        "numpy": np.__version__,
        "madapt": madapt.__version__,
    }


def main() -> None:
    """Measure and write the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--output", type=Path, default=HERE / "results" / "transform.json")
    parser.add_argument("--memory", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.memory:
        measure_memory(args.memory, args.rows)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        room = int(0.4 * shutil.disk_usage(folder).free) // (2 * D + 4 * M)
        rows = min(args.rows, room)
        report: dict[str, Any] = {"rows": rows, "columns": D, "dims": M, "machine": machine()}
        make_file(folder / "X.f16", rows)
        for threads in sorted({1, os.cpu_count() or 1}):
            with threadpool_limits(threads):
                report[f"threads {threads}"] = measure_time(folder, rows, args.repeats)
        report["RssAnon, MiB"] = memory_of_its_own(folder, rows)
    args.output.parent.mkdir(parents=True, exist_ok=True)
    args.output.write_text(json.dumps(report, indent=1) + "\n")
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    sys.path.insert(0, str(HERE.parent))
    main()
