"""Activations of the residual MLP: each returns its value and its slope."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from array_api_compat import array_namespace, device, is_cupy_array, is_numpy_array

__all__ = ["ACTIVATIONS"]


def relu(z: Any) -> tuple[Any, Any]:
    """max(z, 0); the slope at 0 is 0."""
    xp = array_namespace(z)
    on = xp.astype(z > 0, z.dtype)
    return z * on, on


def gelu(z: Any) -> tuple[Any, Any]:
    """z Phi(z), Phi the normal distribution function (Hendrycks, Gimpel 2016, exact form)."""
    xp = array_namespace(z)
    cumulative = 0.5 * (1.0 + _erf(z * math.sqrt(0.5), xp))
    density = xp.exp(-0.5 * z * z) * (1.0 / math.sqrt(2.0 * math.pi))
    return z * cumulative, cumulative + z * density


def silu(z: Any) -> tuple[Any, Any]:
    """z / (1 + exp(-z))."""
    xp = array_namespace(z)
    small = xp.exp(-xp.abs(z))
    logistic = xp.where(z >= 0, xp.ones_like(z), small) / (1.0 + small)
    return z * logistic, logistic * (1.0 + z * (1.0 - logistic))


def tanh(z: Any) -> tuple[Any, Any]:
    """Hyperbolic tangent."""
    value = array_namespace(z).tanh(z)
    return value, 1.0 - value * value


def identity(z: Any) -> tuple[Any, Any]:
    """The linear residual."""
    return z, array_namespace(z).ones_like(z)


#: Name -> function of z that returns (activation(z), its derivative at z), both shaped as z.
ACTIVATIONS: dict[str, Callable[[Any], tuple[Any, Any]]] = {
    "relu": relu,
    "gelu": gelu,
    "silu": silu,
    "tanh": tanh,
    "identity": identity,
}


def _erf(z: Any, xp: Any) -> Any:
    """Error function; the array API has none, so other namespaces go through SciPy."""
    from scipy.special import erf

    if is_numpy_array(z):
        return erf(z)
    if is_cupy_array(z):
        from cupyx.scipy.special import erf as erf_on_gpu

        return erf_on_gpu(z)
    if hasattr(xp, "erf"):
        return xp.erf(z)
    return xp.asarray(erf(np.from_dlpack(z)), dtype=z.dtype, device=device(z))
