"""What a GPU should manage, beside what benchmarks/gpu.py found."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gpu_speed import OURS
from gpu_torch import COMPILED, EAGER

#: How many times faster than PyTorch one loss with its gradient should be, and which share of
#: the measured float32 product 4 B^2 d operations in its time should be.
FASTER = {EAGER: 3.0, COMPILED: 1.5}
SHARE_OF_PRODUCT = 0.5
#: Of the lower of measured bandwidth and product.
SHARE_OF_TRANSFORM = 0.8
#: Seconds of a default fit.
FIT_SECONDS = 30.0


def goals(sections: dict[str, Any]) -> list[dict[str, Any]]:
    """Return each goal with what was found: at least `wanted`, or at most where so said."""
    return [*_of_losses(sections), *_of_transform(sections), *_of_fit(sections)]


def _of_losses(sections: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for name, runs in sections.get("loss step", {}).get("losses", {}).items():
        for peer, wanted in FASTER.items():
            if "times ours" in runs.get(peer, {}):
                yield _goal(f"{name}: {peer} / madapt", wanted, runs[peer]["times ours"][1])
        if "share of the device" in runs[OURS]:
            found = runs[OURS]["share of the device"]
            yield _goal(f"{name}: share of the product's rate", SHARE_OF_PRODUCT, found)


def _of_transform(sections: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for m, runs in sections.get("transform", {}).get("dims", {}).items():
        if "share of the device" in runs[OURS]:
            found = runs[OURS]["share of the device"]
            yield _goal(f"transform to {m}: share of the device", SHARE_OF_TRANSFORM, found)


def _of_fit(sections: dict[str, Any]) -> Iterator[dict[str, Any]]:
    ours = sections.get("fit", {}).get("default", {}).get(OURS)
    if ours:
        yield _goal("default fit, seconds", FIT_SECONDS, ours["seconds"], at_most=True)


def _goal(what: str, wanted: float, found: float, *, at_most: bool = False) -> dict[str, Any]:
    met = found <= wanted if at_most else found >= wanted
    bound = "at most" if at_most else "at least"
    return {"what": what, "bound": bound, "wanted": wanted, "found": found, "met": met}
