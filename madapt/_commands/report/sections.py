"""What the sections of the page say, in HTML; an empty list leaves a section out."""

from __future__ import annotations

from madapt._commands.models import stage_of
from madapt._commands.printing import count_bytes
from madapt._commands.report.hurt import HurtQuery
from madapt._commands.report.markup import Column, code, escape, facts, metric_name, number, table
from madapt._commands.report.numbers import Choice, Report

__all__ = ["costs", "data", "hurt", "in_short", "model", "money", "reproduce"]


def money(amount: float, currency: str) -> str:
    """Return an amount and its currency, as HTML."""
    return f"{_amount(amount)} {escape(currency)}"


def _amount(amount: float) -> str:
    """Return two decimals, or below 1 three digits."""
    return f"{amount:,.2f}" if amount >= 1 or amount == 0 else f"{amount:#.3g}"


def in_short(report: Report) -> list[str]:
    """Return the dim to take, and what it saves."""
    choice, d = report.choice, report.data["d"]
    if choice is None:
        return [
            f'<p class="answer">No dim can be recommended.</p><p>Because {report.no_choice}. '
            "Fit with a guard and at least 20 rows, or give judgments.</p>"
        ]
    why = (
        f"The smallest dim that keeps {choice.target:.1%} of the embedding's nDCG@10"
        if choice.is_reached
        else f"No dim keeps the {choice.target:.1%} asked for; this is the best"
    )
    return [
        f'<p class="answer">Keep <strong>{choice.dim:,} of {d:,} dims</strong>: '
        f"{choice.share:.1%} of full quality.</p>",
        f'<p class="soft">{escape(why)}, by {escape(choice.basis)}.</p>',
        facts(_tiles(report, choice), "tiles"),
    ]


def _tiles(report: Report, choice: Choice) -> list[tuple[str, str]]:
    """Return what the dim to take keeps and saves."""
    share = f"{choice.share:.1%}"
    if choice.interval is not None:
        low, high = choice.interval
        share += f"<small>95 % interval {low:.1%} to {high:.1%}</small>"
    tiles = [("Share of full quality", share)]
    size = next((one for one in report.sizes if one.dim == choice.dim), None)
    if size is None:
        return tiles
    fewer, whole = 1 / size.of_full, size.corpus_bytes / size.of_full
    of_whole = f"of {4 * report.data['d']:,}, {fewer:.1f} times fewer"
    tiles += [
        ("Bytes a vector, float32", f"{size.float32:,}<small>{of_whole}</small>"),
        (
            f"These {report.data['documents']:,} documents",
            f"{count_bytes(size.corpus_bytes)}<small>instead of {count_bytes(whole)}</small>",
        ),
    ]
    if size.cost is not None and report.price is not None:
        cost, before = (money(one, report.price.currency) for one in (size.cost, size.cost * fewer))
        tiles.append(("A million vectors a month", f"{cost}<small>instead of {before}</small>"))
    return tiles


def hurt(report: Report) -> list[str]:
    """Return the queries that lose most at the dim to take."""
    found = report.hurt
    if found is None:
        return []
    total = found.better + found.same + found.worse
    words = (
        f"<p>At {found.dim:,} dims, of {total:,} judged queries {found.better:,} have a higher "
        f"{metric_name(found.metric)} than by the whole embedding, {found.same:,} the same and "
        f"{found.worse:,} a lower one.</p>"
    )
    if not found.queries:
        return [words, "<p>None loses.</p>"]

    def column(head: str, said: str, *, is_number: bool = True) -> Column:
        return Column(head, [_cell(one, said) for one in found.queries], is_number)

    return [
        words,
        table(
            "hurt",
            f"The {len(found.queries)} queries that lose most at {found.dim:,} dims; the document "
            "is the one with the highest grade",
            [
                column("Query", "query", is_number=False),
                column("All dims", "full"),
                column(f"{found.dim:,} dims", "adapted"),
                column("Change", "change"),
                column("Relevant", "n_relevant"),
                column("Document", "document", is_number=False),
                column("Its rank", "ranks"),
            ],
        ),
    ]


def _cell(query: HurtQuery, said: str) -> str:
    if said in ("query", "document"):
        return code(getattr(query, said))
    if said == "change":
        return f'<span class="bad">{number(query.adapted - query.full)}</span>'
    if said == "ranks":
        return f"{query.rank_full:,} → {query.rank_adapted:,}"
    value = getattr(query, said)
    return f"{value:,}" if isinstance(value, int) else number(value)


