"""How much of what judgments call relevant is far from its query: true ones, and spoilt ones.

    python benchmarks/far_judgments.py --data ../shared/data

prints, for train queries, the share of relevant documents that are less like their query than
half of the corpus is, in the mean of the queries. The guard's bound stands between.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import quality_data as data

from madapt.adaptor import ResidualAdaptor
from madapt.backends.numpy import NumpyBackend
from madapt.datasets import load_cranfield
from madapt.training.guard import MOST_FAR
from madapt.training.supervised import JudgedCorpus

PAIRS = (("scifact", "minilm"), ("scifact", "mpnet"), ("nfcorpus", "minilm"))


def share(corpus, queries, qrels):
    """Return the mean of the queries' shares."""
    judged = JudgedCorpus(queries, corpus, corpus, queries, qrels, NumpyBackend())
    return judged.far(ResidualAdaptor()).mean()


def main():
    """Print a line a pair and kind of judgments."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--data", type=Path, required=True, help="a folder of collections")
    folder = options.parse_args().data
    print(f"the guard's bound: {MOST_FAR:.3f}")
    cranfield = load_cranfield("train")
    print(
        f"cranfield minilm, true: {share(cranfield.corpus, cranfield.queries, cranfield.qrels):.3f}"
    )
    for collection, vectors in PAIRS:
        case = data.documents_only(folder / collection, vectors)
        case = data.with_labels(case, folder / collection, vectors, dev=False)
        kinds = {"true": case} | {how: data.misled(case, how, 0) for how in data.MISLEADING}
        for kind, one in kinds.items():
            found = share(one.corpus, one.seen, one.seen_qrels)
            print(f"{collection} {vectors}, {kind}: {found:.3f}")


if __name__ == "__main__":
    main()
