"""Rows that behave like embeddings, in any number, for benchmarks without data or beyond it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

#: Length of the mean of unit rows, and how their other singular values fall: between those of
#: SciFact and NFCorpus under MiniLM and MPNet.
MEAN, POWER = 0.4, -0.5
#: Share of a row's variance that it has from its cluster. Neighbours so have cosines near 0.65,
#: and rows of other clusters near 0.15, like the abstracts of SciFact.
SHARED = 0.5
PER_CLUSTER = 20


def embedding_rows(
    n: int, d: int, *, spectrum: np.ndarray | None = None, seed: int = 0
) -> np.ndarray:
    """Return n unit rows of d columns in clusters, shape (n, d), float32.

    `spectrum`, shape (d,), holds the singular values, falling; the first is the mean's.
    """
    generator = np.random.default_rng(seed)
    s = _power_law(d) if spectrum is None else spectrum
    centers = generator.standard_normal((max(1, n // PER_CLUSTER), d), dtype=np.float32)
    X = generator.standard_normal((n, d), dtype=np.float32) * np.float32((1 - SHARED) ** 0.5)
    X += np.float32(SHARED**0.5) * centers[generator.integers(len(centers), size=n)]
    X[:, 0] = 1
    X *= s.astype(np.float32)
    # Turned at random, so that the leading columns are no better than others.
    turn, _ = np.linalg.qr(generator.standard_normal((d, d)))
    X = X @ turn.astype(np.float32)
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    return X


def spectrum_of(data: Path | None, vectors: str) -> np.ndarray | None:
    """Return the singular values of SciFact's unit rows, over sqrt(n); None without data."""
    if data is None:
        return None
    with np.load(data / "scifact" / f"{vectors}.npz") as file:
        X = file["corpus"].astype(np.float32)
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    squares = np.linalg.eigvalsh(X.T @ X / len(X))[::-1]
    return np.sqrt(np.maximum(squares, 0))


def _power_law(d: int) -> np.ndarray:
    rest = np.arange(2, d + 1) ** POWER
    return np.concatenate([[MEAN], rest * np.sqrt((1 - MEAN**2) / (rest**2).sum())])
