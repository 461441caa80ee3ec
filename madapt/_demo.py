"""The demo: fit on the embedded collection, measure every prefix, search once, draw."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from io import TextIOBase
from pathlib import Path
from typing import Any, TextIO

from sklearn.utils import Bunch

from madapt.baselines import PCAReducer, SVDRotation, Truncation
from madapt.datasets import load_cranfield
from madapt.estimator import MatryoshkaAdaptor
from madapt.evaluation import DimensionCurveDisplay, dimension_curve
from madapt.exceptions import InterruptedWarning, JudgmentsWarning
from madapt.neighbors import top_k

__all__ = ["NEXT_STEPS", "Demo", "run_demo"]

METRIC = "ndcg@10"
#: The example search: its dims, and how many titles it shows.
SEARCH_DIMS, N_SHOWN = 32, 5

NEXT_STEPS = """\
Your turn: X holds the vectors of your documents, Q those of queries, one a row.

    from madapt import MatryoshkaAdaptor
    adaptor = MatryoshkaAdaptor().fit(X)
    documents = adaptor.transform(X, dim=64)
    queries = adaptor.transform(Q, dim=64, side="query")
    similarities = queries @ documents.T

With judgments, {query row: {document row: grade}}: fit(X, queries=Q, qrels=judgments)."""


@dataclass(frozen=True)
class Demo:
    """What the demo has learned and measured.

    Parameters
    ----------
    corpus, titles : ndarrays of shapes (n_docs, d), (n_docs,)
        The documents.
    queries, query_texts : ndarrays of shapes (n_queries, d), (n_queries,)
        The test queries.
    adaptor : MatryoshkaAdaptor
        The one that was fitted without labels.
    curve : Bunch
        What `dimension_curve` says of all methods.
    """

    corpus: Any
    titles: Sequence[str]
    queries: Any
    query_texts: Sequence[str]
    adaptor: MatryoshkaAdaptor
    curve: Bunch

    def table(self) -> str:
        """Return the scores as text: a row for each prefix length, a column a method."""
        dims = self.curve.dims.tolist()
        columns = {"dims": [str(m) for m in dims], "bytes": [f"{4 * m:,}" for m in dims]}
        for name, scores in self.curve.scores.items():
            columns[name] = [f"{score:.3f}" for score in scores[METRIC]]
        heading = (
            f"nDCG@10 of {len(self.queries)} test queries by the number of dims kept, and the\n"
            f"bytes of a float32 vector; frozen is the embedding as it is, always {dims[-1]} dims"
        )
        return f"{heading}\n\n{_aligned(columns)}"

    def search(self, width: int) -> str:
        """Return one search as text, two lists of titles beside each other."""
        query, m = self.queries[:1], SEARCH_DIMS  # (1, d)
        full, _ = top_k(query, self.corpus, N_SHOWN)
        short, _ = top_k(
            self.adaptor.transform(query, dim=m, side="query"),
            self.adaptor.transform(self.corpus, dim=m),
            N_SHOWN,
        )
        room = (width - 10) // 2
        shared = set(full[0].tolist()) & set(short[0].tolist())
        lists = [[self._entry(row, shared, room) for row in found[0]] for found in (full, short)]
        headings = f"  frozen, all {self.corpus.shape[1]} dims", f"  adaptor, {m} dims, no labels"
        lines = [
            f"The first test query and the {N_SHOWN} documents found; * marks those in both lists"
        ]
        lines += ["", f"  {_cut(self.query_texts[0], width - 2)}", ""]
        lines += [f"   {headings[0]:{room + 4}}{headings[1]}"]
        for place, (left, right) in enumerate(zip(*lists, strict=True), start=1):
            lines.append(f"{place:2} {left:{room + 4}}{right}".rstrip())
        return "\n".join(lines)

    def draw(self, path: Path) -> None:
        """Save the curves as a picture; its kind is that of the suffix.

        Raises
        ------
        ImportError
            If Matplotlib is not installed.
        OSError
            If the file cannot be written.
        """
        from matplotlib.figure import Figure

        # Without pyplot's figures, so that no window system is asked for.
        figure = Figure(figsize=(8.0, 4.5), layout="constrained")
        ax = figure.subplots()
        DimensionCurveDisplay.from_results(self.curve, METRIC, ax=ax)
        ax.set_ylim(bottom=0)
        ax.set_title(f"Retrieval with fewer dims: Cranfield, {len(self.queries)} test queries")
        figure.savefig(path, dpi=160)

    def _entry(self, row: int, shared: set[int], room: int) -> str:
        """Return a title after its mark, two characters more than `room` at most."""
        return f"{'*' if row in shared else ' '} {_cut(self.titles[row] or '(no title)', room)}"


def run_demo(seed: int, progress: TextIO) -> Demo:
    """Fit without and with labels, and measure on queries that neither has seen.

    Parameters
    ----------
    seed : int
        Seeds both fits.
    progress : text stream
        Gets a line a stage, and a dot about every second.

    Raises
    ------
    KeyboardInterrupt
        On Ctrl-C, also where the estimator would keep what it has.
    """
    data = load_cranfield()
    corpus, train, test = data.corpus, data.train, data.test
    n_docs, d = corpus.shape
    progress.write(
        f"Cranfield: {n_docs:,} documents, {len(train) + len(test)} queries, "
        f"vectors of {d} dims by all-MiniLM-L6-v2\n"
    )
    plain, judged = (MatryoshkaAdaptor(random_state=seed, verbose=1) for _ in range(2))
    with _stage("fit without labels", progress):
        plain.fit(corpus)
    with _stage(f"fit with {len(train)} judged queries", progress):
        judged.fit(corpus, queries=data.queries[train], qrels=data.qrels[train])
    methods = {
        "frozen": None,
        "truncation": Truncation().fit(corpus),
        "PCA": PCAReducer().fit(corpus),
        "SVD": SVDRotation().fit(corpus),
        "adaptor": plain,
        "adaptor with labels": judged,
    }
    with _stage(f"search with {len(test)} other queries", progress):
        curve = dimension_curve(
            methods, corpus, data.queries[test], data.qrels[test], metrics=METRIC
        )
    return Demo(corpus, data.titles, data.queries[test], data.query_texts[test], plain, curve)


class _Dots(TextIOBase):
    """A stream that writes a dot to another one for each line."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        self.stream.write("." * text.count("\n"))
        self.stream.flush()
        return len(text)


