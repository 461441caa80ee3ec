"""The smallest dim that is good enough, by what held-out rows say."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from madapt.training.data import HeldOutScores

__all__ = ["DimRecommendation", "recommend"]

#: Share of the embedding's nDCG@10 that is left where prefixes keep a share f of the neighbours'
#: nDCG@10: f to this power, fitted by benchmarks/calibration.py (1.12 to 1.23 without one pair).
CALIBRATION = 1.18
N_RESAMPLES = 2000


@dataclass(frozen=True)
class DimRecommendation:
    """A recommended prefix length, and why.

    Stands for its `dim` wherever an integer index is wanted, so
    ``transform(X, dim=adaptor.recommend_dim())`` works.

    Attributes
    ----------
    dim : int
        The smallest of the adaptor's dims whose share reaches the target.
    target : float
        The share that was asked for.
    share : float
        Estimated nDCG@10 at `dim`, divided by that of the frozen embedding at full dim.
    interval : tuple of two floats
        95 % bootstrap interval of the share, over held-out rows; what the calibration may be
        off by on another collection is not in it.
    basis : {"judged queries", "neighbors"}
        What the share was measured on: nDCG@10 of judged queries that were held out; or how
        well prefixes find the nearest neighbours of held-out rows, calibrated against nDCG@10
        on other collections.
    n_held_out : int
        Number of those queries or rows.
    shares : dict of int to float
        The estimated share at every dim.
    """

    dim: int
    target: float
    share: float
    interval: tuple[float, float]
    basis: str
    n_held_out: int
    shares: dict[int, float]

    def __index__(self) -> int:
        """Return `dim`."""
        return self.dim

    def __str__(self) -> str:
        """Return one line."""
        low, high = self.interval
        return (
            f"{self.dim} dims keep {self.share:.1%} of full quality (95 % interval {low:.1%} to "
            f"{high:.1%}), by {self.n_held_out} held-out {self.basis}"
        )


def recommend(
    held_out: HeldOutScores, target: float, *, random_state: int = 0
) -> DimRecommendation:
    """Return the smallest dim whose estimated share of full quality is at least the target.

    Parameters
    ----------
    held_out : HeldOutScores
        Scores of each dim, row by row, of which the share is made.
    target : float
        Above 0. Where no dim reaches it, the best one is returned.
    random_state : int, default=0
        Seeds the bootstrap.

    Returns
    -------
    DimRecommendation
        The dim, its share and the interval of that.
    """
    judged = held_out.metric == "ndcg@10"
    n = held_out.scores.shape[1]
    shares = _shares(held_out, held_out.weights[None, :], judged)[0]
    reached = np.flatnonzero(shares >= target)
    place = int(reached[0]) if len(reached) else int(np.argmax(shares))
    generator = np.random.default_rng(random_state)
    counts = generator.multinomial(n, np.full(n, 1 / n), size=N_RESAMPLES)  # (N_RESAMPLES, n)
    resampled = _shares(held_out, counts * held_out.weights, judged)[:, place]
    low, high = np.quantile(resampled, [0.025, 0.975])
    return DimRecommendation(
        dim=held_out.dims[place],
        target=float(target),
        share=float(shares[place]),
        interval=(float(low), float(high)),
        basis="judged queries" if judged else "neighbors",
        n_held_out=n,
        shares={m: float(share) for m, share in zip(held_out.dims, shares, strict=True)},
    )


def _shares(held_out: HeldOutScores, weights: np.ndarray, judged: bool) -> np.ndarray:
    """Return the share at each dim for each row of weights, shape (n_weights, L)."""
    total = weights.sum(axis=1, keepdims=True)
    means: np.ndarray = weights @ held_out.scores.T / np.where(total > 0, total, 1.0)
    if not judged:
        calibrated: np.ndarray = means**CALIBRATION
        return calibrated
    full: np.ndarray = weights @ held_out.full[:, None] / np.where(total > 0, total, 1.0)
    return means / np.where(full > 0, full, 1.0)
