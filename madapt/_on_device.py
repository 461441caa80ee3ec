"""Arrays on a device: which they are, and the little that goes to the host and back."""

from __future__ import annotations

from typing import Any

import numpy as np
from array_api_compat import array_namespace, device, is_array_api_obj, is_cupy_array, to_device

from madapt._tensors import CPU_DEVICES, is_tensor
from madapt.exceptions import InvalidValueError

__all__ = ["RowsOnDevice", "check_rows_on_device", "is_on_device", "like_on_device", "to_host"]


def is_on_device(X: Any) -> bool:
    """Tell whether X is an array of the array API whose memory the CPU does not read.

    Parameters
    ----------
    X : object
        What a user handed in.

    Returns
    -------
    bool
        True for arrays of CuPy, tensors of PyTorch on CUDA and whatever DLPack says of that
        kind, and for array-api-strict's devices other than the CPU.
    """
    if not (is_tensor(X) and is_array_api_obj(X)):
        return False
    try:
        kind = int(X.__dlpack_device__()[0])
    except Exception:  # each library has its own; as_rows says what is wrong
        return False
    return kind not in CPU_DEVICES or _is_stand_in(X)


def to_host(X: Any) -> np.ndarray:
    """Return an array of a device as a NumPy array; waits for what computes it."""
    if _is_stand_in(X):
        xp = array_namespace(X)
        return np.asarray(X.to_device(xp.Device("CPU_DEVICE")))
    return np.asarray(X.get() if is_cupy_array(X) else to_device(X, "cpu"))


class RowsOnDevice:
    """Rows of a device as an object that is read by slices, which come to the host.

    Parameters
    ----------
    X : array of shape (n, d)
        On a device.
    name : str
        The argument's name, for errors.
    """

    def __init__(self, X: Any, name: str) -> None:
        self._X, self._xp = X, array_namespace(X)
        self._working = check_rows_on_device(X, name)
        self.shape = tuple(int(size) for size in X.shape)
        self.dtype = np.dtype(np.float64 if self._working == self._xp.float64 else np.float32)

    def __getitem__(self, rows: slice) -> np.ndarray:
        """Return some rows, float32 or float64."""
        return to_host(self._xp.astype(self._X[rows, :], self._working))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """Return all rows."""
        return self[:].astype(self.dtype if dtype is None else dtype, copy=False)


def like_on_device(A: Any, X: Any) -> Any:
    """Return a NumPy array as one in the namespace and on the device of X."""
    return array_namespace(X).asarray(A, device=device(X))


def check_rows_on_device(X: Any, name: str) -> Any:
    """Check shape and kind of rows on a device; return the dtype to work in, one of their own.

    Raises
    ------
    InvalidValueError
        If X is not 2-D, is empty, is complex or requires gradients.
    """
    xp = array_namespace(X)
    if getattr(X, "requires_grad", False) is True:
        raise InvalidValueError(
            f"{name} must not require gradients, which do not flow through madapt, got a tensor "
            f"that does: pass {name}.detach()"
        )
    if len(X.shape) != 2 or 0 in X.shape:
        raise InvalidValueError(
            f"{name} must be a 2-D array of finite real numbers, got shape {tuple(X.shape)}"
        )
    if not xp.isdtype(X.dtype, ("bool", "integral", "real floating")):
        raise InvalidValueError(f"{name} must be real numbers, got dtype {X.dtype}")
    return xp.float64 if X.dtype == xp.float64 else xp.float32


def _is_stand_in(X: Any) -> bool:
    """Tell whether X is on one of array-api-strict's devices, which DLPack takes for the CPU."""
    strict = type(X).__module__.partition(".")[0] == "array_api_strict"
    return strict and "CPU_DEVICE" not in str(X.device)
