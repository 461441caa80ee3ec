"""What commands print: tables for people, one JSON object for machines, a bar on a terminal."""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Mapping, Sequence
from io import TextIOBase
from typing import Any, TextIO

import numpy as np

__all__ = ["Bar", "Lines", "count_bytes", "say", "say_json", "table"]

_WIDTH = 24


def say(*lines: str) -> None:
    """Print lines on stdout."""
    for line in lines:
        sys.stdout.write(f"{line}\n")


def say_json(content: Mapping[str, Any]) -> None:
    """Print one JSON object on stdout."""
    say(json.dumps(_plain(content), allow_nan=False))


def table(columns: Mapping[str, Sequence[Any]]) -> str:
    """Return columns under their names, flush right; floats have three digits.

    Parameters
    ----------
    columns : mapping of str to sequence
        All of one length.
    """
    cells = {name: [_cell(value) for value in column] for name, column in columns.items()}
    widths = [max(map(len, [name, *column])) for name, column in cells.items()]
    rows = [tuple(cells), *zip(*cells.values(), strict=True)]
    return "\n".join(
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    )


def count_bytes(n: float) -> str:
    """Return a number of bytes in words."""
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if n < 1024:
            return f"{n:,.0f} {unit}" if unit == "bytes" else f"{n:,.1f} {unit}"
        n /= 1024
    return f"{n:,.1f} TiB"


class Bar:
    """A bar on stderr, and nothing where that is no terminal.

    Parameters
    ----------
    what : str
        What is being done.
    total : int
        Of what is counted.
    """

    def __init__(self, what: str, total: int) -> None:
        self.what, self.total = what, max(total, 1)
        self.stream: TextIO = sys.stderr
        self.is_shown = self.stream.isatty()
        self.began = self.last = time.monotonic()

    def __enter__(self) -> Bar:
        self.show(0)
        return self

    def __exit__(self, *_: object) -> None:
        if self.is_shown:
            self.stream.write("\r\033[K")
            self.stream.flush()

    def show(self, done: int) -> None:
        """Say how far it is, some times a second."""
        now = time.monotonic()
        if not self.is_shown or (0 < done < self.total and now - self.last < 0.2):
            return
        self.last = now
        full = _WIDTH * done // self.total
        left = (now - self.began) * (self.total - done) / done if done else 0.0
        rest = f", {left:.0f} s left" if done else ""
        bar = "#" * full + "-" * (_WIDTH - full)
        counts = f"{done:,} of {self.total:,}"
        self.stream.write(f"\r\033[K{self.what} [{bar}] {counts}{rest}")
        self.stream.flush()


class Lines(TextIOBase):
    """A stream that shows the last line written to it in place, for what a fit reports."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        """Show the text instead of the one before."""
        line = text.strip()
        if line:
            self.stream.write(f"\r\033[K{line}")
            self.stream.flush()
        return len(text)

    def end(self) -> None:
        """Take the line away."""
        self.stream.write("\r\033[K")
        self.stream.flush()


def _cell(value: Any) -> str:
    if isinstance(value, float | np.floating):
        return f"{value:.3f}"
    return f"{value:,}" if isinstance(value, int | np.integer) else str(value)


def _plain(value: Any) -> Any:
    """Return what JSON has a form for; a number that is not finite is null."""
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, np.generic | np.ndarray):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, bool | int | str) else str(value)
