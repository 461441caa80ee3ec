"""Curves as SVG that takes its colours from the page and says in words what it shows."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from madapt._commands.report.markup import escape
from madapt._commands.report.numbers import Curve

__all__ = ["figure"]

#: Wide, for screens and paper; narrow, for telephones: the page shows one of them.
_SIZES = {"wide": (760, 360), "narrow": (370, 300)}
#: A marker is a path around (0, 0); with dashes it tells curves apart without their colours.
_MARKERS = (
    "M-4.5,0a4.5,4.5 0 1,0 9,0a4.5,4.5 0 1,0 -9,0Z",
    "M-4,-4H4V4H-4Z",
    "M0,-5.2L5,4H-5Z",
    "M0,-5.6L5.6,0L0,5.6L-5.6,0Z",
    "M0,5.2L5,-4H-5Z",
    "M-1.6,-5H1.6V-1.6H5V1.6H1.6V5H-1.6V1.6H-5V-1.6H-1.6Z",
)
#: Space of one digit of a tick's label, and between two labels.
_DIGIT, _GAP = 7.5, 9.0


@dataclass(frozen=True)
class _Frame:
    """Where things lie in a picture of a size."""

    width: int
    height: int
    dims: list[int]
    top_score: float
    left: int = 46
    right: int = 18
    top: int = 26
    bottom: int = 46

    def x(self, m: float) -> float:
        low, high = math.log2(self.dims[0]), math.log2(self.dims[-1])
        share = (math.log2(m) - low) / (high - low) if high > low else 0.5
        return self.left + 10 + share * (self.width - self.left - self.right - 20)

    def y(self, score: float) -> float:
        return self.height - self.bottom - score / self.top_score * self._rise

    @property
    def _rise(self) -> int:
        return self.height - self.top - self.bottom

    @property
    def labelled(self) -> list[int]:
        """The dims whose labels do not run into one another; the last one is among them."""
        kept: list[int] = []
        end = math.inf
        for m in reversed(self.dims):
            half = len(f"{m:,}") * _DIGIT / 2
            if self.x(m) + half + _GAP <= end or not kept:
                kept.append(m)
                end = self.x(m) - half
        return kept[::-1]


def figure(name: str, title: str, curve: Curve, marked: int | None) -> str:
    """Return a figure of a curve: two sizes of it, and what the lines mean.

    Parameters
    ----------
    name : str
        For ids.
    title : str
        Text.
    curve : Curve
    marked : int or None
        The dim to take.
    """
    pictures = "\n".join(
        f'<div class="{size}">{_picture(f"{name}-{size}", title, curve, marked, size)}</div>'
        for size in _SIZES
    )
    legend = f'<ul class="legend">\n{_legend(curve)}\n</ul>'
    return f"<figure>\n{pictures}\n<figcaption>{legend}</figcaption>\n</figure>"


def _picture(name: str, title: str, curve: Curve, marked: int | None, size: str) -> str:
    width, height = _SIZES[size]
    scores = [score for column in curve.methods.values() for score in column]
    step = _step(max([*scores, *(curve.full or []), 1e-9]))
    count = math.ceil(round(max([*scores, *(curve.full or []), 1e-9]) / step, 6))
    frame = _Frame(width, height, curve.dims, step * count)
    parts = [_axes(frame, step, count)]
    if marked is not None and curve.dims[0] <= marked <= curve.dims[-1]:
        parts.append(_mark(frame, marked))
    if curve.full is not None:
        parts.append(f'<path class="full" d="{_path(frame, curve.dims, curve.full)}"/>')
    order = _ordered(curve)
    parts += [_line(frame, curve, method, order.index(method)) for method in reversed(order)]
    return (
        f'<svg role="img" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg" '
        f'aria-labelledby="{name}-t {name}-d">\n<title id="{name}-t">{escape(title)}</title>\n'
        f'<desc id="{name}-d">{escape(_in_words(curve))}</desc>\n' + "\n".join(parts) + "\n</svg>"
    )


def _axes(frame: _Frame, step: float, count: int) -> str:
    right, bottom = frame.width - frame.right, frame.height - frame.bottom
    digits = len(f"{step:.6g}".partition(".")[2])
    parts = []
    for tick in range(count + 1):
        y = frame.y(tick * step)
        style = "grid" if tick else "axis"
        parts.append(f'<path class="{style}" d="M{frame.left},{y:.1f}H{right}"/>')
        parts.append(
            f'<text class="tick" x="{frame.left - 8}" y="{y + 4:.1f}" text-anchor="end">'
            f"{tick * step:.{digits}f}</text>"
        )
    for m in frame.dims:
        parts.append(f'<path class="axis" d="M{frame.x(m):.1f},{bottom}v5"/>')
    for m in frame.labelled:
        parts.append(
            f'<text class="tick" x="{frame.x(m):.1f}" y="{bottom + 20}" text-anchor="middle">'
            f"{m:,}</text>"
        )
    middle = (frame.left + right) / 2
    parts.append(
        f'<text class="label" x="{middle:.1f}" y="{frame.height - 6}" text-anchor="middle">'
        "dims kept</text>"
    )
    return "\n".join(parts)


def _mark(frame: _Frame, m: int) -> str:
    """Return a line at the dim to take, with a label that stays in the picture."""
    x, bottom = frame.x(m), frame.height - frame.bottom
    text = f"{m:,} dims"
    half = len(text) * 3.6
    at = min(max(x, frame.left + half), frame.width - frame.right - half)
    return (
        f'<path class="chosen" d="M{x:.1f},{frame.top - 6}V{bottom}"/>\n'
        f'<text class="chosen-label" x="{at:.1f}" y="{frame.top - 11}" text-anchor="middle">'
        f"{text}</text>"
    )


def _line(frame: _Frame, curve: Curve, method: str, place: int) -> str:
    """Return a curve whose points say their numbers to a mouse that rests on them."""
    scores = curve.methods[method]
    points = "".join(
        f'<path d="{_MARKERS[place % len(_MARKERS)]}" '
        f'transform="translate({frame.x(m):.1f} {frame.y(score):.1f})">'
        f"<title>{escape(method)}, {m:,} dims: {score:.3f}</title></path>"
        for m, score in zip(curve.dims, scores, strict=True)
    )
    return (
        f'<g class="s{place % len(_MARKERS) + 1}"><path class="line" '
        f'd="{_path(frame, curve.dims, scores)}"/>{points}</g>'
    )


def _path(frame: _Frame, dims: list[int], scores: list[float]) -> str:
    points = (
        f"{frame.x(m):.1f},{frame.y(score):.1f}" for m, score in zip(dims, scores, strict=True)
    )
    return "M" + "L".join(points)


def _legend(curve: Curve) -> str:
    items = []
    for place, method in enumerate(_ordered(curve)):
        style = f"s{place % len(_MARKERS) + 1}"
        items.append(
            f'<li><svg viewBox="-16 -8 32 16" aria-hidden="true"><g class="{style}">'
            f'<path class="line" d="M-15,0H15"/><path d="{_MARKERS[place % len(_MARKERS)]}"/></g>'
            f"</svg> {escape(method)}</li>"
        )
    if curve.full is not None:
        items.append(
            '<li><svg viewBox="-16 -8 32 16" aria-hidden="true"><path class="full" d="M-15,0H15"/>'
            "</svg> the embedding as it is, all dims</li>"
        )
    return "\n".join(items)


def _ordered(curve: Curve) -> list[str]:
    """Return the model first, then the others as their curves lie from top to bottom."""
    others = [method for method in curve.methods if method != curve.main]
    others.sort(key=lambda method: -float(np.mean(curve.methods[method])))
    return [curve.main, *others] if curve.main in curve.methods else others


def _in_words(curve: Curve) -> str:
    said = []
    for method in _ordered(curve):
        scores = curve.methods[method]
        said.append(
            f"{method} rises from {scores[0]:.3f} at {curve.dims[0]:,} dims to {scores[-1]:.3f} "
            f"at {curve.dims[-1]:,}"
            if scores[-1] > scores[0]
            else f"{method} goes from {scores[0]:.3f} at {curve.dims[0]:,} dims to "
            f"{scores[-1]:.3f} at {curve.dims[-1]:,}"
        )
    if curve.full is not None:
        said.append(f"the embedding as it is has {curve.full[-1]:.3f}")
    return (
        f"{curve.metric} by the number of dims kept: {'; '.join(said)}. The table has all numbers."
    )


def _step(top: float) -> float:
    """Return a round step of which three to six reach the top."""
    power = 10.0 ** math.floor(math.log10(top / 4))
    return next(power * one for one in (1, 2, 2.5, 5, 10) if top / (power * one) <= 5.5)
