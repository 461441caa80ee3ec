"""Files larger than memory: seconds, anonymous memory, and 20 kills, against an undisturbed run.

    python benchmarks/out_of_core.py [--gigabytes 20] [--kills 20] [--threads 2] [--folder DIR]
        [--quick]

A corpus of n x 768 float32, 20 GB or 40 % of the free disk, whichever is less, is made in a
temporary folder of DIR as an .npy and then as Parquet, and deleted in the end, whatever happens. It
is transformed to 64 dims, float32,

- by `adaptor.transform(X, 64, out=...)` from one memory map to another, which is the reference;
- by `transform_file`, undisturbed;
- by `transform_file`, killed with SIGKILL at random moments and begun again each time.

Each run is a process of its own with so many threads. Memory is RssAnon of that process, which no
file stands behind, looked at every 5 ms, its peak over all runs of a kind; imports included. The
results are compared by SHA-256 of the whole files. Linux only.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
from _common import answered, machine, parser, save
from transform import anonymous_mib

D, M = 768, 64
BLOCK_ROWS = 16_384
MOST_GB, SHARE = 20.0, 0.4
#: What is fitted on, of the file.
FIT_ROWS = 10_000


def blocks(rows: int) -> Any:
    """Yield blocks of rows, no two alike, with a spectrum that falls."""
    generator = np.random.default_rng(0)
    scale = (1 + np.arange(D, dtype=np.float32)) ** np.float32(-0.4)
    first = generator.standard_normal((BLOCK_ROWS, D), np.float32) * scale
    for start in range(0, rows, BLOCK_ROWS):
        shift = generator.standard_normal(D, np.float32) * scale
        yield (first + shift)[: rows - start]


def make_npy(path: Path, rows: int) -> None:
    """Write the corpus as an .npy."""
    X = np.lib.format.open_memmap(path, "w+", np.float32, (rows, D))
    del X
    with path.open("r+b") as file:
        file.seek(-rows * D * 4, os.SEEK_END)
        for block in blocks(rows):
            file.write(block.data)


def make_parquet(path: Path, rows: int) -> None:
    """Write the corpus as Parquet, a column of lists, as most dumps have it."""
    import pyarrow
    from pyarrow import parquet

    schema = pyarrow.schema([("emb", pyarrow.list_(pyarrow.float32()))])
    with parquet.ParquetWriter(path, schema, use_dictionary=False) as writer:
        for block in blocks(rows):
            offsets = np.arange(0, block.size + 1, D, dtype=np.int32)
            lists = pyarrow.ListArray.from_arrays(offsets, pyarrow.array(block.ravel()))
            writer.write_batch(pyarrow.record_batch([lists], schema=schema))


def perform(task: dict[str, Any]) -> dict[str, Any]:
    """Do one run in this process; say how far it is on stdout."""
    from madapt import MatryoshkaAdaptor
    from madapt.io import open_embeddings, transform_file

    def said(done: int, n: int) -> None:
        print(json.dumps({"rows": done}), flush=True)

    folder, source = Path(task["folder"]), Path(task["source"])
    model = folder / "adaptor.safetensors"
    if task["what"] == "fit":
        began = time.perf_counter()
        with open_embeddings(source) as X:
            MatryoshkaAdaptor(
                (M, D), rotation="svd", guard=False, max_fit_rows=FIT_ROWS, random_state=0
            ).fit(X).save(model)
        return {"seconds": time.perf_counter() - began}
    adaptor = MatryoshkaAdaptor.load(model)
    began = time.perf_counter()
    if task["what"] == "reference":
        X = np.load(source, mmap_mode="r")
        out = np.lib.format.open_memmap(task["output"], "w+", np.float32, (len(X), M))
        adaptor.transform(X, M, out=out)
        out.flush()
        return {"seconds": time.perf_counter() - began}
    found = transform_file(adaptor, source, task["output"], M, progress=said)
    seconds = time.perf_counter() - began
    return {"seconds": seconds, "resumed at": found.resumed_at, "checked": found.checked_rows}


def run(task: dict[str, Any], threads: int, kill_at: int | None = None) -> dict[str, Any]:
    """Do a task in a process, killed once so many rows are done; return what it says and took."""
    counts = {f"{name}_NUM_THREADS": str(threads) for name in ("OPENBLAS", "OMP", "MKL", "NUMBA")}
    command = [sys.executable, __file__, "--task", json.dumps(task)]
    process = subprocess.Popen(command, env=os.environ | counts, stdout=subprocess.PIPE, text=True)
    peak = [0.0]

    def sample() -> None:
        status = Path(f"/proc/{process.pid}/status")
        while process.poll() is None:
            try:
                peak[0] = max(peak[0], anonymous_mib(status.read_text()))
            except (OSError, StopIteration):  # it has ended
                return
            time.sleep(0.005)

    sampler = threading.Thread(target=sample)
    sampler.start()
    said: dict[str, Any] = {}
    try:
        for line in process.stdout or ():
            said = json.loads(line)
            if kill_at is not None and said.get("rows", 0) >= kill_at:
                time.sleep(np.random.default_rng(kill_at).uniform(0, 0.2))  # anywhere in a block
                process.send_signal(signal.SIGKILL)
                kill_at = None
    finally:
        process.kill() if process.poll() is None and sys.exc_info()[0] else process.wait()
        sampler.join()
    return {**said, "peak": peak[0], "code": process.wait()}


def digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def measure(source: Path, wanted: str, args: Any, rows: int) -> dict[str, Any]:
    """Transform one file undisturbed and killed; return seconds, memory and whether bits agree."""
    folder = source.parent
    task = {"what": "file", "folder": str(folder), "source": str(source)}
    dst = folder / "undisturbed.npy"
    whole = run(task | {"output": str(dst)}, args.threads)
    same = [digest(dst) == wanted]
    dst.unlink()
    dst = folder / "killed.npy"
    moments = np.sort(np.random.default_rng(1).integers(1, rows, args.kills))
    killed = [run(task | {"output": str(dst)}, args.threads, int(at)) for at in moments]
    n_killed = sum(one["code"] == -signal.SIGKILL for one in killed)
    early = dst.exists() and n_killed == args.kills
    last = run(task | {"output": str(dst)}, args.threads)
    same.append(digest(dst) == wanted)
    dst.unlink()
    return {
        "GB": source.stat().st_size / 1e9,
        "seconds": whole["seconds"],
        "MiB": max(one["peak"] for one in (whole, last, *killed)),
        "kills": n_killed,
        "named before it was whole": early,
        "resumed at": last["resumed at"],
        "rows checked": last["checked"],
        "undisturbed is the reference": same[0],
        "killed is the reference": same[1],
    }


def table(report: dict[str, Any]) -> str:
    """Return the figures as the page shows them."""
    reference = report["reference"]
    lines = [
        "| corpus | GB | seconds | GB/s | peak, MiB | kills | the reference's bits |",
        "| --- | ---: | ---: | ---: | ---: | ---: | --- |",
        f"| `.npy`, `transform` with `out=` | {reference['GB']:.1f} | {reference['seconds']:.0f} | "
        f"{reference['GB'] / reference['seconds']:.2f} | {reference['MiB']:.0f} | | |",
    ]
    for name, found in report["files"].items():
        same = found["undisturbed is the reference"], found["killed is the reference"]
        words = {True: "yes", False: "**no**"}
        lines.append(
            f"| `{name}`, `transform_file` | {found['GB']:.1f} | {found['seconds']:.0f} | "
            f"{found['GB'] / found['seconds']:.2f} | {found['MiB']:.0f} | {found['kills']} | "
            f"undisturbed {words[same[0]]}, killed {words[same[1]]} |"
        )
    return "\n".join(lines) + "\n"


def figures(report: dict[str, Any]) -> str:
    """Return the section of the page."""
    reference, on = report["reference"], report["machine"]
    size = reference["GB"]
    asked = "" if size > MOST_GB - 0.5 else f" --gigabytes {size:.0f}"
    return f"""`python benchmarks/out_of_core.py{asked}` on
{on["processor"]}, {on["cores"]} cores, {report["threads"]} threads, Python {on["python"]}, numpy
{on["numpy"]}, {on["BLAS"]}, at a load of {on["load"]}
by other processes: {report["rows"]:,} rows of {report["columns"]} float32 to {report["dims"]} dims.
Seconds are those of a run that is not killed, for `transform_file` with the verification, on
cores that other work shared. Peak is of anonymous memory (RssAnon), imports included, over all runs
of a kind. Kills are SIGKILL at random moments of one work, which was run again each time and went
on. The reference is `transform` in one call, compared by SHA-256 of the whole files.

