"""What judgments teach about documents that no train query judged, written to docs/unseen.md.

    python benchmarks/unseen.py --data ../shared/data

Reads each test query's nDCG@10 from the study (benchmarks/results/quality.npz) and splits the
queries: *seen* have a relevant document that a train query found relevant, too; *unseen* have none.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from _common import RESULTS, ROOT, parser
from _page import paragraph, table
from quality_methods import FREE, JUDGED, PUBLISHED
from quality_store import Store

from madapt.datasets import load_beir

PAIRS = (("scifact", "minilm"), ("scifact", "mpnet"))
METHODS = ("frozen", "SVD", *PUBLISHED, FREE, JUDGED)


def seen_queries(folder: Path, vectors: str) -> np.ndarray:
    """Say of each test query whether a train query shares a relevant document, shape (n,)."""
    train, test = (load_beir(folder, split, vectors=vectors).qrels for split in ("train", "test"))
    judged = np.asarray((train > 0).sum(axis=0)).ravel() > 0
    return np.asarray((test > 0) @ judged.astype(np.float64)).ravel() > 0


def section(store: Store, data: Path, collection: str, vectors: str) -> list[str]:
    """Return the table of a pair."""
    seen = seen_queries(data / collection, vectors)
    lines, rows, dims = [], [], None
    for name, at in (("seen", seen), ("unseen", ~seen)):
        for method in METHODS:
            scores = store.scores("labels", f"{collection} {vectors}", "", method)
            if scores is None:
                continue
            scores = np.asarray(scores).reshape(-1, *np.shape(scores)[-2:]).mean(axis=0)
            dims = scores.shape[0]
            means = np.nanmean(scores[:, at], axis=1)
            rows.append([f"{name}, {at.sum()}", method, *(f"{mean:.3f}" for mean in means)])
    widths = [8, 16, 32, 64, 128, 256, 384, 768][:dims]
    lines += [f"## {collection} {vectors}", ""]
    return lines + table(["queries", "method", *map(str, widths)], rows)


def main() -> None:
    """Write the page."""
    options = parser(__doc__, "unseen")
    options.add_argument("--data", type=Path, required=True, help="folder of BEIR-layout folders")
    args = options.parse_args()
    store = Store(RESULTS / "quality.json")
    lines = ["# Documents that no judgment named", ""]
    lines += paragraph(
        "nDCG@10 on SciFact's test queries after all train judgments, by whether a train query "
        "shares a relevant document with them. On these queries the gains with labels, madapt's "
        "and the published methods', come from documents that were judged; about others the "
        "judgments taught next to nothing, and short MiniLM prefixes lost against the fit "
        "without labels. So the gains on SciFact in quality.md and bytes.md hold where queries "
        "keep asking for judged documents, and the guard, whose held-out queries share "
        "documents with the others, does not see the difference. Every NFCorpus test query is a "
        "seen one; Cranfield was not split so. Written by `python benchmarks/unseen.py --data "
        "../shared/data` from the study's queries."
    )
    for pair in PAIRS:
        lines += section(store, args.data, *pair)
    page = ROOT / "docs" / "unseen.md"
    page.write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")
    print(f"written: {page}")


if __name__ == "__main__":
    main()
