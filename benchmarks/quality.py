"""The quality study: nDCG@10 of every method on every pair, written to docs/quality.md.

    python benchmarks/quality.py --data ../shared/data [--seeds 5] [--jobs 2] [--quick]
        [--parts labelfree,queries,cut,labels,scarce,adversarial] [--methods TEXT ...]
        [--pairs TEXT ...] [--settings TEXT ...] [--redo] [--page]

`--data` is a folder of BEIR-layout folders, each with its vectors in .npz files. A cell is one
method with one seed on one pair of collection and vectors. Each is written when it is done, and
those that are there are not run again: after an interruption the same command goes on. `--redo`
runs them anew; `--methods` and `--pairs` take only those whose name holds a text,
`--settings` those of just that setting. `--page`
measures nothing and writes the page from what is there. Nothing is timed here, and nothing is
chosen by a test split.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
import time
import traceback
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from multiprocessing import get_context
from pathlib import Path

#: Processes share the cores, so each has one thread; read when NumPy is first imported.
THREADS = dict.fromkeys(
    ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"
)
os.environ.update(THREADS)

from _common import RESULTS, ROOT, machine, output_of, parser  # noqa: E402
from quality_cells import PARTS, Cell, cells_of, measure, runnable  # noqa: E402
from quality_store import Store  # noqa: E402


def main() -> int:
    """Measure what is missing, then write the page; return how many cells failed."""
    args = _arguments()
    path = output_of(args)
    store = Store(path)
    failed = 0
    if not args.page:
        for part in args.parts:
            failed += _measure_part(part, args, store)
    is_figures = path.parent.resolve() == RESULTS
    page = ROOT / "docs" / "quality.md" if is_figures else path.with_suffix(".md")
    write_page(store, page)
    return failed


def write_page(store: Store, page: Path) -> None:
    """Write the page, and its figures into images beside it if Matplotlib is there."""
    from quality_page import markdown

    try:
        from quality_figures import draw

        figures = draw(store, page.parent / "images")
    except ImportError:
        print("no figures: they need Matplotlib")
        figures = []
    page.write_text(markdown(store, figures), encoding="utf-8")
    print(f"written: {page}")


def _measure_part(part: str, args: argparse.Namespace, store: Store) -> int:
    """Run the cells of a part that are missing, save each, return how many failed."""
    cells = list(cells_of(part, 1 if args.quick else args.seeds, args.quick))
    for chosen, name in ((args.methods, "method"), (args.pairs, "pair")):
        if chosen:
            cells = [c for c in cells if any(text in getattr(c, name) for text in chosen)]
    if args.settings is not None:
        cells = [c for c in cells if c.setting in args.settings]
    cells = runnable(cells, args.data)
    todo = [cell for cell in cells if args.redo or cell.key not in store.cells]
    print(f"{part}: {len(todo)} of {len(cells)} cells to run", flush=True)
    if not todo:
        return 0
    run = {"command": _command(args), "machine": machine(*_PACKAGES)}
    # A narrower run later does not make the earlier one's cells its own.
    earlier = store.report["parts"].get(part, [])
    others = [one for one in earlier if one["command"] != run["command"]]
    store.report["parts"][part] = [*others, run]
    failed = 0
    workers = ProcessPoolExecutor(args.jobs, mp_context=get_context("spawn"))
    try:
        waiting = {workers.submit(_timed, cell, args.data, args.quick): cell for cell in todo}
        while waiting:
            done, _ = wait(waiting, return_when=FIRST_COMPLETED)
            for future in done:
                failed += not _keep(waiting.pop(future), future, store)
    finally:
        workers.shutdown(cancel_futures=True)
    return failed


def _timed(cell: Cell, root: Path, quick: bool) -> tuple[dict | None, float]:
    began = time.perf_counter()
    return measure(cell, root, quick), time.perf_counter() - began


def _keep(cell: Cell, future, store: Store) -> bool:
    """Save what a cell found; say what went wrong where it did not."""
    try:
        found, seconds = future.result()
    except Exception:
        traceback.print_exc()
        print(f"failed: {cell.key}", flush=True)
        return False
    if found is None:
        print(f"left out: {cell.key}: too few queries", flush=True)
        return True
    store.add(cell.key, found)
    print(f"{cell.key}: {seconds:.0f} s", flush=True)
    return True


def _command(args: argparse.Namespace) -> str:
    """Return the command that measures the parts anew, less their names."""
    data = "FOLDER" if args.data.is_absolute() else args.data
    options = ["--quick"] if args.quick else ["--seeds", str(args.seeds)]
    for name in ("methods", "pairs", "settings"):
        if (chosen := getattr(args, name)) is not None:
            options += [f"--{name}", *map(shlex.quote, chosen)]
    words = ["python benchmarks/quality.py --data", str(data), *options]
    return " ".join([*words, "--jobs", str(args.jobs)])


def _arguments() -> argparse.Namespace:
    options = parser(__doc__, "quality")
    options.add_argument("--data", type=Path, help="a folder of collections")
    options.add_argument("--seeds", type=int, default=5)
    options.add_argument("--parts", type=_parts, default=list(PARTS), metavar="PART,...")
    options.add_argument("--methods", nargs="+", metavar="TEXT")
    options.add_argument("--pairs", nargs="+", metavar="TEXT")
    options.add_argument("--settings", nargs="+", metavar="TEXT", help="'' is the plain one")
    options.add_argument("--jobs", type=int, default=1, metavar="N", help="processes")
    options.add_argument("--redo", action="store_true", help="run finished cells again")
    options.add_argument("--page", action="store_true", help="write the page, measure nothing")
    args = options.parse_args()
    if args.data is None and not args.page:
        options.error("--data is needed, or --page")
    return args


def _parts(text: str) -> list[str]:
    names = text.split(",")
    wrong = set(names) - set(PARTS)
    if wrong:
        raise argparse.ArgumentTypeError(f"parts are {', '.join(PARTS)}, got {', '.join(wrong)}")
    return [part for part in PARTS if part in names]


_PACKAGES = ("scipy", "scikit-learn", "numba", "faiss-cpu")

if __name__ == "__main__":
    sys.exit(main())
