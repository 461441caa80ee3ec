"""What a fitted estimator says of vectors that another model made."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted, validate_data

from madapt._inputs import as_rows, names_of
from madapt._row_source import is_row_sliceable, raise_not_finite
from madapt._vector_check import (
    CHECKED_ROWS,
    MIN_ROWS,
    VectorCheck,
    VectorStatistics,
    sampled_rows,
)
from madapt.adaptor import ResidualAdaptor
from madapt.exceptions import OtherModelWarning

__all__ = ["SameModelMixin"]

#: `transform` looks at one row in so many, between MIN_ROWS and MOST_ROWS.
ONE_IN, MOST_ROWS = 200, 50


class SameModelMixin:
    """The method `check_vectors`, and the warning of `transform`."""

    vector_statistics_: VectorStatistics
    adaptor_: ResidualAdaptor

    def _rows(self, X: Any, *, reset: bool = False) -> np.ndarray:
        raise NotImplementedError  # the estimator's

    def check_vectors(self, X: Any) -> VectorCheck:
        """Tell whether vectors come from the model whose vectors this was fitted on.

        Vectors of another model with as many coordinates go through `transform` like any others,
        and what comes out is of no use. They give themselves away: each model spreads over
        its directions in its own way, whatever the texts are about.

        Parameters
        ----------
        X : array-like or row-sliceable of shape (n, d)
            Documents or queries, as `transform` takes them, 20 at least. 4,096 rows are looked
            at where there are more.

        Returns
        -------
        VectorCheck
            False in a condition if they are another model's; its `same_model` is None where
            that cannot be told: below 64 coordinates, with too few rows here or in `fit`. It
            also has the `similarity` and the `threshold`.

        Raises
        ------
        ValueError, TypeError
            If X is nothing that `transform` takes.

        Notes
        -----
        The similarity is Spearman's rank correlation over the d coordinates of the adaptor's
        rotation (for ``rotation="identity"`` of an SVD rotation that was kept for it): of the mean
        squares of these vectors at unit length, and of those of the documents of `fit`.
        docs/check-vectors.md has what was measured.

        Examples
        --------
        >>> from madapt import MatryoshkaAdaptor
        >>> from madapt.datasets import load_cranfield
        >>> data = load_cranfield("test")
        >>> adaptor = MatryoshkaAdaptor(max_iter=1, random_state=0).fit(data.corpus)
        >>> bool(adaptor.check_vectors(data.queries))
        True
        >>> adaptor.check_vectors(data.queries[:, ::-1]).same_model
        False
        """
        check_is_fitted(self, "adaptor_")
        rows = as_rows(X, "X")
        if is_row_sliceable(rows):
            validate_data(self, names_of(X, rows), reset=False, skip_check_array=True)
        else:
            rows = self._rows(X)
        sample = sampled_rows(rows, CHECKED_ROWS)
        if len(sample) == rows.shape[0]:
            raise_not_finite(sample, 0, "X")
        return self.vector_statistics_.check(sample, self.adaptor_.P.T)

    def _warn_of_another_model(self, rows: Any, stacklevel: int = 3) -> None:
        """Warn if checked rows are another model's, by a few of them."""
        n = rows.shape[0]
        # An estimator that a callback is shown in the middle of its fit has none yet.
        statistics = getattr(self, "vector_statistics_", None)
        if n < MIN_ROWS or statistics is None or not statistics.can_tell:
            return
        sample = sampled_rows(rows, min(max(n // ONE_IN, MIN_ROWS), MOST_ROWS))
        found = statistics.check(sample, self.adaptor_.P.T, brief=True)
        if not found:
            warnings.warn(
                f"X does not look like vectors of the model that this was fitted on ({found}); "
                "check_vectors says more",
                OtherModelWarning,
                stacklevel=stacklevel,
            )
