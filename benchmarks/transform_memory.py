"""What `transform` takes beside its input and its output, by the number of threads.

    python benchmarks/transform_memory.py [--rows 1000000] [--threads 1 2 4 8] [--quick]

A fitted `MatryoshkaAdaptor` transforms 1,000,000 x 384 halves in a memory map to 64 dims, float32,
in another, in two ways: in one call whose products have so many threads of BLAS, and in so many
threads of Python, each with a part of the rows and BLAS held to one. Memory is RssAnon, which no
file stands behind, looked at every 2 ms: its highest less what the process had before the first
call. Linux only.
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from _common import add_threads, answered, child, machine, parser, save
from threadpoolctl import threadpool_info, threadpool_limits
from transform import anonymous_mib

from madapt import MatryoshkaAdaptor
from madapt._blocks import BLOCK_BYTES

D, M = 384, 64
WAYS = ("threads of BLAS in one call", "calls in threads")


def make_files(folder: Path, rows: int) -> None:
    """Write random halves, and an adaptor fitted on some such."""
    generator = np.random.default_rng(0)
    block = generator.standard_normal((min(rows, 20_000), D), np.float32)
    MatryoshkaAdaptor(max_iter=1, guard=False, random_state=0).fit(block[:1000]).save(
        folder / "adaptor.safetensors"
    )
    with (folder / "X.f16").open("wb") as file:
        for start in range(0, rows, len(block)):
            block[: rows - start].astype(np.float16).tofile(file)


def highest(run: Callable[[], None]) -> float:
    """Return the most anonymous memory during a call, in MiB."""
    samples, done = [anonymous_mib()], threading.Event()

    def sample() -> None:
        while not done.wait(0.002):
            samples.append(anonymous_mib())

    thread = threading.Thread(target=sample)
    thread.start()
    run()
    samples.append(anonymous_mib())
    done.set()
    thread.join()
    return max(samples)


def measure(task: dict[str, Any]) -> dict[str, Any]:
    """Transform in this process, in one of the ways."""
    folder, rows, threads = Path(task["folder"]), task["rows"], task["threads"]
    adaptor = MatryoshkaAdaptor.load(folder / "adaptor.safetensors")
    X = np.memmap(folder / "X.f16", np.float16, "r", shape=(rows, D))
    Z = np.memmap(folder / "Z.f32", np.float32, "w+", shape=(rows, M))
    edges = [rows * i // threads for i in range(threads + 1)]

    def in_one_call() -> None:
        # OpenBLAS begins with no more threads than there are cores.
        with threadpool_limits(threads):
            counts.extend(p["num_threads"] for p in threadpool_info() if p["user_api"] == "blas")
            adaptor.transform(X, M, out=Z)

    def part(rows_of_it: tuple[int, int]) -> None:
        here = slice(*rows_of_it)
        adaptor.transform(X[here], M, out=Z[here])

    def in_threads() -> None:
        with threadpool_limits(1), ThreadPoolExecutor(threads) as pool:
            list(pool.map(part, pairwise(edges)))

    counts: list[int] = []  # of BLAS
    before = anonymous_mib()
    peak = highest(in_one_call if task["way"] == WAYS[0] else in_threads)
    return {
        "before": before,
        "peak": peak,
        "above": peak - before,
        "threads of BLAS": counts or [1],
    }


def main() -> None:
    """Measure and write the report."""
    options = parser(__doc__, "transform_memory")
    add_threads(options)
    options.set_defaults(threads=[1, 2, 4, 8])
    options.add_argument("--rows", type=int, default=1_000_000)
    options.add_argument("--rounds", type=int, default=3)
    args = options.parse_args()
    if answered(args, measure):
        return
    if args.quick:
        args.rows, args.rounds = min(args.rows, 20_000), 1
    report: dict[str, Any] = {
        "rows": args.rows,
        "columns": D,
        "dims": M,
        "block, MiB": BLOCK_BYTES / 2**20,
        "machine": machine(),
        "MiB": {way: {} for way in WAYS},
    }
    with tempfile.TemporaryDirectory() as name:
        make_files(Path(name), args.rows)
        for way in WAYS:
            for threads in args.threads:
                task = {"folder": name, "rows": args.rows, "threads": threads, "way": way}
                found = [child(__file__, task, threads) for _ in range(args.rounds)]
                report["MiB"][way][str(threads)] = found
                above = ", ".join(f"{one['above']:.1f}" for one in found)
                print(f"{way}, {threads}: {above} MiB above {found[0]['before']:.0f}", flush=True)
    save(report, args)


if __name__ == "__main__":
    main()
