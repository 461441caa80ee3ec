"""What the benchmarks share: options, fresh processes, turns, ratios, and the machine.

Each benchmark is one file that runs alone and writes one JSON file. With `--quick` it takes
sizes that say nothing, to show that it runs, and writes beside nothing that matters.
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
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_info, threadpool_limits

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
RESULTS = HERE / "results"
# This checkout is measured, whatever else is installed.
sys.path.insert(0, str(ROOT))


def parser(document: str, name: str) -> argparse.ArgumentParser:
    """Return the options that all benchmarks have; the file of `name`.json is written."""
    found = argparse.ArgumentParser(
        description=document, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    found.set_defaults(name=name)
    found.add_argument("--quick", action="store_true", help="tiny sizes: does it run?")
    found.add_argument(
        "--output",
        type=Path,
        help=f"JSON file; results/{name}.json, or with --quick one in the temporary folder",
    )
    found.add_argument("--task", help=argparse.SUPPRESS)
    return found


def add_threads(options: argparse.ArgumentParser) -> None:
    """Add `--threads`: each number gets fresh processes of its own."""
    options.add_argument("--threads", type=int, nargs="+", default=[1, 2], metavar="N")


def output_of(args: argparse.Namespace) -> Path:
    """Return where the report goes; a quick one never where the figures are."""
    if args.output:
        return args.output
    folder = Path(tempfile.gettempdir()) / "madapt-quick" if args.quick else RESULTS
    return folder / f"{args.name}.json"


def save(report: dict[str, Any], args: argparse.Namespace) -> None:
    """Write the report."""
    path = output_of(args)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(f"written: {path}")


def write_end_of(
    page: Path,
    heading: str,
    lines_of: Callable[[dict[str, Any]], list[str]],
    args: argparse.Namespace,
) -> None:
    """Write a report's lines, which begin with the heading, at the end of a page.

    What stands before it stays. `args.page` is another file to write to, or None; with
    `args.quick` the lines are only printed.
    """
    lines = lines_of(json.loads(output_of(args).read_text(encoding="utf-8")))
    if args.quick:
        print("\n".join(lines))
        return
    before = page.read_text(encoding="utf-8").partition(heading)[0]
    text = before + "\n".join(lines).rstrip() + "\n"
    (args.page or page).write_text(text, encoding="utf-8")


def child(
    script: str, task: dict[str, Any], threads: int, *, may_fail: bool = False, **variables: str
) -> Any:
    """Have `script` do a task in a fresh process of that many threads; return what it prints.

    The child gets `--task` with the task as JSON and prints its answer as JSON, last.
    """
    count = {f"{name}_NUM_THREADS": str(threads) for name in ("OPENBLAS", "OMP", "MKL", "NUMBA")}
    # Threads of one library that spin while they wait would take the others' cores.
    environment = os.environ | count | {"OMP_WAIT_POLICY": "PASSIVE"} | variables
    command = [sys.executable, script, "--task", json.dumps(task)]
    done = subprocess.run(
        command, env=environment, stdout=subprocess.PIPE, text=True, check=not may_fail
    )
    return json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 else None


def answered(args: argparse.Namespace, perform: Callable[[dict[str, Any]], Any]) -> bool:
    """Do the task of a child, if this process is one, and say whether it is."""
    if args.task is None:
        return False
    print(json.dumps(perform(json.loads(args.task))))
    return True


def take_turns(runs: dict[str, Callable[[], Any]], rounds: int) -> dict[str, list[float]]:
    """Run everything once a round, one after the other; return seconds by name."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            seconds[name].append(timed(run))
    return seconds


def timed(run: Callable[[], Any]) -> float:
    """Return the seconds of one call."""
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def spread(values: Any) -> list[float]:
    """Return minimum, median and maximum."""
    return [float(np.min(values)), float(np.median(values)), float(np.max(values))]


def ratios(seconds: dict[str, list[float]], over: str, under: str) -> list[float]:
    """Return minimum, median and maximum of the rounds' ratios."""
    return spread(np.asarray(seconds[over]) / np.asarray(seconds[under]))


def shown(values: list[float], digits: int = 2) -> str:
    """Write a median with minimum and maximum."""
    low, middle, high = values
    return f"{middle:.{digits}f} ({low:.{digits}f} .. {high:.{digits}f})"


def machine(*packages: str) -> dict[str, Any]:
    """Say what is measured on, and with which versions."""
    from madapt import __version__

    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "madapt": __version__,
        **{name: installed(name) or "not installed" for name in ("numpy", *packages)},
        "BLAS": _blas(),
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
    }


def installed(package: str) -> str | None:
    """Return the version of a package, None if it is not there."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _blas() -> str:
    found = [
        f"{pool['internal_api']} {pool['version']} ({pool.get('architecture', 'unknown')})"
        for pool in threadpool_info()
        if pool["user_api"] == "blas"
    ]
    return " and ".join(sorted(set(found))) or "unknown"


def free_cores(n_threads: int) -> float:
    """Return how many cores so many threads really have.

    That is how many times faster than one they are at products that share nothing, but no
    more than the processor time they get in a second. About n_threads on a quiet machine; less
    where other processes have some of its cores, and then the figures mean little.
    """
    A = np.random.default_rng(0).standard_normal((512, 512), dtype=np.float32)

    def multiply(times: int) -> None:
        out = np.empty_like(A)
        for _ in range(times):
            np.matmul(A, A, out=out)

    found = []
    with threadpool_limits(1), ThreadPoolExecutor(n_threads) as pool:
        for _ in range(7):
            alone = timed(lambda: multiply(8 * n_threads))
            used = time.process_time()
            together = timed(lambda: list(pool.map(multiply, [8] * n_threads)))
            found.append(min(alone, time.process_time() - used) / together)
    return float(np.median(found))


def reset_high_water_mark() -> int:
    """Set this process's high water mark back where Linux allows it, and return it, in bytes."""
    clear = Path("/proc/self/clear_refs")
    if clear.exists():
        clear.write_text("5")
    return high_water_mark()


def high_water_mark() -> int:
    """Return the largest resident size since then, in bytes."""
    status = Path("/proc/self/status")
    if status.exists():
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(lines["VmHWM"].split()[0]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
