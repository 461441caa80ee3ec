"""Measure partial_fit in ten batches against one fit, by the neighbours that prefixes keep.

    python benchmarks/partial_fit.py --data ../shared/data --page docs/incremental.md

writes the table into docs/incremental.md. Without --data only the packaged Cranfield is measured.
A fifth of the documents is held out of both; the other documents come in random order.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from madapt import MatryoshkaAdaptor
from madapt.datasets import load_cranfield

SEEDS = range(3)
N_BATCHES = 10
BEGIN, END = "<!-- figures -->", "<!-- end of figures -->"


def measured(corpus: np.ndarray, seed: int) -> dict[str, tuple[float, float, float]]:
    """Return seconds and overlap on the rows learned from and on others, by method."""
    order = np.random.default_rng(seed).permutation(len(corpus))
    n_others = len(corpus) // 5
    others, rows = corpus[order[:n_others]], corpus[order[n_others:]]

    def streamed() -> MatryoshkaAdaptor:
        model = MatryoshkaAdaptor(random_state=seed)
        for batch in np.array_split(rows, N_BATCHES):
            model.partial_fit(batch)
        return model

    fits = {
        "SVD rotation": lambda: MatryoshkaAdaptor(rotation="svd", hidden_dim=None).fit(rows),
        "one fit": lambda: MatryoshkaAdaptor(random_state=seed).fit(rows),
        f"partial_fit, {N_BATCHES} batches": streamed,
    }
    found = {}
    for name, fit in fits.items():
        began = time.perf_counter()
        model = fit()
        seconds = time.perf_counter() - began
        found[name] = (model.score(rows), model.score(others), seconds)
        print(name, seed, found[name], model.validation_scores_.get("kept", ["-"])[0], flush=True)
    return found


def table(name: str, corpus: np.ndarray) -> list[str]:
    runs = [measured(corpus, seed) for seed in SEEDS]
    lines = []
    for method in runs[0]:
        values = np.array([run[method] for run in runs])
        low, high = values.min(axis=0), values.max(axis=0)
        cells = [
            f"{mean:.3f} ({low[i]:.3f} to {high[i]:.3f})"
            for i, mean in enumerate(values.mean(axis=0)[:2])
        ]
        lines.append(f"| {name} | {method} | {' | '.join(cells)} | {values[:, 2].mean():.0f} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=None)
    parser.add_argument("--page", type=Path, default=None)
    args = parser.parse_args()
    corpora = {"Cranfield": load_cranfield().corpus}
    if args.data is not None:
        with np.load(args.data / "scifact" / "minilm.npz") as arrays:
            corpora["SciFact, MiniLM"] = np.asarray(arrays["corpus"], np.float32)
    lines = [
        "| documents | method | overlap, own rows | overlap, others | seconds |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, corpus in corpora.items():
        lines += table(name, corpus)
    print("\n".join(lines))
    if args.page is not None:
        text = args.page.read_text(encoding="utf-8")
        before, _, rest = text.partition(BEGIN)
        _, _, after = rest.partition(END)
        block = "\n".join(["", "", *lines, "", ""])
        args.page.write_text(f"{before}{BEGIN}{block}{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
