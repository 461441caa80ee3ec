"""The parts of docs/performance.md about fits, steps, transform, neighbours and imports."""

from __future__ import annotations

from typing import Any

from _common import shown
from _page import free_cores_of, machine_of, milliseconds, paragraph, table, thousands

DATA = "--data ../shared/data"


def fit_section(found: dict[str, Any]) -> list[str]:
    """Write what fit.py found."""
    # An older report has one number of threads, and does not say which.
    threads = found.get("threads", {"not noted": found})
    rows = [
        [n, kind, backend, ", ".join(f"{s:.1f}" for s in seconds)]
        for n, part in threads.items()
        for kind, backends in part["seconds"].items()
        for backend, seconds in backends.items()
    ]
    return [
        "## A whole fit",
        "",
        *paragraph(
            f"`python benchmarks/fit.py {DATA}`: default fits on SciFact, "
            f"{thousands(found['shape'])}, without labels and with {found['judged queries']} "
            f"judged queries, cross-validation and guard included, on {machine_of(found)}. "
            f"{free_cores_of(threads)}"
        ),
        *table(["threads", "fit", "backend", "seconds, each round"], rows),
    ]


def large_fit_section(found: dict[str, Any]) -> list[str]:
    """Write what large_fit.py found."""
    rows, fits = [], []
    for n, part in found["threads"].items():
        fits += part["fits"]
        seconds = ", ".join(f"{fit['seconds']:.1f}" for fit in part["fits"])
        peak = max(fit["bytes"] for fit in part["fits"])
        kept = ", ".join(dict.fromkeys(fit["kept"] for fit in part["fits"]))
        rows.append([n, seconds, f"{peak / 2**20:,.0f}", kept])
    trained = fits[0]["rows trained on"]
    return [
        "## A large fit",
        "",
        *paragraph(
            f"`python benchmarks/large_fit.py {DATA}`: a default fit without labels on "
            f"{thousands(found['shape'])} made-up rows in clusters (spectrum: "
            f"{found['spectrum']}), of which it trains on {trained:,} (`max_fit_rows`), guard "
            f"included, on {machine_of(found)}. Peak is what the fit adds to the process, rows "
            f"not counted. {free_cores_of(found['threads'])}"
        ),
        *table(["threads", "seconds, each round", "peak, MiB", "kept"], rows),
    ]


def step_section(found: dict[str, Any]) -> list[str]:
    """Write what profile_step.py found."""
    columns = {
        f"{stage}, {n} thread{'s' if n != '1' else ''}": part[stage]
        for n, part in found["threads"].items()
        for stage in ("without labels", "with labels")
    }
    rows = [
        [label, *(shown(column["milliseconds of a step"][key], 1) for column in columns.values())]
        for label, key in (("a step", "without"), ("with the clock", "with the clock"))
    ]
    shares = [shown(column["share in BLAS and kernels"]) for column in columns.values()]
    rows.append(["share in BLAS and kernels", *shares])
    return [
        "## Where a step's time goes",
        "",
        *paragraph(
            f"`python benchmarks/profile_step.py {DATA}`: {found['steps']} default steps without "
            f"labels and as many with, {found['data']}, on {machine_of(found)}. Milliseconds of "
            "one step, each moment counted once, medians; what is below 0.005 everywhere is left "
            "out. *Update* is Adam and the way back to orthogonal matrices; `--help` explains the "
            "other phases. *BLAS and kernels* is all matrix products, and all that kernels "
            "do, also those of the adaptor and of Adam. "
            "With two threads one of them is watched, and in kernels waits for the other. "
            f"{free_cores_of(found['threads'])}"
        ),
        *table(["phase", *columns], _phases(list(columns.values())) + rows),
    ]


def _phases(columns: list[dict[str, Any]]) -> list[list[str]]:
    """Return a row for each phase and kind of time in which there is any."""
    rows = []
    for phase, kinds in columns[0]["milliseconds"].items():
        for kind in kinds:
            values = [column["milliseconds"][phase][kind] for column in columns]
            if max(values) >= 0.005:
                rows.append([f"{phase}: {kind}", *(f"{value:.2f}" for value in values)])
    return rows


