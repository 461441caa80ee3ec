"""Run all benchmarks, or some, one after the other, and write docs/performance.md.

    python benchmarks/all.py [--data ../shared/data] [--only NAME ...] [--threads 1 2] [--quick]
        [--output DIR]

Each runs in a process of its own and writes DIR/NAME.json; DIR is benchmarks/results, or with
`--quick` a temporary folder, where the page goes then, too. One that fails does not stop the
others. `gpu` is left out where there is no GPU, and with `--quick` is a dry run on the CPU.
`funnel` writes the tables of docs/search.md, `command_line` the factors of what
`madapt fit --dry-run` estimates. `fit`, `postgres`, which writes the table of docs/pgvector.md and
needs the packages of .ci/stores.txt, `bytes`, which writes docs/bytes.md, and `quality`, which
writes docs/quality.md and takes hours, need `--data`, a folder of collections
in BEIR's layout with their vectors, and are left out without it. One benchmark alone:
`python benchmarks/NAME.py`.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from _common import HERE, RESULTS, ROOT

#: What each does with --data: "needs", "takes" or nothing; the quick ones first.
BENCHMARKS = {
    "imports": None,
    "transform": None,
    "transform_memory": None,
    "neighbors": "takes",
    "funnel": "takes",
    "profile_step": "takes",
    "fit": "needs",
    "large_fit": "takes",
    "command_line": None,
    "loss": None,
    "gpu": None,
    "postgres": "needs",
    "bytes": "needs",
    "quality": "needs",
}
#: Those that are not told a number of threads: they use what BLAS takes, one each, or 1 to 8.
WITHOUT_THREADS = (
    *("imports", "transform_memory", "funnel"),
    *("command_line", "gpu", "postgres", "bytes", "quality"),
)


def command(name: str, folder: Path, args: argparse.Namespace) -> list[str]:
    """Return how to run a benchmark."""
    report = folder / f"{name}.json"
    found = [sys.executable, str(HERE / f"{name}.py"), "--output", str(report)]
    if BENCHMARKS[name] and args.data is not None:
        found += ["--data", str(args.data)]
    if name not in WITHOUT_THREADS:
        found += ["--threads", *map(str, args.threads)]
    if args.quick:
        found.append("--dry-run" if name == "gpu" else "--quick")
    return found


def why_left_out(name: str, args: argparse.Namespace) -> str | None:
    """Say why a benchmark cannot run, None if it can."""
    if BENCHMARKS[name] == "needs" and args.data is None:
        return "it needs --data"
    if name == "gpu" and not args.quick:
        from madapt.backends import available

        reason = available()["cupy"]
        return None if reason == "available" else reason
    return None


def main() -> int:
    """Run what is wanted; return how many failed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path)
    parser.add_argument("--only", nargs="+", choices=BENCHMARKS, metavar="NAME")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], metavar="N")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--output", type=Path, metavar="DIR")
    args = parser.parse_args()
    folder = args.output or (
        Path(tempfile.mkdtemp(prefix="madapt-quick-")) if args.quick else RESULTS
    )
    failed = []
    for name in args.only or BENCHMARKS:
        reason = why_left_out(name, args)
        if reason:
            print(f"{name}: left out, {reason}")
            continue
        print(f"===== {name}", flush=True)
        began = time.perf_counter()
        if subprocess.run(command(name, folder, args)).returncode:
            failed.append(name)
        print(f"===== {name}: {time.perf_counter() - began:.0f} s", flush=True)
    write_page(folder)
    if failed:
        print(f"failed: {', '.join(failed)}")
    return len(failed)


def write_page(folder: Path) -> None:
    """Write the page of the figures in the folder: into docs, or beside figures elsewhere."""
    is_figures = folder.resolve() == RESULTS
    target = ROOT / "docs" / "performance.md" if is_figures else folder / "performance.md"
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        print("the page is not written: it needs Matplotlib for its plots")
        return
    from performance_page import write_page

    write_page(folder, target)
    print(f"written: {target}")


if __name__ == "__main__":
    sys.exit(main())
