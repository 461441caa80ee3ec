"""Draw docs/images/prefix-gram.svg: all prefixes' Gram matrices from the blocks of one product.

python docs/figures/prefix_gram.py [FILE]
"""

from __future__ import annotations

import sys
from pathlib import Path

TARGET = Path(__file__).parents[1] / "images" / "prefix-gram.svg"
COLORS = ("#12466b", "#3f8fc4", "#8ecae6", "#cfe8f5")
WIDTHS = (24, 24, 48, 96)  # of the blocks of Y, as 8, 8, 16, 32 coordinates are
SIDE, STEP, TOP = 66, 150, 92


def text(x: float, y: float, words: str, size: int = 14, anchor: str = "middle") -> str:
    """Return a line of text."""
    return f'<text x="{x}" y="{y}" font-size="{size}" text-anchor="{anchor}">{words}</text>'


def box(x: float, y: float, width: float, height: float, color: str) -> str:
    """Return a filled box."""
    return (
        f'<rect x="{x}" y="{y}" width="{width}" height="{height}" fill="{color}" '
        'stroke="#fff" stroke-width="1.5"/>'
    )


def arrow(x1: float, y1: float, x2: float, y2: float) -> str:
    """Return an arrow."""
    return f'<path d="M{x1} {y1} L{x2} {y2}" stroke="#444" marker-end="url(#head)"/>'


def sub(letter: str, index: int | str) -> str:
    """Return a letter with an index."""
    return f'{letter}<tspan dy="4" font-size="10">{index}</tspan><tspan dy="-4">&#8203;</tspan>'


def rows_of_y() -> list[str]:
    """Draw Y, its column blocks and the prefixes."""
    parts, x = [text(40 + sum(WIDTHS) / 2, 40, "Y, the adapted rows (B x d)")], 40
    for place, (width, color) in enumerate(zip(WIDTHS, COLORS, strict=True)):
        parts += [box(x, TOP, width, 140, color), text(x + width / 2, TOP - 10, f"b{place + 1}")]
        x += width
        y = TOP + 158 + 16 * place
        parts.append(f'<path d="M40 {y} H{x}" stroke="{color}" stroke-width="5"/>')
        parts.append(text(x + 10, y + 5, sub("m", place + 1), 12, "start"))
    return parts


def grams() -> list[str]:
    """Draw the Gram blocks, their running sums, and the way back."""
    parts = []
    for place, color in enumerate(COLORS):
        x = 330 + STEP * place
        middle = x + SIDE / 2
        name = place + 1
        parts += [
            box(x, TOP, SIDE, SIDE, color),
            text(middle, TOP - 28, f"{sub('K', name)} = Y[:, b{name}] Y[:, b{name}]ᵀ", 12),
            arrow(middle, TOP + SIDE + 4, middle, TOP + SIDE + 34),
        ]
        slice_ = SIDE / (place + 1)
        parts += [
            box(x, TOP + 106 + slice_ * part, SIDE, slice_, COLORS[part]) for part in range(name)
        ]
        parts.append(
            text(middle, TOP + 106 + SIDE + 20, f"{sub('G', name)}, prefix {sub('m', name)}")
        )
        if place:
            parts += [
                arrow(x - STEP + SIDE + 6, TOP + 139, x - 8, TOP + 139),
                text(x - (STEP - SIDE) / 2, TOP + 132, "+", 16),
                arrow(x - 8, TOP + 229, x - STEP + SIDE + 6, TOP + 229),
                text(x - (STEP - SIDE) / 2, TOP + 222, "+", 16),
            ]
        sums = " + ".join(sub("D", later) for later in range(name, 5)) if place > 1 else None
        sums = sums or f"{sub('D', name)} + … + {sub('D', 4)}"
        parts.append(text(middle, TOP + 234, sums, 12))
    return parts


def drawn() -> str:
    """Return the picture."""
    captions = [
        text(330, 30, "forward: blocks add up, from the shortest prefix on", 14, "start"),
        text(330, 366, "backward: slopes add up, from the longest prefix back", 14, "start"),
    ]
    parts = [
        '<rect width="900" height="384" rx="8" fill="#fff"/>',
        *rows_of_y(),
        *grams(),
        *captions,
    ]
    head = (
        '<marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
        'orient="auto"><path d="M0 0 L8 4 L0 8 z" fill="#444"/></marker>'
    )
    label = "Gram blocks of column blocks add up to the Gram matrix of every prefix"
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 900 384" role="img" '
        f'aria-label="{label}" font-family="sans-serif" fill="#222">'
        f"<defs>{head}</defs>{''.join(parts)}</svg>\n"
    )


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else TARGET
    target.write_text(drawn(), encoding="utf-8")
