"""Adam's elementwise passes in one."""

from __future__ import annotations

from typing import Any

import numpy as np

from madapt.backends.numba._compile import compiled
from madapt.backends.numba._gram import plain

__all__ = ["adam_direction"]


def adam_direction(
    gradient: Any,
    mean: np.ndarray,
    square: np.ndarray,
    betas: tuple[float, float],
    epsilon: float,
    steps: int,
) -> np.ndarray | None:
    """Return Adam's direction; mean and square, the running moments, are brought up to date.

    Parameters as in `madapt.training.optimizers.Adam`.
    """
    if not isinstance(gradient, np.ndarray) or gradient.dtype != np.float32:
        return None
    direction = np.empty(gradient.shape, np.float32)
    largest = 0.25 * float(np.finfo(np.float32).max) ** 0.5
    beta1, beta2 = betas
    # 1 - beta is taken in float64: in float32 half the digits of 1 - 0.999 are gone.
    factors = (
        *(beta1, 1.0 - beta1, 1.0 / (1.0 - beta1**steps)),
        *(beta2, 1.0 - beta2, 1.0 / (1.0 - beta2**steps)),
        *(epsilon, largest),
    )
    _direction(
        plain(gradient).reshape(-1),
        mean.reshape(-1),
        square.reshape(-1),
        np.asarray(factors, np.float32),
        direction.reshape(-1),
    )
    return direction


@compiled("void(float32[::1], float32[::1], float32[::1], float32[::1], float32[::1])")
def _direction(gradient, mean, square, factors, out):
    """mean and square move towards g and g^2; out = m^ / (sqrt(v^) + epsilon)."""
    beta1, rest1, unbias1 = factors[0], factors[1], factors[2]
    beta2, rest2, unbias2 = factors[3], factors[4], factors[5]
    epsilon, largest = factors[6], factors[7]
    for i in range(out.shape[0]):
        g = gradient[i]
        g = largest if g > largest else g
        g = -largest if g < -largest else g
        mean[i] = beta1 * mean[i] + rest1 * g
        square[i] = beta2 * square[i] + rest2 * (g * g)
        out[i] = (mean[i] * unbias1) / (np.sqrt(square[i] * unbias2) + epsilon)
