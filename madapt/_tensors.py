"""Tensors of other libraries by DLPack and the array API; none of them is imported."""

from __future__ import annotations

from typing import Any

import numpy as np
from array_api_compat import array_namespace
from sklearn import get_config

from madapt.exceptions import InvalidValueError

__all__ = ["CPU_DEVICES", "is_tensor", "like", "tensor_rows"]

#: DLPack's device types whose memory the CPU reads: its own, and pinned for CUDA and for ROCm.
CPU_DEVICES = (1, 3, 11)


def is_tensor(X: Any) -> bool:
    """Tell whether X is an array of another library than NumPy that speaks DLPack."""
    return hasattr(X, "__dlpack_device__") and not isinstance(X, np.ndarray)


def tensor_rows(X: Any, name: str) -> np.ndarray:
    """Return a tensor in the CPU's memory as an array that shares it, where dtypes allow.

    Parameters
    ----------
    X : tensor
        Of PyTorch, JAX, array-api-strict or any other library that speaks DLPack.
    name : str
        The argument's name, for errors.

    Returns
    -------
    ndarray of the same shape
        Without a copy; of bfloat16, which NumPy does not know, a float32 copy.

    Raises
    ------
    InvalidValueError
        If the tensor requires gradients, is elsewhere, or cannot be read.
    """
    if getattr(X, "requires_grad", False) is True:
        raise InvalidValueError(
            f"{name} must not require gradients, which do not flow through madapt, got a tensor "
            f"that does: pass {name}.detach()"
        )
    try:
        device = int(X.__dlpack_device__()[0])
    except Exception:  # each library has its own; the copy below says what is wrong
        device = CPU_DEVICES[0]
    if device not in CPU_DEVICES:
        raise InvalidValueError(
            f"{name} must be in the memory of the CPU, got a tensor on "
            f"{getattr(X, 'device', 'another device')}: move it there first, as {name}.cpu() does"
        )
    try:
        if str(getattr(X, "dtype", "")).endswith("bfloat16"):
            X = X.float() if hasattr(X, "float") else X.astype("float32")
        return _shared(X)
    except Exception as error:
        raise InvalidValueError(
            f"{name} must be a dense tensor that NumPy can read, got "
            f"{type(X).__module__}.{type(X).__name__} of dtype {getattr(X, 'dtype', None)}: {error}"
        ) from error


def like(Z: np.ndarray, X: Any) -> Any:
    """Return Z in the array namespace of X if scikit-learn's `array_api_dispatch` is on.

    Parameters
    ----------
    Z : ndarray
        A result.
    X : object
        What it was made from, as it came.

    Returns
    -------
    array
        Z itself without dispatch, or where X is no tensor.
    """
    if not is_tensor(X) or not get_config()["array_api_dispatch"]:
        return Z
    return array_namespace(X).asarray(Z)


def _shared(X: Any) -> np.ndarray:
    try:
        return np.from_dlpack(X)
    except Exception:  # an old protocol, a read-only export: the other way may still work
        return np.asarray(X)