{table(report)}
`fit` on {FIT_ROWS:,} of the rows of that `.npy` took {reference["fit, seconds"]:.0f} s and
{reference["fit, MiB"]:.0f} MiB. Without `--gigabytes` the corpus is {MOST_GB:.0f} GB or
{100 * SHARE:.0f} % of the free disk, whichever is less. What fits into the system's cache is read
faster than from a disk.
"""


def main() -> int:
    """Make the files, measure, and write the report; return 1 where bits differ."""
    options = parser(__doc__, "out_of_core")
    options.add_argument("--gigabytes", type=float, help="size of the corpus")
    options.add_argument("--kills", type=int, default=20)
    options.add_argument("--threads", type=int, default=2)
    options.add_argument("--folder", type=Path, help="where the temporary folder is made")
    args = options.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the files are deleted
    if answered(args, perform):
        return 0
    free = shutil.disk_usage(args.folder or tempfile.gettempdir()).free / 1e9
    size = args.gigabytes or (0.15 if args.quick else min(MOST_GB, SHARE * free))
    if args.quick:
        args.kills = min(args.kills, 2)
    rows = int(size * 1e9 / (4 * D))
    report: dict[str, Any] = {
        "rows": rows,
        "columns": D,
        "dims": M,
        "threads": args.threads,
        "machine": machine("pyarrow"),
        "files": {},
    }
    with tempfile.TemporaryDirectory(dir=args.folder) as name:
        folder = Path(name)
        for ending, make in ((".npy", make_npy), (".parquet", make_parquet)):
            source = folder / f"X{ending}"
            make(source, rows)
            print(f"made: {source}, {source.stat().st_size / 1e9:.1f} GB", flush=True)
            if ending == ".npy":
                task = {"folder": name, "source": str(source), "output": f"{name}/reference.npy"}
                fit = run(task | {"what": "fit"}, args.threads)
                found = run(task | {"what": "reference"}, args.threads)
                wanted = digest(folder / "reference.npy")
                (folder / "reference.npy").unlink()
                report["reference"] = {
                    "GB": source.stat().st_size / 1e9,
                    "seconds": found["seconds"],
                    "MiB": found["peak"],
                    "fit, seconds": fit["seconds"],
                    "fit, MiB": fit["peak"],
                }
            report["files"][ending] = measure(source, wanted, args, rows)
            print(table(report), flush=True)
            source.unlink()
            save(report, args)
    files = report["files"].values()
    return int(not all(one["killed is the reference"] for one in files))


if __name__ == "__main__":
    sys.exit(main())
