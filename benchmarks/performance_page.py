"""Write docs/performance.md from the figures under benchmarks/results.

python benchmarks/performance_page.py
"""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent


def main() -> None:
    """Write the page."""
    fit, loss, transform = (
        json.loads((HERE / "results" / f"{name}.json").read_text())
        for name in ("fit", "loss", "transform")
    )
    lines = ["# Performance", "", *_fit(fit), *_loss(loss), *_transform(transform)]
    (HERE.parent / "docs" / "performance.md").write_text("\n".join(lines))


def _fit(found: dict[str, Any]) -> list[str]:
    n, d = found["shape"]
    lines = [
        "## A whole fit",
        "",
        *textwrap.wrap(
            "`python benchmarks/fit.py --data ../shared/data`: default fits on SciFact, "
            f"{n:,} x {d}, without labels and with {found['judged queries']} judged queries, "
            f"cross-validation and guard included, on {_machine(found['machine'])}.",
            100,
        ),
        "",
        "| fit | backend | seconds, each round |",
        "| --- | --- | --- |",
    ]
    for kind, backends in found["seconds"].items():
        for backend, seconds in backends.items():
            lines.append(f"| {kind} | {backend} | {', '.join(f'{s:.1f}' for s in seconds)} |")
    return [*lines, ""]


def _loss(found: dict[str, Any]) -> list[str]:
    lines = [
        "## One loss with its gradient",
        "",
        *textwrap.wrap(
            f"`python benchmarks/loss.py --threads 1` on {_machine(found['machine'])}; median (min "
            ".. max) of the ratios of interleaved rounds. *Products* are two sgemm calls of 2 B n d"
            " operations, the least a loss over B rows and n columns needs; PyTorch is eager, with "
            "automatic differentiation. The machine was not idle; two threads were not measured.",
            100,
        ),
        "",
        "| case | kernel / products | PyTorch / kernel |",
        "| --- | --- | --- |",
    ]
    for name, row in found["threads"]["1"]["cases"].items():
        cells = (_spread(row[key]) for key in ("kernel / products", "torch / kernel"))
        lines.append(f"| {name} | {' | '.join(cells)} |")
    first, cached = (found["loading"][key]["kernels"] for key in ("first", "from the cache"))
    return [
        *lines,
        "",
        f"Compiling all kernels takes {first:.1f} s, once; loading them from the cache "
        f"{cached:.2f} s.",
        "",
    ]


def _transform(found: dict[str, Any]) -> list[str]:
    lines = [
        "## Transforming a file",
        "",
        *textwrap.wrap(
            f"`python benchmarks/transform.py`: {found['rows']:,} x {found['columns']} float16 in a"
            f" memory map to {found['dims']} dims, float32, in another. Throughput of madapt over "
            "that of a loop that casts a block and multiplies, with NumPy's cast and madapt's.",
            100,
        ),
        "",
        "| threads | rival | ratio |",
        "| --- | --- | --- |",
    ]
    for threads in ("threads 1", "threads 2"):
        rivals = found[threads]["throughput of madapt / of the rival"]
        for rival, ratio in rivals.items():
            spread = _spread([ratio[key] for key in ("min", "median", "max")])
            lines.append(f"| {threads.split()[1]} | {rival} | {spread} |")
    peak = found["RssAnon, MiB"]["peak above the interpreter"]
    return [*lines, "", f"Peak anonymous memory: {peak:.0f} MiB above the interpreter's.", ""]


def _spread(values: list[float]) -> str:
    low, middle, high = values
    return f"{middle:.2f} ({low:.2f} .. {high:.2f})"


def _machine(found: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in found.items() if name != "madapt")


if __name__ == "__main__":
    main()
