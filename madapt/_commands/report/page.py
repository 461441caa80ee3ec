"""One HTML page of a report: nothing in it is loaded from elsewhere, and there is no script."""

from __future__ import annotations

from pathlib import PurePath

from madapt._commands.report.chart import figure
from madapt._commands.report.markup import Column, escape, metric_name, number, section, table
from madapt._commands.report.numbers import NEIGHBORS_KEPT, Curve, Report
from madapt._commands.report.sections import costs, data, hurt, in_short, model, reproduce
from madapt._commands.report.style import STYLE

__all__ = ["page"]

_PAGE = """<!DOCTYPE html>
<html lang="en" xmlns="http://www.w3.org/1999/xhtml">
<head>
<meta charset="utf-8"/>
<meta name="viewport" content="width=device-width, initial-scale=1"/>
<meta name="color-scheme" content="light dark"/>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; \
img-src data:"/>
<meta name="generator" content="madapt {version}"/>
<link rel="icon" href="data:,"/>
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<a class="skip" href="#main">Skip to the figures</a>
<header>
<p class="eyebrow">madapt report</p>
<h1>{name}</h1>
<p class="lead">{lead}</p>
<nav aria-label="Sections">
<ul>
{links}
</ul>
</nav>
</header>
<main id="main" tabindex="-1">
{body}
</main>
<footer>
<p>Made by madapt {version} on {day}. This file loads nothing and holds no script.</p>
</footer>
</body>
</html>
"""


def page(report: Report) -> str:
    """Return the page.

    Parameters
    ----------
    report : Report
    """
    name = PurePath(report.data["corpus"]).name or report.data["corpus"]
    sections = {
        "short": ("In short", in_short(report)),
        "curve": ("Quality by dims", _curve(report)),
        "held-out": ("Held out by the fit", _held_out(report)),
        "hurt": ("Queries hurt most", hurt(report)),
        "bytes": ("Bytes and cost", costs(report)),
        "data": ("Data", data(report)),
        "model": ("Model", model(report)),
        "reproduce": ("Reproduce", reproduce(report)),
    }
    shown = {key: one for key, one in sections.items() if one[1]}
    links = "\n".join(f'<li><a href="#{key}">{head}</a></li>' for key, (head, _) in shown.items())
    return _PAGE.format(
        version=escape(report.made["madapt"]),
        title=f"{escape(name)}: madapt report",
        style=STYLE,
        name=escape(name),
        lead=_lead(report),
        links=links,
        body="\n".join(section(key, head, *parts) for key, (head, parts) in shown.items()),
        day=escape(report.made["day"]),
    )


def _lead(report: Report) -> str:
    counts = report.data
    said = f"{counts['documents']:,} documents of {counts['d']:,} dims"
    if counts["judged_queries"]:
        said += f", {counts['judged_queries']:,} judged queries"
    return f"{said}, {escape(report.made['day'])}"


def _curve(report: Report) -> list[str]:
    curve = report.curve
    if curve is None:
        return []
    if curve.metric == NEIGHBORS_KEPT:
        words = (
            "There are no judgments. So this is the share of each document's 10 nearest "
            f"neighbours that a search by prefixes finds again, over {curve.n_rows:,} documents; "
            "the whole embedding has 1 by definition. Documents that the model was fitted on are "
            "known to it. "
        )
        if report.model["is_centered"] or report.model["hidden_units"]:
            words += "This model changes neighbours on purpose: it was fitted to what queries find."
    else:
        words = (
            f"{metric_name(curve.metric)} of {curve.n_rows:,} judged queries in "
            f"{report.data['documents']:,} documents, by exact search. The frozen prefix is the "
            "first coordinates of the embedding as it is; all dims is the whole of it. If the "
            "model was fitted with these judgments, other queries gain less."
        )
    return _shown("curve", words, curve, report)


def _held_out(report: Report) -> list[str]:
    curve = report.held_out
    if curve is None:
        return []
    what = "judged queries" if curve.metric == "ndcg@10" else "rows"
    words = (
        f"{metric_name(curve.metric)} of {curve.n_rows:,} {what} that were held out when the model "
        f"was fitted. The guard kept <q>{escape(curve.main)}</q>; start is the SVD rotation that "
        "learning begins with. All dims is the embedding as it is."
    )
    return _shown("held-out", words, curve, report)


def _shown(name: str, words: str, curve: Curve, report: Report) -> list[str]:
    """Return words, a picture and a table."""
    dim = None if report.choice is None else report.choice.dim
    title = f"{curve.metric.replace('ndcg', 'nDCG')} by the number of dims kept"
    columns = [Column("Dims", [f"{m:,}" for m in curve.dims])]
    if curve.full is not None:
        columns.append(Column("All dims", [number(one) for one in curve.full]))
    others = [method for method in curve.methods if method != curve.main]
    for method in [*others, curve.main]:
        head = "PCA" if method == "pca" else method.capitalize()
        columns.append(Column(head, [number(one) for one in curve.methods[method]]))
    if curve.shares is not None:
        columns.append(Column("Share of full", [f"{share:.1%}" for share in curve.shares]))
    marked = curve.dims.index(dim) if dim in curve.dims else None
    return [
        f"<p>{words}</p>",
        figure(name, title, curve, dim),
        table(name, f"The numbers of the picture: {title}", columns, marked),
    ]
