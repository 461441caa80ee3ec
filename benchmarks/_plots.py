"""Plots for pages that are read on light and on dark ground: nothing behind, middle tones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

INK = "#6e7781"
#: name of a line -> (colour, style, marker).
LINES = {
    "pairwise + top-k": ("#3b82f6", "-", "o"),
    "listwise": ("#e8710a", "-", "s"),
    "products": (INK, "--", ""),
}
#: The same of the plot of bytes, and the order of the page's rows.
BYTE_LINES = {
    "madapt, no labels": ("#3b82f6", "-", "o"),
    "madapt, unlabeled queries": ("#0891b2", "-", "p"),
    "madapt, labels": ("#e8710a", "-", "s"),
    "FAISS OPQ": ("#16a34a", "--", "^"),
    "FAISS PQ": ("#a855f7", "--", "v"),
    "FAISS SQ, 4 bits": (INK, "--", "D"),
    "FAISS SQ, 8 bits": (INK, ":", "P"),
    "signs of all dims, float queries": ("#dc2626", "", "X"),
    "signs of all dims, Hamming": ("#dc2626", "", "x"),
    "float16 prefix": (INK, "-.", ""),
    "float32 prefix": (INK, "-", ""),
}
STYLE = {
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "font.size": 10,
    "grid.alpha": 0.25,
    "grid.color": INK,
    "legend.frameon": False,
    "svg.fonttype": "none",  # text stays text: small files
    "svg.hashsalt": "madapt",  # the same figures, the same file
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
}


def plot_scaling(panels: dict[str, dict[str, dict[int, float]]], path: Path) -> None:
    """Draw milliseconds against sizes, both logarithmic.

    Parameters
    ----------
    panels : dict
        {label of a size: {name of a line: {size: seconds}}}
    path : Path
        An SVG file.
    """
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    with matplotlib.rc_context(STYLE):
        shape = {"figsize": (3.1 * len(panels), 3.4), "sharey": True, "layout": "constrained"}
        figure, axes = pyplot.subplots(1, len(panels), squeeze=False, **shape)
        labelled: dict[str, Any] = {}
        for axis, (label, lines) in zip(axes[0], panels.items(), strict=True):
            for name, points in lines.items():
                colour, style, marker = LINES[name]
                sizes, seconds = list(points), [1e3 * value for value in points.values()]
                (labelled[name],) = axis.plot(
                    sizes, seconds, color=colour, linestyle=style, marker=marker, markersize=4
                )
            _logarithmic(axis, sorted({size for points in lines.values() for size in points}))
            axis.set_xlabel(label)
        axes[0, 0].set_ylabel("milliseconds")
        figure.legend(labelled.values(), labelled, loc="outside upper center", ncols=3)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, transparent=True, metadata={"Date": None})
        pyplot.close(figure)


def plot_bytes(panels: dict[str, dict[str, dict[int, float]]], path: Path) -> None:
    """Draw nDCG@10 against bytes per vector, one panel a collection.

    Parameters
    ----------
    panels : dict
        {collection: {name of a line: {bytes: nDCG@10}}}
    path : Path
        An SVG file.
    """
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    with matplotlib.rc_context(STYLE):
        shape = {"figsize": (4.6 * len(panels), 4.2), "layout": "constrained"}
        figure, axes = pyplot.subplots(1, len(panels), squeeze=False, **shape)
        labelled: dict[str, Any] = {}
        for axis, (label, lines) in zip(axes[0], panels.items(), strict=True):
            for name, points in lines.items():
                colour, style, marker = BYTE_LINES[name]
                (labelled[name],) = axis.plot(
                    list(points),
                    list(points.values()),
                    color=colour,
                    linestyle=style,
                    marker=marker,
                    markersize=4,
                )
            _logarithmic(axis, sorted({size for points in lines.values() for size in points}))
            axis.set_yscale("linear")
            axis.set_title(label, fontsize=10)
            axis.set_xlabel("bytes per vector")
        axes[0, 0].set_ylabel("nDCG@10")
        figure.legend(labelled.values(), labelled, loc="outside lower center", ncols=3)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, transparent=True, metadata={"Date": None})
        pyplot.close(figure)


def _logarithmic(axis: Any, sizes: list[int]) -> None:
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.set_xticks(sizes, [str(size) for size in sizes], rotation=45, fontsize=8)
    axis.set_xticks([], minor=True)
    axis.yaxis.set_major_formatter("{x:g}")
    axis.grid(visible=True)