def transform_section(found: dict[str, Any]) -> list[str]:
    """Write what transform.py found."""
    threads = {name.split()[1]: part for name, part in found.items() if name.startswith("threads ")}
    rows = []
    for n, part in threads.items():
        for rival, ratio in part["throughput of madapt / of the rival"].items():
            rows.append([n, rival, shown([ratio[key] for key in ("min", "median", "max")])])
    peak = found["RssAnon, MiB"]["peak above the interpreter"]
    return [
        "## Transforming a file",
        "",
        *paragraph(
            f"`python benchmarks/transform.py`: {found['rows']:,} x {found['columns']} float16 in "
            f"a memory map to {found['dims']} dims, float32, in another, on {machine_of(found)}. "
            "Throughput of madapt over that of a loop that casts a block and multiplies, with "
            f"NumPy's cast and madapt's. {free_cores_of(threads)}"
        ),
        *table(["threads", "rival", "ratio"], rows),
        *paragraph(f"Peak anonymous memory: {peak:.0f} MiB above the interpreter's."),
    ]


def transform_memory_section(found: dict[str, Any]) -> list[str]:
    """Write what transform_memory.py found."""
    ways = found["MiB"]
    counts = list(next(iter(ways.values())))
    rows = [
        [way, *(_least_to_most([one["above"] for one in cells[n]]) for n in counts)]
        for way, cells in ways.items()
    ]
    return [
        "### Its memory, by the number of threads",
        "",
        *paragraph(
            f"`python benchmarks/transform_memory.py`: the most anonymous memory, MiB, above what "
            f"the process had with the adaptor loaded, while {found['rows']:,} x "
            f"{found['columns']} float16 in a memory map become {found['dims']} dims, float32, in "
            f"another; least .. most of {len(ways[next(iter(ways))][counts[0]])} processes, on "
            f"{machine_of(found)}. A call works in one block of {found['block, MiB']:.0f} MiB, "
            "however many threads its products have; calls in threads of their own have one each."
        ),
        *table(["", *(f"{n} thread{'s' * (n != '1')}" for n in counts)], rows),
    ]


def _least_to_most(values: list[float]) -> str:
    return f"{min(values):.1f} .. {max(values):.1f}"


def neighbors_section(found: dict[str, Any]) -> list[str]:
    """Write what neighbors.py found."""
    searches = [
        (n, name, search)
        for n, part in found["threads"].items()
        for name, search in part["searches"].items()
    ]
    others = list(dict.fromkeys(name for _, _, search in searches for name in search["ratios"]))
    rows = []
    for n, name, search in searches:
        ratios = [search["ratios"].get(other) for other in others]
        cells = [shown(values) if values else "not measured" for values in ratios]
        rows.append([n, name, milliseconds(search["seconds"]["madapt"][1]), *cells])
    return [
        "## Exact neighbours",
        "",
        *paragraph(
            f"`python benchmarks/neighbors.py {DATA}`: `madapt.neighbors.top_k` by inner product, "
            "as `faiss.IndexFlatIP` searches, with its index ready or with `add`; by cosine, "
            "madapt's default; and scikit-learn's brute force by cosine, with `fit`. Unit rows, "
            f"float32 (spectrum: {found['spectrum']}), on {machine_of(found)}. All found the same "
            "rows, apart from scores within 1e-6. Above 1, madapt by inner product was the faster. "
            f"{free_cores_of(found['threads'])}"
        ),
        *table(["threads", "search", "madapt, ms", *others], rows),
    ]


def imports_section(found: dict[str, Any]) -> list[str]:
    """Write what imports.py found."""
    ours, other = found["modules"]
    rows = [
        [f"`import {name}`", shown([1e3 * s for s in found["seconds"][name]], 0), f"{count:,}"]
        for name, count in found["modules"].items()
    ]
    return [
        "## Importing",
        "",
        *paragraph(
            f"`python benchmarks/imports.py`: fresh processes in turn, on {machine_of(found)}. "
            f"Ratio {ours} / {other}: {shown(found[f'{ours} / {other}'])}. "
            f"{free_cores_of({'1': found})}"
        ),
        *table(["", "milliseconds", "modules"], rows),
    ]
