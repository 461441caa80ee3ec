"""The plan of docs/scale.md: what the cost model says of 10^6, 10^8 and 10^10 vectors.

Part of ``python benchmarks/scale.py``, which writes it into the page.
"""

from __future__ import annotations

from typing import Any

from _page import paragraph, table
from scale_model import (
    SAMPLE,
    file_seconds,
    fit_seconds,
    network_bytes,
    sample_seconds,
    search_seconds,
    transform_seconds,
)

SIZES = (6, 8, 10)
D, M = 768, 64
WORKERS = (1, 10, 100, 1000)
#: Rows of a block on Dask, and the workers whose messages are counted, by the power of ten.
CHUNK, ON_DASK = 100_000, {6: 2, 8: 100, 10: 1000}


def bytes_shown(n: float) -> str:
    """Write a number of bytes with two digits or three."""
    for unit in ("B", "kB", "MB", "GB"):
        if n < 1000:
            return f"{n:.3g} {unit}"
        n /= 1000
    return f"{n:,.3g} TB"


def time_shown(seconds: float) -> str:
    """Write a time in the unit that suits it."""
    if seconds < 1:
        return f"{1000 * seconds:.0f} ms" if seconds >= 0.01 else f"{1000 * seconds:.2g} ms"
    for unit, size, more in (("s", 1, 120), ("min", 60, 120), ("h", 3600, 72)):
        if seconds < more * size:
            return f"{seconds / size:.2g} {unit}"
    return f"{seconds / 86400:,.0f} days"


def rows_of_plan(rates: dict[str, float]) -> list[list[str]]:
    """Return a row of the plan's table for each number of vectors."""
    rows = []
    for power in SIZES:
        n = 10**power
        fit = fit_seconds(rates, min(n, SAMPLE), D) + sample_seconds(rates, n, D)
        whole = file_seconds(rates, n, D, M)
        products = transform_seconds(rates, "memory", n, D, M)
        rows.append(
            [
                f"10^{power}",
                bytes_shown(4.0 * n * D),
                f"{bytes_shown(4.0 * n * M)} ({bytes_shown(float(n * M))})",
                time_shown(fit),
                *(time_shown(whole / workers) for workers in WORKERS),
                f"{whole / 3600:,.3g}",
                f"{products / 3600:,.3g}",
            ]
        )
    return rows


def rows_of_network(rates: dict[str, float]) -> list[list[str]]:
    """Return a row of bytes between machines for each number of vectors."""
    rows = []
    for power, workers in ON_DASK.items():
        n = 10**power
        counted = network_bytes(n, D, M, workers, -(-n // CHUNK))
        rows.append([f"10^{power}", f"{workers:,}", *(bytes_shown(v) for v in counted.values())])
    return rows


def lines_of_plan(report: dict[str, Any]) -> list[str]:
    """Return the plan, from the figures of the part "rates"."""
    rates, largest = report["rates"]["constants"], report["rates"]["held against"]["file"]
    times = (f"{w:,} worker{'s' if w > 1 else ''}" for w in WORKERS)
    header = ["vectors", "in", "out (int8)", "fit", *times]
    lines = paragraph(
        f"Vectors of {D} float32 coordinates to {M} dims, by the model below. A worker is one "
        "thread of the machine below with its disk: it reads a file that is not cached, transforms "
        "it and writes another. Core-hours are the workers' together: the bill, times what one "
        "costs you. "
        "The last column is for vectors that are in memory, because the pipeline that makes them "
        "transforms them before it writes them. "
        f"Measured were {largest['n']:,} x {largest['d']}; the rows of 10^8 and 10^10 are "
        "extrapolated, and suppose that workers share neither a disk nor a memory bus."
    )
    lines += table([*header, "core-hours", "core-hours, in memory"], rows_of_plan(rates))
    search = [
        f"{time_shown(search_seconds(rates, 1, 10**power, M))} at 10^{power}" for power in SIZES
    ]
    measured = largest["fit"]
    lines += paragraph(
        f"What a fit costs does not grow: it learns from {SAMPLE:,} rows at the most. The measured "
        f"one of {largest['n']:,} took longer than planned, {time_shown(measured['processor'])} of "
        f"processor and {time_shown(measured['seconds'])} in all on a shared machine (kept: "
        f"{largest['kept']}; each size of rotation that the guard refuses costs the steps again). "
        f"An exact search of {M} dims takes a thread {', '.join(search)} for each of many queries "
        "at once, so 10^8 and more want an index, which is not counted here."
    )
    lines += paragraph(
        f"Between machines on Dask, in chunks of {CHUNK:,} rows that workers read themselves. The "
        "first column of bytes is the most: chunks of one worker are added up there. Averaged "
        "training is with a shard a worker; without `n_shards` there is none. Output is what goes "
        "back if you compute it; written by the workers it stays with them."
    )
    names = network_bytes(1, D, M, 1, 1)
    return lines + table(["vectors", "workers", *names], rows_of_network(rates))