@contextmanager
def _stage(name: str, progress: TextIO) -> Iterator[None]:
    """Write what is being done and, when it is, how long it took."""
    began = time.monotonic()
    progress.write(f"  {name} ")
    progress.flush()
    try:
        with redirect_stdout(_Dots(progress)), warnings.catch_warnings():
            # The estimator keeps its best state on Ctrl-C and goes on with a warning.
            warnings.simplefilter("error", InterruptedWarning)
            warnings.simplefilter("ignore", JudgmentsWarning)  # the table shows that, too
            yield
    except InterruptedWarning:
        progress.write("\n")
        raise KeyboardInterrupt from None
    except BaseException:
        progress.write("\n")
        raise
    progress.write(f" {time.monotonic() - began:.1f} s\n")
    progress.flush()


def _cut(text: str, room: int) -> str:
    """Return the text on one line of at most `room` characters."""
    text = " ".join(text.split())
    return text if len(text) <= room else text[: room - 3].rstrip() + "..."


def _aligned(columns: dict[str, list[str]]) -> str:
    """Return columns of text under their names, flush right."""
    widths = [max(map(len, [name, *cells])) for name, cells in columns.items()]
    rows = [tuple(columns), *zip(*columns.values(), strict=True)]
    return "\n".join(
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    )
