"""The face that all baselines share."""

from __future__ import annotations

from abc import ABCMeta, abstractmethod
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_array
from sklearn.utils.validation import check_is_fitted, validate_data

from madapt._checks import check_dim, check_one_of
from madapt._inputs import named_errors, names_of, native_numbers
from madapt._output import PrefixTransformerMixin
from madapt._rows import unit_rows

__all__ = ["PrefixBaseline", "PrefixReducer"]


class PrefixBaseline(PrefixTransformerMixin, BaseEstimator, metaclass=ABCMeta):
    """Base of transformers that send rows to coordinates of which any prefix can be taken.

    Parameters
    ----------
    dim : int or None, default=None
        Width of the output when `transform` is not told one; None is all d.
    normalize : bool, default=True
        Scale rows to unit length when they come in and again when they go out.
    """

    def __init__(self, dim: int | None = None, *, normalize: bool = True) -> None:
        self.dim = dim
        self.normalize = normalize

    def transform(self, X: Any, dim: int | None = None) -> Any:
        """Return the first coordinates of each row.

        Parameters
        ----------
        X : array-like of shape (n, d), float32 or float64
            Embeddings, one a row; other numbers are cast to float32.
        dim : int or None, default=None
            How many coordinates, in 1..d. None takes the parameter ``dim``, or all d.

        Returns
        -------
        ndarray or dataframe of shape (n, dim)
            Rows of unit length if ``normalize``; a row that is zero there stays zero. The
            dtype is that of X.

        Raises
        ------
        ValueError
            If X does not have d columns, or is not finite, or dim is out of range.
        TypeError
            If dim is not an integer.
        sklearn.exceptions.NotFittedError
            If `fit` has not been called.
        """
        check_is_fitted(self, "n_features_in_")
        if dim is None:
            dim = self._n_features_out
        m = check_dim(dim, self.n_features_in_)
        rows = self._rows(X, reset=False)
        Z = self._prefix(unit_rows(rows) if self.normalize else rows, m)
        return self._wrap(unit_rows(Z) if self.normalize else Z, X)

    def _rows(self, X: Any, **checks: Any) -> np.ndarray:
        """Return checked rows; `checks` are scikit-learn's, or `reset`."""
        reset = checks.pop("reset", True)
        numbers = native_numbers(X, "X")
        with named_errors(numbers, "X"):
            checked: np.ndarray = check_array(
                numbers,
                dtype=[np.float32, np.float64],
                order="C",  # so that the order in memory changes no digit
                input_name="X",
                estimator=self,
                **checks,
            )
        validate_data(self, names_of(X, checked), reset=reset, skip_check_array=True)
        return checked

    @abstractmethod
    def _prefix(self, X: np.ndarray, m: int) -> np.ndarray:
        """Return the first m coordinates, shape (n, m), of such rows, in their dtype."""


class PrefixReducer(PrefixBaseline):
    """Base of those that learn from rows alone; parameters as for `PrefixBaseline`."""

    #: The fewest rows that `fit` takes.
    _min_rows = 1

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn the coordinates from rows.

        Parameters
        ----------
        X : array-like of shape (n, d), float32 or float64
            Embeddings, one a row; other numbers are cast to float32.
        y : None
            Not used.

        Returns
        -------
        self
            The fitted transformer.

        Raises
        ------
        ValueError
            If X is not a finite 2-D array of real numbers, or a parameter is out of range.
        TypeError
            If dim is not an integer.
        """
        check_one_of(self.normalize, "normalize", (True, False))
        X = self._rows(X, ensure_min_samples=self._min_rows)
        if self.dim is not None:
            check_dim(self.dim, X.shape[1])
        self._fit(unit_rows(X) if self.normalize else X)
        return self

    @abstractmethod
    def _fit(self, X: np.ndarray) -> None:
        """Learn from checked rows of shape (n, d), of unit length if ``normalize``."""
