"""The sections of docs/quality.md in which judgments are learned from."""

from __future__ import annotations

import numpy as np
from _page import paragraph, table
from quality_cells import SMALL_LABELLED
from quality_methods import FREE, JUDGED, PAPER, PAPER_MEAN, PUBLISHED, WITH_QUERIES
from quality_statistics import goal_line, verdict
from quality_store import Store
from quality_summary import largest_loss
from quality_tables import View, method_table, signed, smallest, views

#: nDCG@10 with all train judgments that the project set itself.
GOALS = {
    "scifact minilm": {8: 0.52, 16: 0.67, 32: 0.76, 64: 0.81, 128: 0.84, 384: 0.85},
    "scifact mpnet": {8: 0.53, 16: 0.66, 32: 0.75, 64: 0.81, 128: 0.84, 768: 0.85},
}
#: Points that wrong judgments may cost at most.
MOST_LOST = 0.3
RIVALS = (*PUBLISHED, PAPER, PAPER_MEAN)


def labels_section(store: Store, figure: str | None) -> list[str]:
    """Return all train judgments, against the published methods."""
    found = views(store, "labels")
    if not found:
        return []
    lines = ["## With judged queries", "", *paragraph(_LABELS)]
    lines += [figure, ""] if figure else []
    for view in found:
        lines += [f"### {view.pair}, judged", ""]
        lines += method_table(view, ("frozen", "SVD", *RIVALS, FREE, JUDGED), [JUDGED])
        lines += _said_kept(view)
        curve = view.curve(JUDGED)
        if view.pair in GOALS and curve is not None:
            scores = dict(zip(view.dims, curve.tolist(), strict=True))
            lines += paragraph(goal_line(GOALS[view.pair], scores))
    return lines


_LABELS = """\
Fitted on the train judgments (NFCorpus: train and dev), scored on test. All published methods see
the same queries and judgments.
"""


def scarce_section(store: Store, figure: str | None) -> list[str]:
    """Return few judged queries: where methods begin to help, and where they hurt."""
    lines = []
    for pair in [" ".join(pair) for pair in SMALL_LABELLED]:
        settings = sorted(
            (s for s in store.settings("scarce", pair) if s), key=lambda text: int(text.split()[0])
        )
        for setting in settings:
            view = View(store, "scarce", pair, setting)
            order = ("frozen", "truncation", *RIVALS, FREE, WITH_QUERIES, JUDGED)
            lines += [f"### {pair}, {setting} judged", ""]
            lines += method_table(view, order, [JUDGED]) + _against_label_free(view)
    if not lines:
        return []
    intro = ["## Few judged queries", "", *paragraph(_SCARCE)]
    return intro + ([figure, ""] if figure else []) + lines


_SCARCE = """\
So many train queries, drawn anew with each seed; `fit(X, queries)` sees the same queries without
their judgments. Published methods may fall below the frozen prefix (*truncation*) here.
"""


def _against_label_free(view: View) -> list[str]:
    """Say at which dims judgments did worse than none, and by how much at most."""
    curve, free = view.curve(JUDGED), view.curve(FREE)
    if curve is None or free is None:
        return []
    points = 100 * (curve - free)
    cells = [(float(p), f"at {m} dims") for p, m in zip(points, view.dims, strict=True)]
    return paragraph(
        f"`{JUDGED}` less `{FREE}`: mean {signed(float(np.mean(points)))}, "
        f"lowest {smallest(cells)}."
    ) + _said_kept(view)


def _said_kept(view: View) -> list[str]:
    kept = _kept(view)
    return paragraph(f"What the guard kept, and in how many fits: {kept}.") if kept else []


def adversarial_section(store: Store) -> list[str]:
    """Return what judgments that teach nothing, or the opposite, do to a fit."""
    rows, every = [], []
    for plain in views(store, "adversarial"):
        for setting in filter(None, store.settings("adversarial", plain.pair)):
            view = View(store, "adversarial", plain.pair, setting)
            over = view.over_start(JUDGED)
            if len(over):
                rows.append(_adversarial_row(view, over))
                every.append(view)
    if not rows:
        return []
    lowest = min(float(view.over_start(JUDGED).min()) for view in every)
    lines = ["## Wrong judgments", "", *paragraph(_ADVERSARIAL)]
    lines += table(["pair", "judgments", "kept", "mean", "lowest fit", "less SVD, lowest"], rows)
    lines += paragraph(largest_loss(every, JUDGED))
    goal = f"Goal, never more than {MOST_LOST} points below the start in any fit at any dim"
    return lines + paragraph(f"{goal}: {verdict(lowest, -MOST_LOST)}.")


_ADVERSARIAL = """\
`fit(X, queries, qrels)` on train queries whose judgments are spoilt. Each fit is compared with its
start on the true test judgments, in points: the mean over seeds and dims, and the lowest of any
seed and dim. *Kept* counts the seeds in which the guard kept the supervised stage, the rotation
(adaptor) or the start. The last column compares with the SVD rotation without centring, as the
judgments also have a say in the centring.
"""


def _kept(view: View) -> str:
    """Say how often the guard kept which stage of the fits with judgments."""
    cells = view.store.seeds(view.part, view.pair, view.setting, JUDGED)
    kept = [name for cell in cells for name in cell.get("kept", [])]
    return ", ".join(f"{name} {kept.count(name)}" for name in sorted(set(kept)))


def _adversarial_row(view: View, over: np.ndarray) -> list[str]:
    cells = view.store.seeds(view.part, view.pair, view.setting, JUDGED)
    low = [(float(v), f"at {m} dims") for v, m in zip(over.min(axis=0), view.dims, strict=True)]
    svd = view.plain.curve("SVD")
    against_svd = ""
    if svd is not None:
        means = 100 * (np.array([cell["mean"] for cell in cells]).min(axis=0) - svd)
        against_svd = smallest(
            [(float(v), f"at {m} dims") for v, m in zip(means, view.dims, strict=True)]
        )
    return [
        view.pair,
        view.setting,
        _kept(view),
        signed(float(over.mean())),
        smallest(low),
        against_svd,
    ]
