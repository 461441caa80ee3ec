"""A GPU against the reference, PyTorch and the CPU: the same numbers, and how fast.

    python benchmarks/gpu.py [--dry-run] [--output FILE]

It needs CuPy and a CUDA device, and nothing outside the checkout; PyTorch is measured where it is
installed and sees the device. Within eight minutes, which the sections share, it

- measures the device: a float32 product, and adding 1 to a large array;
- compares every kernel, in float32, and whole fits with the reference backend;
- times one loss with its gradient, transform, exact top-k and fits: madapt, PyTorch eager and
  compiled in turn on the device, all waited for, and the CPU backend on the same machine;
- says of each which share of the measured rates it is, and the most memory that it took.

A section that fails does not stop the others. What failed, what lies beyond its tolerance, and
what there was no time for is in the report; the exit status is then 1, for lack of time alone 0.
The report is benchmarks/results/gpu.json, from which `python benchmarks/performance_page.py`
writes docs/performance.md. `--dry-run` goes the same ways at tiny sizes on the CPU, where arrays
that know the array API alone stand in for a device's; its report says so, shows nothing, and
never lies among the figures.
"""

from __future__ import annotations

import argparse
import json
import math
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from _common import RESULTS, installed, machine
from gpu_device import Device, gpu, one_line, stand_in
from gpu_fit import fits
from gpu_goals import goals
from gpu_parity import fit_parity, kernel_parity
from gpu_speed import device_rates, loss_steps, searches, transforms
from gpu_torch import Peers
from gpu_work import DRY, FULL, Budget, Work


def compare_kernels(work: Work) -> dict[str, Any]:
    """Compare every kernel with the reference."""
    return noted(work, "kernel parity", kernel_parity(work.device, work.sizes.batch))


def compare_fits(work: Work) -> dict[str, Any]:
    """Compare whole fits with the reference's."""
    found = fit_parity(work.device, *work.sizes.compared_fit, work.sizes.compared_parameters)
    return noted(work, "fit parity", found)


def noted(work: Work, section: str, found: dict[str, Any]) -> dict[str, Any]:
    """Note what is beyond its tolerance as failed."""
    work.failed |= {f"{section}: {name}": why for name, why in found["beyond"].items()}
    return found


#: What is done, and the seconds that must be left for its beginning.
SECTIONS: dict[str, tuple[float, Callable[[Work], dict[str, Any]]]] = {
    "device": (20, device_rates),
    "kernel parity": (30, compare_kernels),
    "fit parity": (60, compare_fits),
    "loss step": (60, loss_steps),
    "transform": (40, transforms),
    "top-k": (40, searches),
    "fit": (90, fits),
}


class TimeIsOverError(BaseException):
    """Not an Exception: whoever goes on after a failure must not go on after this."""


def stop_at(seconds: float) -> None:
    """Have the section that runs after so many seconds stopped, where the system can do that."""
    if math.isinf(seconds) or not hasattr(signal, "setitimer"):
        return

    def stop(*_: Any) -> None:
        raise TimeIsOverError

    signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)


def run(work: Work, *, dry: bool) -> dict[str, Any]:
    """Do every section that there is time for; return the report."""
    sections: dict[str, Any] = {}
    for name, (seconds, measure) in SECTIONS.items():
        if not work.budget.has(seconds, name):
            continue
        began = work.budget.spent
        try:
            sections[name] = measure(work)
        except TimeIsOverError:
            work.budget.left_out[name] = "stopped: the time for the whole was over"
        except Exception as error:  # out of memory, say: the others are measured all the same
            work.failed[name] = one_line(error)
        work.device.release()
        took = work.budget.spent - began
        print(f"{name}: {'done' if name in sections else 'not done'}, {took:.1f} s", flush=True)
        if name in sections:
            sections[name]["took"] = took
    return {
        "dry run": dry,
        "device": work.device.name,
        "machine": machine("scipy", "numba", "torch") | {"cupy": cupy_version()},
        "PyTorch": {"missing": work.peers.missing, "compiling": work.peers.compiling},
        "seconds": work.budget.spent,
        "limit": None if dry else work.sizes.limit,
        "sections": sections,
        "goals": goals(sections),
        "failed": work.failed,
        "left out": work.budget.left_out,
    }


def cupy_version() -> str:
    """Return the version of CuPy, by whichever name it was installed."""
    names = ("cupy-cuda13x", "cupy-cuda12x", "cupy")
    return next((found for name in names if (found := installed(name))), "not installed")


def output_of(args: argparse.Namespace) -> Path:
    """Return where the report goes; that of a dry run never where the figures are."""
    default = RESULTS
    if args.dry_run:
        default = Path(tempfile.gettempdir()) / "madapt-quick"
    path: Path = args.output or default / "gpu.json"
    if args.dry_run and RESULTS in path.resolve().parents:
        raise ValueError(f"a dry run measures nothing: it is not written into {RESULTS}")
    return path


def device_of(args: argparse.Namespace) -> Device:
    """Return what is measured."""
    return stand_in() if args.dry_run else gpu()


def main() -> int | str:
    """Measure and write the report; return the exit status, or why nothing was measured."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--dry-run", action="store_true", help="tiny sizes on the CPU")
    options.add_argument("--output", type=Path, metavar="FILE")
    args = options.parse_args()
    try:
        path, device = output_of(args), device_of(args)
    except (ValueError, ImportError) as error:
        return f"gpu.py: {error}"
    sizes = DRY if args.dry_run else FULL
    budget = Budget(sizes.limit)
    # A little before, for the report.
    stop_at(sizes.limit - 5)
    peers = Peers(device, sizes.first_compiled, sizes.compiling)
    work = Work(device, peers, sizes, budget)
    report = run(work, dry=args.dry_run)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    for what, why in {**report["failed"], **report["left out"]}.items():
        print(f"{'failed' if what in report['failed'] else 'left out'}: {what}: {why}")
    print(f"written: {path}, after {report['seconds']:.0f} s")
    return int(bool(report["failed"]))


if __name__ == "__main__":
    sys.exit(main())
