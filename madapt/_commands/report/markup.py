"""Pieces of HTML, with everything that comes from users escaped."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["Column", "code", "escape", "facts", "metric_name", "number", "section", "table"]

#: What neither HTML nor XML has a place for: controls, halves of surrogate pairs, non-characters.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Parameters
    ----------
    head : str
        Text.
    cells : sequence of str
        HTML.
    is_number : bool, default=True
        Set flush right.
    """

    head: str
    cells: Sequence[str]
    is_number: bool = True


def escape(text: Any) -> str:
    """Return a text as HTML, fit for attributes, too."""
    return html.escape(_UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", str(text)))


def code(text: Any) -> str:
    """Return a name, an id for instance, whose direction is its own."""
    return f'<code dir="auto">{escape(text)}</code>'


def metric_name(metric: str) -> str:
    """Return the name of a metric as the field writes it, as HTML."""
    return escape(metric.replace("ndcg", "nDCG"))


def number(value: float, digits: int = 3) -> str:
    """Return a number of so many decimals; a real minus sign, and none before zero."""
    return f"{round(value, digits) + 0.0:,.{digits}f}".replace("-", "\N{MINUS SIGN}")


def section(name: str, heading: str, *parts: str) -> str:
    """Return a section that is called by its heading; `parts` are HTML."""
    return (
        f'<section id="{name}" aria-labelledby="{name}-h">\n'
        f'<h2 id="{name}-h">{escape(heading)}</h2>\n' + "\n".join(parts) + "\n</section>"
    )


def facts(pairs: Sequence[tuple[str, str]], style: str = "facts") -> str:
    """Return terms and what is said of them; terms are text, the others HTML."""
    rows = "\n".join(
        f"<div><dt>{escape(term)}</dt><dd>{said}</dd></div>" for term, said in pairs if said
    )
    return f'<dl class="{style}">\n{rows}\n</dl>'


def table(name: str, caption: str, columns: Sequence[Column], marked: int | None = None) -> str:
    """Return a table whose first column names its rows.

    Parameters
    ----------
    name : str
        For ids.
    caption : str
        Text.
    columns : sequence of Column
    marked : int or None, default=None
        The row of the dim to take.
    """
    styles = ["n" if column.is_number else "t" for column in columns]
    heads = "".join(
        f'<th scope="col" class="{style}">{escape(column.head)}</th>'
        for column, style in zip(columns, styles, strict=True)
    )
    rows = []
    for place, cells in enumerate(zip(*(column.cells for column in columns), strict=True)):
        row, first = "<tr>", cells[0]
        if place == marked:
            row, first = '<tr class="marked">', f'<span class="mark">take this</span> {first}'
        rest = zip(cells[1:], styles[1:], strict=True)
        rows.append(
            f'{row}<th scope="row" class="{styles[0]}">{first}</th>'
            + "".join(f'<td class="{style}">{cell}</td>' for cell, style in rest)
            + "</tr>"
        )
    # A region that scrolls must be reached by keys, too.
    return (
        f'<div class="scroll" role="region" aria-labelledby="{name}-c" tabindex="0">\n<table>\n'
        f'<caption id="{name}-c">{escape(caption)}</caption>\n'
        f"<thead><tr>{heads}</tr></thead>\n<tbody>\n" + "\n".join(rows) + "\n</tbody>\n</table>"
        "\n</div>"
    )
