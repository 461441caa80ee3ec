"""The optimisers' steps: Adam in one pass, rotations without waiting for the device."""

from __future__ import annotations

from typing import Any

import numpy as np

from madapt.backends.cupy._device import Device

__all__ = ["adam_direction", "orthogonal_step"]


def adam_direction(
    device: Device,
    gradient: Any,
    mean: Any,
    square: Any,
    betas: tuple[float, float],
    epsilon: float,
    steps: int,
) -> Any:
    """Return Adam's direction; mean and square, the running moments, are brought up to date.

    Parameters as in `madapt.training.optimizers.Adam`.
    """
    if not device.serves(gradient, mean, square):
        return None
    direction = device.cupy.empty(gradient.shape, np.float32)
    beta1, beta2 = betas
    # 1 - beta is taken in float64: in float32 half the digits of 1 - 0.999 are gone.
    factors = (
        *(beta1, 1.0 - beta1, 1.0 / (1.0 - beta1**steps)),
        *(beta2, 1.0 - beta2, 1.0 / (1.0 - beta2**steps)),
        *(epsilon, 0.25 * float(np.finfo(np.float32).max) ** 0.5),
    )
    moments = (device.plain(gradient), mean, square, np.int64(gradient.size))
    device.each("adam", gradient.size, *moments, *factors, direction)
    return direction


def orthogonal_step(device: Device, P: Any, a: Any, longest: float, v: Any) -> Any:
    """Return P after a step along the skew matrix a, shortened to `longest`.

    What `madapt.training.optimizers.OrthogonalAdam` does, with nothing decided on the host:
    the length is compared on the device, and there are two Newton-Schulz iterations. A step of
    at most 0.3 leaves P^T P within a^4 / 4, 2e-3, of the identity; one iteration takes that
    to 3e-6, the second to rounding.

    Parameters
    ----------
    device : Device
    P, a : arrays of shape (k, k)
    longest : float
        In spectral norm, by power iteration.
    v : array of shape (k,)
        Where that begins.
    """
    if not device.serves(P, a):
        return None
    cupy, smallest = device.cupy, float(np.finfo(np.float32).tiny)
    for _ in range(8):
        v = a @ v
        size = cupy.sqrt((v * v).sum())
        v = v / cupy.maximum(size, smallest)
    a = a / cupy.maximum(size / longest, 1.0)
    Pa = P @ a
    P = P - Pa + 0.5 * (Pa @ a)
    for _ in range(2):
        P = 1.5 * P - 0.5 * (P @ (P.T @ P))
    return P
