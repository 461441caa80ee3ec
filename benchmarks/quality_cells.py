"""The cells of the quality study: which there are, and how one is measured."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import quality_data as data
from quality_methods import (
    CENTRED,
    DETERMINISTIC,
    FREE,
    JUDGED,
    LINEAR,
    NOT_CENTRED,
    PAPER,
    PAPER_MEAN,
    PUBLISHED,
    ROTATIONS,
    WITH_QUERIES,
    Start,
    fitted,
    why_missing,
)

from madapt.evaluation import dimension_curve

PARTS = ("labelfree", "queries", "cut", "labels", "scarce", "adversarial")
#: Pairs with judgments to learn from.
LABELLED = data.PAIRS[:3]
SMALL_LABELLED = (data.PAIRS[0], data.PAIRS[2])
UNLABELED_COUNTS = (10, 50, 500)
CORPUS_SIZES = (500, 1000)
LABEL_COUNTS = (25, 50, 100, 200)
#: Judged queries that are led astray: all of them (None), and so few that chance has a say.
MISLED_COUNTS = (None, 50)


@dataclass(frozen=True)
class Cell:
    """One method with one seed on one pair in one setting.

    Parameters
    ----------
    part, method : str
    collection, vectors : str
    setting : str
        Empty, or what makes the case special: "500 documents", "25 queries", ...
    seed : int
    """

    part: str
    collection: str
    vectors: str
    setting: str
    method: str
    seed: int

    @property
    def pair(self) -> str:
        """Collection and vectors in one name."""
        return f"{self.collection} {self.vectors}"

    @property
    def key(self) -> str:
        """What it is kept under."""
        return "|".join((self.part, self.pair, self.setting, self.method, str(self.seed)))


def cells_of(part: str, seeds: int, quick: bool) -> Iterator[Cell]:
    """Return the cells of a part, pair by pair, the cheap ones first."""
    pairs = {"labels": LABELLED, "scarce": SMALL_LABELLED, "adversarial": SMALL_LABELLED}
    for collection, vectors in pairs.get(part, data.PAIRS):
        for setting, methods in _PLANS[part](quick).items():
            for method in methods:
                # A cut is drawn anew with each seed, so that all methods have several.
                once = method in DETERMINISTIC and part != "cut"
                for seed in range(1 if once else seeds):
                    yield Cell(part, collection, vectors, setting, method, seed)


def runnable(cells: list[Cell], root: Path) -> list[Cell]:
    """Leave out what cannot run here and say why, once each."""
    reasons = {method: why_missing(method) for method in {cell.method for cell in cells}}
    for collection, vectors in dict.fromkeys((cell.collection, cell.vectors) for cell in cells):
        if not (root / collection / f"{vectors}.npz").exists():
            reasons[f"{collection} {vectors}"] = f"no {collection}/{vectors}.npz in the data"
    for name, reason in reasons.items():
        if reason:
            print(f"left out: {name}: {reason}", flush=True)
    return [cell for cell in cells if not (reasons[cell.method] or reasons.get(cell.pair))]


def measure(cell: Cell, root: Path, quick: bool) -> dict[str, Any] | None:
    """Fit and score; None where the collection has too few queries for the setting."""
    cases = _cases(cell, root)
    if any(case is None for case in cases):
        return None
    n_queries = sum(len(case.queries) for case in cases)
    dims = cases[0].dims
    scores = np.full((len(dims), n_queries), np.nan)
    start, kept = None, []
    for case in cases:
        method = fitted(cell.method, case, cell.seed, quick)
        scores[:, case.scored] = _per_query(method, case)
        if getattr(method, "rotation", None) == "learned":
            start = np.full_like(scores, np.nan) if start is None else start
            start[:, case.scored] = _per_query(Start(method, case.corpus), case)
            kept.append(method.validation_scores_.get("kept", ["start"])[0])
    found = asdict(cell) | {"dims": dims, "mean": _mean(scores), "scores": scores}
    return found if start is None else found | {"start": _mean(start), "kept": kept}


def _cases(cell: Cell, root: Path) -> list[data.Case | None]:
    """Return what the cell fits on; two halves where queries take turns."""
    folder, number = root / cell.collection, _number(cell.setting)
    case = data.documents_only(folder, cell.vectors)
    if cell.part == "labelfree":
        return [case]
    if cell.part == "cut":
        case = data.cut(case, number, cell.seed)
        seen = cell.method == WITH_QUERIES
        return data.with_queries(case, folder, cell.vectors) if seen else [case]
    if cell.part == "queries":
        cases = data.with_queries(case, folder, cell.vectors)
        return [data.fewer_queries(case, number, cell.seed) for case in cases] if number else cases
    case = data.with_labels(case, folder, cell.vectors, dev=cell.part == "labels")
    how = cell.setting.split(",")[0]
    if number:
        case = data.fewer_queries(case, number, cell.seed)
    return [data.misled(case, how, cell.seed) if case and how in data.MISLEADING else case]


def _number(setting: str) -> int | None:
    """Return the number of queries or documents that a setting names."""
    word = setting.split(", ")[-1].split(" ")[0]
    return int(word) if word.isdigit() else {"one": 1}.get(word)


def _per_query(method: Any, case: data.Case) -> np.ndarray:
    """Return nDCG@10 of each query at each dim, NaN without a positive."""
    found = dimension_curve(
        {"it": method}, case.corpus, case.queries, case.qrels, case.dims, per_query=True
    )
    return found.per_query["it"]["ndcg@10"]


def _mean(scores: np.ndarray) -> list[float]:
    return [round(float(mean), 6) for mean in np.nanmean(scores, axis=1)]


def _label_free(quick: bool) -> dict[str, tuple[str, ...]]:
    linear = ("frozen", "truncation", "random rotation", "PCA", "SVD", *ROTATIONS)
    return {"": (*linear, FREE, PAPER_MEAN, PAPER)}


def _queries(quick: bool) -> dict[str, tuple[str, ...]]:
    plan = {"": ("frozen", *CENTRED, *LINEAR, WITH_QUERIES, NOT_CENTRED)}
    counts = UNLABELED_COUNTS[:1] if quick else UNLABELED_COUNTS
    return plan | {f"{n} queries": (WITH_QUERIES,) for n in counts}


def _cut(quick: bool) -> dict[str, tuple[str, ...]]:
    sizes = CORPUS_SIZES[:1] if quick else CORPUS_SIZES
    return {f"{n} documents": ("frozen", *LINEAR, FREE, WITH_QUERIES) for n in sizes}


def _labels(quick: bool) -> dict[str, tuple[str, ...]]:
    return {"": ("frozen", "SVD", FREE, JUDGED, *PUBLISHED, PAPER_MEAN, PAPER)}


def _scarce(quick: bool) -> dict[str, tuple[str, ...]]:
    rivals = (WITH_QUERIES, JUDGED, *PUBLISHED, PAPER_MEAN)
    counts = LABEL_COUNTS[:1] if quick else LABEL_COUNTS
    return {"": ("frozen", "truncation", FREE)} | {f"{n} queries": rivals for n in counts}


def _adversarial(quick: bool) -> dict[str, tuple[str, ...]]:
    plan = {"": ("frozen", "SVD"), "one query": (JUDGED,)}
    for count in MISLED_COUNTS[-1:] if quick else MISLED_COUNTS:
        for how in data.MISLEADING:
            plan[f"{how}, {count or 'all'} queries"] = (JUDGED,)
    return plan


_PLANS = {
    "labelfree": _label_free,
    "queries": _queries,
    "cut": _cut,
    "labels": _labels,
    "scarce": _scarce,
    "adversarial": _adversarial,
}
