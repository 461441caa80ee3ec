"""What scikit-learn expects of a transformer, for one whose output has any width."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils._set_output import _get_container_adapter

from madapt._tensors import like

__all__ = ["PrefixTransformerMixin"]


class PrefixTransformerMixin(
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    auto_wrap_output_keys=None,  # type: ignore[call-arg]
):
    """Mixin for transformers with a parameter `dim` and `transform(X, dim=None)`.

    It stands left of `BaseEstimator`. A transform ends with ``return self._wrap(Z, X)``.

    Notes
    -----
    scikit-learn's own wrapper names as many columns as the default output has, whatever the
    width of the one at hand, and so fails for any other `dim`. It is switched off here and in
    every subclass; `_wrap` takes its place. In a `Pipeline` with metadata routing `dim` is
    handed on to `transform` without a request by the user.
    """

    __metadata_request__transform: ClassVar[dict[str, bool | str | None]] = {"dim": True}

    dim: int | None
    n_features_in_: int

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**{"auto_wrap_output_keys": None, **kwargs})

    @property
    def _n_features_out(self) -> int:
        """The default width; missing until fit, as `get_feature_names_out` expects."""
        n_features = self.n_features_in_
        return n_features if self.dim is None else self.dim

    def fit_transform(
        self, X: Any, y: Any = None, *, dim: int | None = None, **fit_params: Any
    ) -> Any:
        """Fit to X, then transform X.

        Parameters
        ----------
        X : array-like of shape (n, d)
            Embeddings, one a row.
        y : Any, default=None
            As in `fit`.
        dim : int or None, default=None
            Width of the output, as in `transform`.
        **fit_params : dict
            Handed on to `fit`.

        Returns
        -------
        ndarray or dataframe of shape (n, dim)
            The transformed rows.
        """
        return self.fit(X, y, **fit_params).transform(X, dim=dim)

    def set_output(self, *, transform: str | None = None) -> Self:
        """Choose the container that `transform` and `fit_transform` return.

        Parameters
        ----------
        transform : {"default", "pandas", "polars"} or None, default=None
            "default" is an ndarray; None leaves the choice as it is. Without a choice
            scikit-learn's global ``transform_output`` counts.

        Returns
        -------
        self
            The estimator itself.
        """
        if transform is not None:
            self._sklearn_output_config = {
                **getattr(self, "_sklearn_output_config", {}),
                "transform": transform,
            }
        return self

    def _wrap(self, Z: np.ndarray, X: Any, names: Callable[[], np.ndarray] | None = None) -> Any:
        """Return Z in the container the user chose.

        Parameters
        ----------
        Z : ndarray of shape (n, m)
            The output.
        X : array-like of shape (n, d)
            The input as it came; a pandas index is kept.
        names : function or None, default=None
            Returns those of the columns, (m,); None: the class in lower case and their number.

        Returns
        -------
        ndarray or dataframe of shape (n, m)
            Z itself, or a frame of it. Without either, with scikit-learn's `array_api_dispatch`
            and a tensor as X, Z in the namespace of X.
        """
        adapter = _get_container_adapter("transform", self)
        if adapter is None:
            return like(Z, X)
        if names is not None:
            return adapter.create_container(Z, X, columns=names())
        prefix = type(self).__name__.lower()
        columns = np.asarray([f"{prefix}{i}" for i in range(Z.shape[1])], dtype=object)
        return adapter.create_container(Z, X, columns=columns)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
