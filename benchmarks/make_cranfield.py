"""Make the Cranfield file that the package carries, from a folder in BEIR layout.

The folder holds corpus.jsonl, queries.jsonl, qrels/test.tsv and minilm.npz. The result is the
same, byte by byte, whenever it is made from the same folder with the same zlib:

    python benchmarks/make_cranfield.py FOLDER
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from madapt.datasets import load_beir

TARGET = Path(__file__).resolve().parents[1] / "madapt" / "datasets" / "data" / "cranfield.npz"


def strip(texts: np.ndarray) -> np.ndarray:
    """Return the texts without outer white space, at fixed width: no pickle in the file."""
    return np.array([text.strip() for text in texts], dtype=str)


def main() -> None:
    """Read the folder, write the file, say how large it is."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="Cranfield in BEIR layout")
    parser.add_argument("--target", type=Path, default=TARGET, help="file to write")
    arguments = parser.parse_args()
    data = load_beir(arguments.folder, split="test", vectors="minilm")
    np.savez_compressed(
        arguments.target,
        # The source is float16, so that nothing is lost on the way through float32.
        corpus=data.corpus.astype(np.float16),
        queries=data.queries.astype(np.float16),
        grades=data.qrels.data.astype(np.uint8),
        indices=data.qrels.indices.astype(np.int32),
        indptr=data.qrels.indptr.astype(np.int32),
        corpus_ids=data.corpus_ids,
        query_ids=data.query_ids,
        titles=strip(data.titles),
        query_texts=strip(data.query_texts),
    )
    print(f"{arguments.target}: {arguments.target.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
