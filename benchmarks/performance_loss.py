"""The part of docs/performance.md about one loss with its gradient, with its plots."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from _common import shown
from _page import free_cores_of, machine_of, milliseconds, paragraph, table
from _plots import plot_scaling

#: What is on the axis of a panel, and the sweeps of loss.json that it shows, by line.
PANELS = {
    "B rows, square": {"pairwise + top-k": "B", "listwise": "B, listwise"},
    "n columns, 256 rows": {"listwise": "n, listwise"},
    "d coordinates": {"pairwise + top-k": "d", "listwise": "d, listwise"},
    "L dims": {"pairwise + top-k": "L", "listwise": "L, listwise"},
}


def loss_section(found: dict[str, Any], images: Path) -> list[str]:
    """Write the section; draw its plots into the folder `images`."""
    first, cached = (found["loading"][key]["kernels"] for key in ("first", "from the cache"))
    return [
        "## One loss with its gradient",
        "",
        *paragraph(
            f"`python benchmarks/loss.py` on {machine_of(found)}. *Products* are two sgemm calls "
            "of 2 B n d operations, the least a loss over B rows and n columns needs; PyTorch is "
            "eager, with automatic differentiation. Peak is what one call adds to the memory of "
            f"its process. {free_cores_of(found['threads'])}"
        ),
        *_cases(found["threads"]),
        *paragraph(
            f"Compiling all kernels takes {first:.1f} s, once; loading them from the cache "
            f"{cached:.2f} s."
        ),
        *_scaling(found["threads"], images),
    ]


def _cases(threads: dict[str, Any]) -> list[str]:
    rows = []
    for n, found in threads.items():
        for name, row in found["cases"].items():
            peaks = found["bytes"][name]
            rows.append(
                [
                    n,
                    name,
                    milliseconds(row["kernel"]),
                    shown(row["kernel / products"]),
                    shown(row["torch / kernel"]) if "torch / kernel" in row else "not measured",
                    " / ".join(_mib(peaks.get(peer)) for peer in ("kernel", "torch")),
                ]
            )
    header = ["threads", "case", "kernel, ms", "kernel / products", "PyTorch / kernel"]
    return table([*header, "peak, kernel / PyTorch, MiB"], rows)


def _mib(n_bytes: int | None) -> str:
    return "-" if n_bytes is None else f"{n_bytes / 2**20:.0f}"


def _scaling(threads: dict[str, Any], images: Path) -> list[str]:
    lines = ["### How the cost grows", ""]
    lines += paragraph(
        "Milliseconds of one loss with its gradient, both axes logarithmic; broken lines are the "
        "two products. The square form compares B rows with themselves (d = 768, 12 dims; against "
        "d, 1,024 rows and 8 dims; against L, 1,024 rows and d = 768), the rectangular one 256 "
        "rows with n columns (d = 128, 5 dims)."
    )
    rows = []
    for n, found in threads.items():
        panels = _panels(found["sweeps"])
        if not panels:
            continue
        path = images / f"loss-scaling-{n}.svg"
        plot_scaling(panels, path)
        plural = "thread" if n == "1" else "threads"
        sizes = ", ".join(label.split()[0] for label in panels)
        alternative = f"Cost of the losses against {sizes}, {n} {plural}"
        lines += [f"![{alternative}]({images.name}/{path.name})", ""]
        rows += [[n, *cells] for cells in _exponents(panels)]
    if not rows:
        return []
    lines += paragraph(
        "Exponents of the least-squares line through the logarithms; a cost that doubles with the "
        "size has exponent 1."
    )
    return lines + table(["threads", "against", *PANELS["L dims"], "products"], rows)


def _panels(sweeps: dict[str, Any]) -> dict[str, dict[str, dict[int, float]]]:
    """Return {label: {line: {size: seconds}}} of what has been measured."""
    panels: dict[str, dict[str, dict[int, float]]] = {}
    for label, names in PANELS.items():
        there = {line: sweeps[name] for line, name in names.items() if name in sweeps}
        if not there:
            continue
        lines = {line: _seconds(sweep, "kernel") for line, sweep in there.items()}
        # Both sweeps have the same products: one line of them is enough.
        panels[label] = lines | {"products": _seconds(next(iter(there.values())), "products")}
    return panels


def _seconds(sweep: dict[str, Any], name: str) -> dict[int, float]:
    return {int(size): row[name] for size, row in sweep.items()}


def _exponents(panels: dict[str, dict[str, dict[int, float]]]) -> list[list[str]]:
    rows = []
    for label, lines in panels.items():
        cells = [label]
        for line in (*PANELS["L dims"], "products"):
            points = lines.get(line)
            cells.append(f"{_exponent(points):.2f}" if points else "-")
        rows.append(cells)
    return rows


def _exponent(points: dict[int, float]) -> float:
    slope, _ = np.polyfit(np.log(list(points)), np.log(list(points.values())), 1)
    return float(slope)
