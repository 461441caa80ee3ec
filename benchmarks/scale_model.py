"""A cost model of few constants: seconds in one thread, and bytes between machines.

Part of ``python benchmarks/scale.py``, which measures the rates and fits the constants. F is the
rate of float32 products at the shapes of `transform`, B that of memory. Each overhead says how many
times longer something takes than its counted operations at F.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from scipy.optimize import nnls

#: Of the default fit without labels: rows that are learned from at most, of a batch and of what it
#: is compared with, coordinates that turn, steps, and rows that the guard holds out.
SAMPLE, BATCH, SUPPORT, TURNED, STEPS, HELD_OUT = 50_000, 256, 4096, 256, 150, 1000
#: Rounds of averaged training that `DaskMatryoshkaAdaptor` has unless told.
ROUNDS = 10
PAGE = 4096

Constants = Mapping[str, float]


def transform_operations(n: int, d: int, m: int) -> float:
    """Return 2 n d m, of rows of d coordinates to m."""
    return 2.0 * n * d * m


def transform_bytes(n: int, d: int, m: int) -> float:
    """Return 4 n (d + m), float32 in and out."""
    return 4.0 * n * (d + m)


def transform_seconds(rates: Constants, kind: str, n: int, d: int, m: int) -> float:
    """Return c (2 n d m / F + 4 n (d + m) / B), c the overhead of "memory" or of "memmap"."""
    products = transform_operations(n, d, m) / rates["products"]
    return rates[f"transform, {kind}"] * (products + transform_bytes(n, d, m) / rates["memory"])


def file_seconds(rates: Constants, n: int, d: int, m: int) -> float:
    """Return the seconds of `transform_file`: a memmap's, the disk's for input and output."""
    disk = 4.0 * n * d / rates["read"] + 4.0 * n * m / rates["write"]
    return transform_seconds(rates, "memmap", n, d, m) + disk


def fit_counts(n: int, d: int, steps: int = STEPS) -> dict[str, float]:
    """Return the operations of a default fit without labels, by what they are for.

    Parameters
    ----------
    n, d : int
        Rows that are learned from, and their coordinates.
    steps : int, default=150
        Of the first size of the rotation; each further size that the guard tries costs as many.

    Notes
    -----
    X^T X is 2 n d^2 and its decomposition some d^3. A step compares 256 rows with 4,096: original
    cosines in d coordinates, then forward and back through 256, 2 b s (d + 3 k). The guard looks
    for the neighbours of the rows held out by what was, the start and the candidate, 6 h n d.
    """
    support, k = min(n, SUPPORT), min(d, TURNED)
    return {
        "X^T X": 2.0 * n * d * d,
        "decomposition": float(d) ** 3,
        "steps": steps * 2.0 * min(n, BATCH) * support * (d + 3 * k),
        "guard": 6.0 * min(HELD_OUT, n / 10) * n * d,
    }


def fit_seconds(rates: Constants, n: int, d: int, steps: int = STEPS) -> float:
    """Return the seconds of a default fit on n rows in memory: counts times overheads, over F."""
    counts = fit_counts(n, d, steps)
    return sum(rates[name] * count for name, count in counts.items()) / rates["products"]


def sample_seconds(rates: Constants, n: int, d: int) -> float:
    """Return the seconds of reading a sample from a file of n rows, whole pages or the file."""
    pages = min(n, SAMPLE) * (-(-4 * d // PAGE) + 1) * PAGE
    return min(4.0 * n * d, pages) / rates["read"]


def search_seconds(rates: Constants, q: int, n: int, m: int) -> float:
    """Return the seconds of an exact search: 2 q n m operations."""
    return rates["search"] * 2.0 * q * n * m / rates["products"]


def network_bytes(n: int, d: int, m: int, workers: int, chunks: int) -> dict[str, float]:
    """Return what goes over the network on Dask, where chunks are read by the workers.

    Parameters
    ----------
    n, d, m : int
        Rows, coordinates and those that are kept.
    workers, chunks : int
        Machines, and blocks of rows.

    Notes
    -----
    "X^T X": its d^2 float64 and d of the sum, a chunk, at the most: sums on one worker stay there.
    "averaged training": k^2 float32 of the rotation and of both moments, to each shard and back, a
    round, with a shard a worker. The model goes to each worker, d m float32.
    """
    k = min(d, TURNED)
    return {
        "X^T X": chunks * 8.0 * (d * d + d),
        "sample": 4.0 * min(n, SAMPLE) * d,
        "averaged training": ROUNDS * workers * 2 * 3 * 4.0 * k * k,
        "model": workers * 4.0 * d * m,
        "output": 4.0 * n * m,
    }


def fitted_overhead(counted: Iterable[float], seconds: Iterable[float]) -> float:
    """Return the factor between counted and measured seconds: their median ratio."""
    pairs = zip(counted, seconds, strict=True)
    return float(np.median([measured / count for count, measured in pairs]))


def fitted_pair(counts: Any, seconds: Any) -> list[float]:
    """Return two factors, none negative, that miss measured seconds least, relative to them."""
    seconds = np.asarray(seconds, np.float64)
    factors, _ = nnls(np.asarray(counts, np.float64) / seconds[:, None], np.ones(len(seconds)))
    return [float(value) for value in factors]