def costs(report: Report) -> list[str]:
    """Return bytes by dim, and what a million vectors cost."""
    sizes, n = report.sizes, report.data["documents"]
    columns = [
        Column("Dims", [f"{one.dim:,}" for one in sizes]),
        Column("Bytes, float32", [f"{one.float32:,}" for one in sizes]),
        Column("int8", [f"{one.int8:,}" for one in sizes]),
        Column("binary", [f"{one.binary:,}" for one in sizes]),
        Column("Of full size", [f"{one.of_full:.1%}" for one in sizes]),
        Column("GB a million", [number(one.gb_per_million) for one in sizes]),
        Column(f"These {n:,}", [escape(count_bytes(one.corpus_bytes)) for one in sizes]),
    ]
    words = (
        "<p>Bytes of the vectors alone; an index adds its own. A GB is 10<sup>9</sup> bytes. Codes "
        "of int8 and binary take less at the same dim, and lose some quality that this page does "
        "not measure.</p>"
    )
    if report.price is not None:
        costs = [_amount(one.cost or 0.0) for one in sizes]
        columns.append(Column(f"{report.price.currency} a million, month", costs))
        words += (
            f"<p>At {report.price.amount:g} {escape(report.price.currency)} a GB and month.</p>"
        )
    dim = None if report.choice is None else report.choice.dim
    marked = next((place for place, one in enumerate(sizes) if one.dim == dim), None)
    caption = "What a vector, a million vectors and these documents take, by dims kept"
    return [words, table("bytes", caption, columns, marked)]


def data(report: Report) -> list[str]:
    """Return what was read."""
    found = report.data
    rows = [
        ("Documents", f"{found['documents']:,} of {found['d']:,} dims"),
        ("Read from", code(found["corpus"])),
        ("Size", escape(count_bytes(found["bytes"]))),
        ("Split", code(found["split"]) if found["split"] else ""),
        ("Queries", f"{found['queries']:,}" if found["queries"] else "none"),
        ("Queries from", code(found["query_file"]) if found["query_file"] else ""),
        (
            "Judgments",
            f"{found['judgments']:,}, of {found['judged_queries']:,} queries"
            if found["judgments"]
            else "none",
        ),
        ("Judgments from", code(found["qrels_file"]) if found["qrels_file"] else ""),
        ("Ids of documents", escape(found["ids"])),
        ("Ids of queries", escape(found["query_ids"]) if found["queries"] else ""),
        ("Vectors like the model's", escape(found["check"]) or "too few rows to tell"),
    ]
    warning = ""
    if found["looks_like_the_model_s"] is False:
        warning = (
            '<p class="warning"><strong>Warning:</strong> these do not look like vectors of the '
            f"embedding model that this model was fitted on ({escape(found['check'])}).</p>"
        )
    return [warning, facts(rows)]


def model(report: Report) -> list[str]:
    """Return what the model's file holds."""
    found = report.model
    settings = ", ".join(f"{key}={value!r}" for key, value in found["parameters"].items())
    units = (
        f"{found['hidden_units']:,} units" if found["hidden_units"] else "none, a rotation alone"
    )
    return [
        facts(
            [
                ("File", code(found["model"])),
                ("Fingerprint", code(found["fingerprint"])),
                ("Size", escape(count_bytes(found["bytes"]))),
                ("Dims", ", ".join(f"{m:,}" for m in found["dims"])),
                ("Kept", escape(stage_of(found["kept"]))),
                ("Hidden layer", units),
                ("Centred", "yes, each side by its own mean" if found["is_centered"] else "no"),
                ("Steps", f"{found['steps']:,}" + _interrupted(found["is_interrupted"])),
                ("Settings", code(settings) if settings else "all at their defaults"),
                ("Written by", f"madapt {escape(found['madapt'])}"),
            ]
        )
    ]


def _interrupted(is_interrupted: bool) -> str:
    return ", interrupted" if is_interrupted else ""


def reproduce(report: Report) -> list[str]:
    """Return the command that makes the page again."""
    made = report.made
    return [
        "<p>This page again, from the same files:</p>",
        f"<pre><code>{escape(made['command'])}</code></pre>",
        f'<p class="soft">madapt {escape(made["madapt"])}, NumPy {escape(made["numpy"])}, Python '
        f"{escape(made['python'])}.</p>",
    ]
