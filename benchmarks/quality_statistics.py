"""Intervals, tests and goals of the quality study."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

RESAMPLES = 2_000
LEVEL = 0.05


def query_mean(scores: np.ndarray) -> np.ndarray:
    """Return the mean over queries that have a positive: (L, n_queries) -> (L,)."""
    return np.nanmean(scores, axis=1)


def bootstrap_interval(
    scores: np.ndarray, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Return where 95 % of the means of resampled queries lie.

    Parameters
    ----------
    scores : ndarray of shape (L, n_queries)
        NaN for queries without a positive, in all rows alike.
    resamples, seed : int

    Returns
    -------
    low, high : ndarrays of shape (L,)
        Percentiles 2.5 and 97.5. All rows see the same queries in each resample.
    """
    scores = scores[:, ~np.isnan(scores).any(axis=0)]
    n = scores.shape[1]
    generator = np.random.default_rng(seed)
    # How often each query is drawn says as much as which ones, and makes it one product.
    counts = generator.multinomial(n, np.full(n, 1 / n), size=resamples)
    means = counts @ scores.T / n  # (resamples, L)
    low, high = np.percentile(means, [50 * LEVEL, 100 - 50 * LEVEL], axis=0)
    return low, high


def paired_test(
    one: np.ndarray, other: np.ndarray, resamples: int = RESAMPLES, seed: int = 0
) -> np.ndarray:
    """Return two-sided p-values of the sign-flip permutation test over queries.

    Parameters
    ----------
    one, other : ndarrays of shape (L, n_queries)
        Scores of the same queries.
    resamples, seed : int

    Returns
    -------
    ndarray of shape (L,)
        The share of sign patterns with a mean difference as large as the one found, which
        counts as a pattern itself: between 1 / (resamples + 1) and 1.
    """
    differences = one - other
    differences = differences[:, ~np.isnan(differences).any(axis=0)]
    found = np.abs(differences.sum(axis=1))  # (L,)
    generator = np.random.default_rng(seed)
    signs = generator.choice((-1.0, 1.0), size=(resamples, differences.shape[1]))
    flipped = np.abs(signs @ differences.T)  # (resamples, L)
    # Sums of the same numbers in another order differ in their last digits.
    as_large = flipped >= found - 1e-9
    return (1 + as_large.sum(axis=0)) / (1 + resamples)


def best_of(curves: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return the best curve's value at each dim."""
    return np.max(list(curves.values()), axis=0)


def verdict(found: float, goal: float, scale: float = 1.0) -> str:
    """Say whether a goal is reached, and if not by how much it is missed, times `scale`."""
    gap = scale * (goal - found)
    # Two digits of the gap, so that a narrow miss is not written as none.
    return "reached" if gap <= 1e-9 else f"missed by {gap:.2g}"


def goal_line(goals: Mapping[int, float], found: Mapping[int, float], digits: int = 3) -> str:
    """Return "Goals: 8 dims 0.520: missed by 0.002 (0.518); ..." for the dims that were found."""
    said = [
        f"{m} dims {goal:.{digits}f}: {verdict(found[m], goal)} ({found[m]:.{digits}f})"
        for m, goal in goals.items()
        if m in found
    ]
    return "Goals: " + "; ".join(said) + "."
