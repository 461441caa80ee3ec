"""Write docs/scale.md from the figures that ``python benchmarks/scale.py`` makes."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from _common import output_of
from _page import machine_of, paragraph
from scale_plan import lines_of_plan
from scale_tables import drift_lines, quality_lines, rates_lines, unseen_lines

BEGIN, END = "<!-- plan -->", "<!-- end of plan -->"
HEADING = "## What was measured"
COMMAND = "python benchmarks/scale.py --data ../shared/data"
SECTIONS = {
    "rates": rates_lines,
    "quality": quality_lines,
    "unseen": unseen_lines,
    "drift": drift_lines,
}


def measured_lines(report: dict[str, Any]) -> list[str]:
    """Return what follows the heading, of the parts that there are."""
    lines = [HEADING, ""]
    if "rates" in report:
        on = report["rates"]
        lines += paragraph(
            f"Written by `{COMMAND}` on {machine_of(on)}. One thread. Free cores, before and after "
            f"the rates: {on['free cores']:.2f} and {on['free cores after']:.2f} of 1, with a load "
            f"of {on['machine']['load']} by other processes; so seconds are the processor's, but "
            "where a disk is waited for."
        )
    for name, lines_of in SECTIONS.items():
        if name in report:
            lines += lines_of(report[name])
    return lines


def page_of(text: str, report: dict[str, Any]) -> str:
    """Return the page with the plan and the measured part written anew."""
    before = text.partition(HEADING)[0]
    if "rates" in report:
        first, _, rest = before.partition(BEGIN)
        last = rest.partition(END)[2]
        plan = "\n".join(lines_of_plan(report)).rstrip()
        before = f"{first}{BEGIN}\n\n{plan}\n\n{END}{last}"
    return before + "\n".join(measured_lines(report)).rstrip() + "\n"


def write_page(page: Path, args: argparse.Namespace) -> None:
    """Write the page, or with `--quick` print what would be written."""
    report = json.loads(output_of(args).read_text(encoding="utf-8"))
    if args.quick:
        text = page_of(f"{BEGIN}\n{END}\n", report)
        print(text)
    else:
        text = page_of(page.read_text(encoding="utf-8"), report)
        (args.page or page).write_text(text, encoding="utf-8")
