"""transform and inverse_transform of arrays that live on a device: nothing of them leaves it."""

from __future__ import annotations

from typing import Any

import numpy as np
from array_api_compat import array_namespace, device
from sklearn.utils._set_output import _get_container_adapter
from sklearn.utils.validation import validate_data

from madapt._blocks import Codec
from madapt._fold_on_device import raise_not_finite_on_device, transform_on_device
from madapt._on_device import check_rows_on_device, is_on_device, like_on_device, to_host
from madapt._same_model import SameModelMixin
from madapt.adaptor import ResidualAdaptor
from madapt.exceptions import InvalidTypeError, InvalidValueError

__all__ = ["OnDeviceMixin"]


class OnDeviceMixin(SameModelMixin):
    """What `FittedAdaptorMixin` does with arrays on a device."""

    adaptor_: ResidualAdaptor
    n_features_in_: int

    def _mean(self, side: str) -> np.ndarray | None:
        raise NotImplementedError  # the estimator's

    @property
    def _scales_rows(self) -> bool:
        raise NotImplementedError

    def _transformed_on_device(
        self, X: Any, m: int, side: str, codec: Codec | None, out: Any
    ) -> tuple[Any, bool]:
        """Return what `transform` makes of X, on the device of X, and whether it is still there.

        It is not where `set_output` wants a data frame.
        """
        check_rows_on_device(X, "X")
        validate_data(self, X, reset=False, skip_check_array=True)
        if out is not None:
            _check_out(out, X, m if codec is None else codec.width)
        self._warn_of_another_model(X, stacklevel=4)
        Z = transform_on_device(
            self.adaptor_,
            X,
            m,
            mean=self._mean(side),
            normalize=self._scales_rows,
            codec=codec,
            out=out,
        )
        framed = _get_container_adapter("transform", self) is not None
        return (to_host(Z), False) if framed else (Z, True)

    def _inverse_on_device(self, X: Any, side: str) -> Any:
        """Return what `inverse_transform` makes of X, on the device of X."""
        xp, dtype = array_namespace(X), check_rows_on_device(X, "X")
        m = int(X.shape[1])
        if m > self.n_features_in_:
            raise InvalidValueError(f"X must have 1..{self.n_features_in_} columns, got {m}")
        Z = xp.astype(X, dtype, copy=False)
        raise_not_finite_on_device(Z, 0, "X")
        back = Z @ xp.astype(like_on_device(self.adaptor_.P[:, :m].T.copy(), X), dtype)
        mean = self._mean(side)
        return back if mean is None else back + xp.astype(like_on_device(mean, X), dtype)


def _check_out(out: Any, X: Any, width: int) -> None:
    """Check that results for rows X can be written to `out`."""
    if not is_on_device(out) or array_namespace(out) is not array_namespace(X):
        raise InvalidTypeError(
            f"out must be an array of the library of X, on its device, got a {type(out).__name__}"
        )
    shape = (int(X.shape[0]), width)
    if tuple(out.shape) != shape or device(out) != device(X):
        raise InvalidValueError(
            f"out must have shape {shape} on {device(X)}, got {tuple(out.shape)} on {device(out)}"
        )
