"""Whether vectors come from the model that an adaptor was fitted on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from madapt._linalg import svd_rotation
from madapt._on_device import RowsOnDevice, is_on_device
from madapt._rows import unit_rows

__all__ = ["MIN_ROWS", "VectorCheck", "VectorStatistics", "sampled_rows", "vector_statistics"]

#: Rank correlation of energies below which vectors are another model's; docs/check-vectors.md has
#: what those of the same model and of others reach.
THRESHOLD = 0.25
#: Fewer coordinates agree by chance; fewer rows may all be about one thing.
MIN_DIMS, MIN_ROWS = 64, 20
#: How well halves of the rows of `fit` must agree before anything is said of others.
MIN_STABILITY = 0.85
#: Coordinates at either end that a brief look is at: the ends tell the most.
BRIEF = 128
#: Rows that the statistics are taken from, and that `check_vectors` looks at.
FIT_ROWS, CHECKED_ROWS = 4096, 4096


@dataclass(frozen=True)
class VectorStatistics:
    """What `fit` remembers of its documents.

    Parameters
    ----------
    energies : ndarray of shape (d,), float32
        Mean squares of rows of unit length along the coordinates of `basis`.
    stability : float
        Rank correlation of the energies of one half of the rows along the SVD rotation of the
        other half, with the other half's own: what documents of one collection reach.
    n_rows : int
        Rows they were taken from.
    basis : ndarray of shape (d, d), float32, or None
        Rows are components. None: the adaptor's own rotation.
    """

    energies: np.ndarray
    stability: float
    n_rows: int
    basis: np.ndarray | None = None

    @property
    def can_tell(self) -> bool:
        """Whether enough is known for a verdict on enough rows."""
        return not self._why_not(MIN_ROWS)

    def check(self, X: np.ndarray, rotation: np.ndarray, *, brief: bool = False) -> VectorCheck:
        """Compare rows.

        Parameters
        ----------
        X : ndarray of shape (n, d)
            Rows that are not finite or zero are left out.
        rotation : ndarray of shape (d, d)
            The adaptor's.
        brief : bool, default=False
            Look at the first and the last 128 coordinates alone.
        """
        X = _usable(X)
        distinct = len(np.unique(X.sum(axis=1)))  # the same rows have the same sum
        basis = rotation if self.basis is None else self.basis
        similarity = float("nan")
        if len(X):
            ends = (slice(BRIEF), slice(-BRIEF, None)) if brief and len(basis) > 2 * BRIEF else ()
            parts = ends or (slice(None),)
            found = np.concatenate([_energies(X, basis[part]) for part in parts])
            similarity = _rank_correlation(
                found, np.concatenate([self.energies[part] for part in parts])
            )
        return VectorCheck(
            similarity=similarity,
            threshold=THRESHOLD,
            n_rows=len(X),
            reason=self._why_not(distinct),
        )

    def _why_not(self, distinct: int) -> str:
        """Say why there is no verdict; empty where there is one."""
        d = len(self.energies)
        if d < MIN_DIMS:
            return f"vectors have {d} coordinates, fewer than {MIN_DIMS}"
        if not self.stability >= MIN_STABILITY:
            return (
                f"the {self.n_rows} rows of fit were too few or too even: halves of them agree "
                f"by {self.stability:.2f}, less than {MIN_STABILITY}"
            )
        if distinct < MIN_ROWS:
            return f"X has {distinct} distinct rows, fewer than {MIN_ROWS}"
        return ""


@dataclass(frozen=True)
class VectorCheck:
    """Whether vectors look like those that an adaptor was fitted on.

    False in a condition only where they do not: ``if not adaptor.check_vectors(X): ...``.

    Attributes
    ----------
    similarity : float
        Rank correlation between -1 and 1 of the energies along the adaptor's coordinates, of
        these vectors and of those of `fit`. About 0 for another model.
    threshold : float
        Below it they are another model's.
    n_rows : int
        Rows that were looked at.
    reason : str
        Why nothing can be said; empty where something can.
    """

    similarity: float
    threshold: float
    n_rows: int
    reason: str = ""

    @property
    def same_model(self) -> bool | None:
        """True, False, or None where it cannot be told."""
        return None if self.reason else bool(self.similarity >= self.threshold)

    def __bool__(self) -> bool:
        """Return False only if the vectors are another model's."""
        return self.same_model is not False

    def __str__(self) -> str:
        """Return one line."""
        if self.reason:
            return f"cannot tell: {self.reason}"
        verdict = "the same model" if self.same_model else "another model"
        return (
            f"{verdict}: similarity {self.similarity:.2f} over {self.n_rows} rows, threshold "
            f"{self.threshold}"
        )


def vector_statistics(X: np.ndarray, rotation: np.ndarray, *, own_basis: bool) -> VectorStatistics:
    """Return what is to be remembered of the documents of a fit.

    Parameters
    ----------
    X : ndarray of shape (n, d)
        Finite documents, of any length.
    rotation : ndarray of shape (d, d)
        The adaptor's, orthogonal.
    own_basis : bool
        Whether that says nothing of the documents, so that a basis must be remembered, too.

    Returns
    -------
    VectorStatistics
        O(n d^2 + d^3) time, n at most 4,096.
    """
    X = _usable(X[:: max(1, -(-len(X) // FIT_ROWS))])
    d = rotation.shape[1]
    if len(X) < 4 or d < MIN_DIMS:
        # Nothing will be said.
        zeros = np.zeros(d, np.float32)
        return VectorStatistics(zeros, 0.0, len(X))
    basis = svd_rotation(X) if own_basis else rotation
    # Every other row: neighbouring rows are often about one thing.
    half, other = X[::2], X[1::2]
    of_half = svd_rotation(half)
    stability = _rank_correlation(_energies(other, of_half), _energies(half, of_half))
    return VectorStatistics(
        _energies(X, basis).astype(np.float32),
        stability,
        len(X),
        basis.astype(np.float32) if own_basis else None,
    )


def sampled_rows(X: Any, most: int) -> np.ndarray:
    """Return some rows, always the same.

    Parameters
    ----------
    X : row-sliceable of shape (n, d)
        Of an array, also of a device, or a memory map, runs of ten rows are taken, evenly
        spread; of others, where any row may cost a chunk, the first.
    most : int
        About so many, all where there are no more.
    """
    n = X.shape[0]
    if is_on_device(X):
        X = RowsOnDevice(X, "X")
    if n <= most:
        return np.asarray(X[:n])
    if not isinstance(X, np.ndarray | RowsOnDevice):
        return np.asarray(X[:most])
    starts = np.linspace(0, n - 10, -(-most // 10)).astype(int)
    return np.concatenate([X[start : start + 10] for start in starts.tolist()])


def _usable(X: np.ndarray) -> np.ndarray:
    """Return rows of unit length, without those that have none."""
    X = X if X.dtype in (np.float32, np.float64) and X.dtype.isnative else X.astype(np.float32)
    X = X[np.isfinite(X).all(axis=1)]
    rows: np.ndarray = unit_rows(X[X.any(axis=1)])
    return rows


def _energies(X: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """Return mean squares along components, (d,)."""
    Z = X @ basis.T.astype(X.dtype, copy=False)
    energies: np.ndarray = np.einsum("ij,ij->j", Z, Z) / len(Z)
    return energies


def _rank_correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Return Spearman's rank correlation; ties, which numbers like these hardly have, by place."""
    ranks = [np.argsort(np.argsort(values)) - (len(values) - 1) / 2 for values in (a, b)]
    return float(ranks[0] @ ranks[1] / (ranks[0] @ ranks[0]))
