"""Pieces of the pages that are written from figures: paragraphs, tables, the machine."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable
from typing import Any

#: Of n threads as many cores must have been free for figures to stand for an idle machine.
IDLE = 0.9
_HARD = "\x00"


def paragraph(text: str) -> list[str]:
    """Return the lines of a paragraph and an empty one; code is not broken."""
    text = re.sub("`[^`]*`", lambda code: code[0].replace(" ", _HARD), text)
    lines = textwrap.wrap(text, 100, break_long_words=False, break_on_hyphens=False)
    return [*(line.replace(_HARD, " ") for line in lines), ""]


def table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    """Return the lines of a table and an empty one."""
    header = list(header)
    lines = [header, ["---"] * len(header), *rows]
    return [*("| " + " | ".join(cells) + " |" for cells in lines), ""]


def machine_of(found: dict[str, Any]) -> str:
    """Say on what a report was measured."""
    report = found["machine"]
    names = {"load": None, "load before": None, "blas": None, "madapt": None, "processor": None}
    parts = [f"{name} {value}" for name, value in report.items() if name not in names]
    return ", ".join([report["processor"], *parts])


def free_cores_of(threads: dict[str, dict[str, Any]]) -> str:
    """Say how free the cores were before and after, by number of threads, and what follows."""
    said, busy = [], False
    for n, found in threads.items():
        values = [found[key] for key in ("free cores", "free cores after") if key in found]
        if values:
            said.append(f"{' and '.join(f'{value:.2f}' for value in values)} of {n}")
            busy = busy or min(values) < IDLE * int(n)
    if not said:
        return "How free the cores were was not measured."
    warning = " Other work took part of the machine: read the figures with care." if busy else ""
    return f"Free cores: {'; '.join(said)}.{warning}"


def thousands(shape: Iterable[int]) -> str:
    """Write a shape."""
    return " x ".join(f"{size:,}" for size in shape)


def milliseconds(seconds: float) -> str:
    """Write seconds as milliseconds, with three digits or so."""
    return f"{1e3 * seconds:.3g}" if seconds < 1 else f"{1e3 * seconds:,.0f}"
