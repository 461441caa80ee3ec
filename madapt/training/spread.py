"""How far cosines spread: temperatures that suit one embedding are too high for another."""

from __future__ import annotations

import numpy as np

from madapt._rows import unit_rows

__all__ = ["spread_share"]

#: The spread from which on temperatures stay what they are, and the smallest share of it.
USUAL_SPREAD, LEAST_SHARE = 0.07, 0.05
#: Documents that are compared, and of those the ones that are compared with all, at most.
N_COLUMNS, N_ROWS = 2048, 256


def spread_share(documents: np.ndarray) -> float:
    """Return the spread of the cosines as a share of the usual one, at most 1.

    Parameters
    ----------
    documents : ndarray of shape (n, d)
        As they enter the rotation.

    Returns
    -------
    float
        The median over documents of the standard deviation of their cosines with others, over
        `USUAL_SPREAD`; from `LEAST_SHARE` to 1, and 1 for fewer than three documents.

    Notes
    -----
    A softmax of cosines over a temperature says which documents are near only where cosines
    differ by more than the temperature. The standard deviation is .12 for texts embedded by
    all-MiniLM-L6-v2, but .02 by text-embedding-ada-002, whose vectors share a large mean. A mean
    of length a that is added to unit rows, across them, makes cosines (c + a^2) / (1 + a^2):
    temperatures that shrink as their spread does leave the softmax as it was.
    """
    if len(documents) < 3:
        return 1.0
    columns = unit_rows(documents[:: -(-len(documents) // N_COLUMNS)])
    step = -(-len(columns) // N_ROWS)
    cosines = (columns[::step] @ columns.T).astype(np.float64)
    itself = np.arange(len(columns))[::step]
    others = np.ones(cosines.shape, dtype=bool)
    others[np.arange(len(itself)), itself] = False
    spread = float(np.median(cosines.std(axis=1, where=others)))
    return min(1.0, max(LEAST_SHARE, spread / USUAL_SPREAD))
