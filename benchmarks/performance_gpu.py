"""The part of docs/performance.md about a GPU, which is there before anything was measured, too."""

from __future__ import annotations

from typing import Any

from _common import shown
from _page import machine_of, milliseconds, paragraph, table, thousands

HEADING = "## On a GPU"
COMMAND = "`python benchmarks/gpu.py`"


def gpu_section(found: dict[str, Any] | None) -> list[str]:
    """Write what gpu.py found on a GPU, or that it has not run on one."""
    if found is None or found["dry run"]:
        text = (
            "Nothing here has been measured on a GPU yet. Where there is one, with CuPy, "
            f"{COMMAND} compares every kernel and whole fits with the reference, times losses, "
            "transform, search and fits against PyTorch and the CPU in under eight minutes, and "
            "`python benchmarks/performance_page.py` shows the result in this place. Elsewhere "
            "`--dry-run` goes the same ways at tiny sizes on the CPU, as the tests do."
        )
        return [HEADING, "", *paragraph(text)]
    sections = found["sections"]
    lines = [HEADING, "", *paragraph(_introduction(found))]
    lines += _parity(sections)
    rows = [*_losses(sections), *_transforms(sections), *_searches(sections)]
    if rows:
        header = ["", "on", "ms", "times madapt's", "share of the device", "peak, MiB"]
        lines += table(header, rows)
    lines += _fits(sections)
    return lines + _goals(found["goals"]) + _exceptions(found)


def _introduction(found: dict[str, Any]) -> str:
    device = found["sections"].get("device")
    rates = "Its rates were not measured."
    if device:
        flops, moved = (device[key][1] for key in ("GEMM, flop/s", "bandwidth, bytes/s"))
        rates = (
            f"Measured there: {flops / 1e12:.1f} Tflop/s in a float32 product of "
            f"{device['n']:,}, and {moved / 1e9:,.0f} GB/s in adding 1 to an array."
        )
    return (
        f"{COMMAND} on {found['device']}, in {found['seconds']:.0f} s, beside {machine_of(found)}. "
        f"{rates} *Share of the device* is the least time that the product or the bytes of a call "
        "need at these rates, over its own; of a loss 4 B^2 d operations count, forward and back."
    )


def _parity(sections: dict[str, Any]) -> list[str]:
    """Write how far kernels and fits are from the reference."""
    text = []
    if sections.get("kernel parity", {}).get("errors"):
        part = sections["kernel parity"]
        worst = max(part["errors"], key=part["errors"].__getitem__)
        text.append(
            f"Of {len(part['errors'])} cases, kernels and array code, values and gradients in "
            f"float32, none should be further from the reference in float64 than "
            f"{part['tolerance']:.0e} of it: the furthest, {worst}, is off by "
            f"{part['errors'][worst]:.1e}."
        )
    if sections.get("fit parity", {}).get("errors"):
        part = sections["fit parity"]
        errors = " and ".join(f"{error:.1e} ({name})" for name, error in part["errors"].items())
        text.append(
            f"Prefix cosines after fits on {thousands(part['shape'])} should be within "
            f"{part['tolerance']:.0e} of the reference's: the furthest is off by {errors}."
        )
    return paragraph(" ".join(text)) if text else []


def _losses(sections: dict[str, Any]) -> list[list[str]]:
    part = sections.get("loss step", {"losses": {}})
    return [
        row
        for loss, runs in part["losses"].items()
        for row in _rows(f"{loss}, B = {part['B']:,}, d = {part['d']:,}", runs)
    ]


def _transforms(sections: dict[str, Any]) -> list[list[str]]:
    part = sections.get("transform", {"dims": {}})
    return [
        row
        for m, runs in part["dims"].items()
        for row in _rows(f"transform of {thousands([part['rows'], part['d']])} to {m}", runs)
    ]


def _searches(sections: dict[str, Any]) -> list[list[str]]:
    if "top-k" not in sections:
        return []
    part = sections["top-k"]
    what = f"{part['n_queries']:,} queries in {thousands([part['n'], part['d']])}, k = {part['k']}"
    return _rows(f"{what} ({part['how']})", part["runs"])


def _rows(what: str, runs: dict[str, Any]) -> list[list[str]]:
    """Return a row for each way to do it that was measured."""
    rows = []
    for name, run in runs.items():
        if isinstance(run, dict) and "seconds" in run:
            times = shown(run["times ours"]) if "times ours" in run else "-"
            share = run.get("share of the device")
            rows.append(
                [
                    *(what, name, milliseconds(run["seconds"][1]), times),
                    "-" if share is None else f"{share:.0%}",
                    f"{run['bytes'] / 2**20:,.0f}" if "bytes" in run else "-",
                ]
            )
    return rows


def _fits(sections: dict[str, Any]) -> list[str]:
    if "fit" not in sections:
        return []
    part = sections["fit"]
    rows = []
    for kind in ("default", "steps alone"):
        for name, run in part[kind].items():
            if name != "plan":
                peak = f"{run['bytes'] / 2**20:,.0f}" if "bytes" in run else "-"
                rows.append([kind, name, f"{run['seconds']:.1f}", run.get("kept", "-"), peak])
    return [
        *paragraph(
            f"Fits on {thousands(part['shape'])} made-up rows. *Steps alone* has no guard and no "
            "early stopping, and PyTorch does as many of the same kind."
        ),
        *table(["fit", "on", "seconds", "kept", "peak, MiB"], rows),
    ]


def _goals(goals: list[dict[str, Any]]) -> list[str]:
    rows = [
        [
            goal["what"],
            f"{goal['bound']} {goal['wanted']:g}",
            f"{goal['found']:.3g}",
            "yes" if goal["met"] else "no",
        ]
        for goal in goals
    ]
    return table(["goal", "wanted", "found", "met"], rows) if rows else []


def _exceptions(found: dict[str, Any]) -> list[str]:
    """Write what failed and what was left out, with the reasons."""
    lines = []
    missing = {f"PyTorch, {way}": why for way, why in found["PyTorch"]["missing"].items()}
    for said, what in (("Failed", "failed"), ("Left out", "left out")):
        reasons = found[what] | (missing if what == "left out" else {})
        if reasons:
            text = "; ".join(f"{name} ({why})" for name, why in reasons.items())
            lines += paragraph(f"{said}: {text}.")
    return lines
