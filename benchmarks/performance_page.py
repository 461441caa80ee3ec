"""Write docs/performance.md and its plots from the figures under benchmarks/results.

    python benchmarks/performance_page.py [--results DIR] [--page FILE.md]

What has not been measured is left out, but that nothing has been on a GPU is said.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from _common import RESULTS, ROOT
from _page import paragraph
from performance_gpu import gpu_section
from performance_loss import loss_section
from performance_sections import (
    fit_section,
    imports_section,
    large_fit_section,
    neighbors_section,
    step_section,
    transform_memory_section,
    transform_section,
)

INTRODUCTION = """\
Everything here is written by `python benchmarks/performance_page.py` from benchmarks/results.
`python benchmarks/all.py --data ../shared/data` measures all of it anew and writes this page;
`--only loss fit` measures some of it, and each part runs alone by the command beside its figures
(`--help` says how; `--quick` tries it with sizes that say nothing). Measuring needs
`pip install -e ".[bench]"`.
"""
READING = """\
Ratios are median (min .. max) over rounds in which all take turns, each number of threads in
processes of its own. *Free cores*, before and after, is how many times faster as many threads are
than one at products that share nothing, and no more than the processor time they get: on an idle
machine, about the number of threads.
"""


def page(results: Path, images: Path) -> str:
    """Return the page, and draw its plots into the folder `images`."""
    lines = ["# Performance", "", *paragraph(INTRODUCTION), *paragraph(READING)]
    sections = {
        "fit": fit_section,
        "large_fit": large_fit_section,
        "profile_step": step_section,
        "loss": lambda found: loss_section(found, images),
        "transform": transform_section,
        "transform_memory": transform_memory_section,
        "neighbors": neighbors_section,
        "imports": imports_section,
    }
    for name, write in sections.items():
        found = _read(results / f"{name}.json")
        lines += write(found) if found else []
    lines += gpu_section(_read(results / "gpu.json"))
    return "\n".join(lines)


def write_page(results: Path, target: Path) -> None:
    """Write the page to `target`, and its plots beside it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(page(results, target.parent / "images"), encoding="utf-8")


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "performance.md")
    args = parser.parse_args()
    write_page(args.results, args.page)


def _read(path: Path) -> dict[str, Any] | None:
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


if __name__ == "__main__":
    main()
