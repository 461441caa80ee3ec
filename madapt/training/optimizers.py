"""Adam, and Adam on the orthogonal group."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from array_api_compat import array_namespace, device

__all__ = ["Adam", "OrthogonalAdam", "cosine_decay", "nearest_orthogonal"]


def cosine_decay(step: int, max_iter: int) -> float:
    """Return the learning rate's factor, from 1 at step 0 down to 0 after the last."""
    return 0.5 * (1.0 + math.cos(math.pi * step / max_iter))


class Adam:
    """Adam on one array.

    Parameters
    ----------
    beta1, beta2, epsilon : float
        As published.
    kernels : mapping of str to callable, default={}
        A backend's; "adam_direction" does the same in one pass.

    Notes
    -----
    Entries of a gradient whose square would overflow, beyond 4e18 in float32, are clipped:
    an infinite second moment would hold its parameter still for ever.

    References
    ----------
    Kingma, Ba: "Adam: A Method for Stochastic Optimization", ICLR 2015, algorithm 1.
    """

    def __init__(
        self,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        *,
        kernels: Mapping[str, Callable[..., Any]] = MappingProxyType({}),
    ) -> None:
        self.beta1, self.beta2, self.epsilon = beta1, beta2, epsilon
        self.kernels = kernels
        self.mean: Any = 0.0
        self.square: Any = 0.0
        self.steps = 0

    @property
    def moments(self) -> dict[str, Any]:
        """A copy of the moments, which kernels change in place, and the number of steps."""
        return {"mean": _copied(self.mean), "square": _copied(self.square), "steps": self.steps}

    @moments.setter
    def moments(self, moments: Mapping[str, Any]) -> None:
        self.mean, self.square = _copied(moments["mean"]), _copied(moments["square"])
        self.steps = moments["steps"]

    def direction(self, gradient: Any) -> Any:
        """Return m / (sqrt(v) + epsilon), bias-corrected, in the gradient's shape."""
        xp = array_namespace(gradient)
        self.steps += 1
        found = self._fused(gradient)
        if found is not None:
            return found
        largest = 0.25 * float(xp.finfo(gradient.dtype).max) ** 0.5
        gradient = xp.clip(gradient, -largest, largest)
        self.mean = self.beta1 * self.mean + (1.0 - self.beta1) * gradient
        self.square = self.beta2 * self.square + (1.0 - self.beta2) * (gradient * gradient)
        mean = self.mean / (1.0 - self.beta1**self.steps)
        square = self.square / (1.0 - self.beta2**self.steps)
        return mean / (xp.sqrt(square) + self.epsilon)

    def _fused(self, gradient: Any) -> Any:
        """Return what the kernel says, or None where there is none for the case."""
        if "adam_direction" not in self.kernels:
            return None
        if self.steps == 1:
            xp = array_namespace(gradient)
            self.mean = xp.zeros(gradient.shape, dtype=gradient.dtype)
            self.square = xp.zeros(gradient.shape, dtype=gradient.dtype)
        betas = (self.beta1, self.beta2)
        return self.kernels["adam_direction"](
            gradient, self.mean, self.square, betas, self.epsilon, self.steps
        )

    def step(self, parameter: Any, gradient: Any, learning_rate: float) -> Any:
        """Return the parameter after one step."""
        return parameter - learning_rate * self.direction(gradient)


class OrthogonalAdam:
    """Adam on the entries of the skew tangent, retracted to the orthogonal group.

    Products alone: no solve and no QR.

    Notes
    -----
    With g = dL/dP the tangent is A = (P^T g - g^T P) / 2. Adam's direction on A is made
    skew again, scaled to a step a whose spectral norm (power iteration) is at most 0.3, then
    P <- P (I - a + a a / 2), and Newton-Schulz P <- 1.5 P - 0.5 P P^T P until
    max |P^T P - I| < 1e-6, five times at most.

    References
    ----------
    Edelman, Arias, Smith: "The Geometry of Algorithms with Orthogonality Constraints",
    SIAM J. Matrix Anal. Appl. 1998; Higham: "Functions of Matrices", 2008, section 8.3
    (Newton-Schulz).
    """

    #: Longest step in spectral norm; the expansion of the exponential is good to 1e-2 there.
    longest = 0.3

    def __init__(self, *, kernels: Mapping[str, Callable[..., Any]] = MappingProxyType({})) -> None:
        self.adam = Adam(kernels=kernels)

    @property
    def moments(self) -> dict[str, Any]:
        """Those of Adam on the tangent."""
        return self.adam.moments

    @moments.setter
    def moments(self, moments: Mapping[str, Any]) -> None:
        self.adam.moments = moments

    def step(self, P: Any, gradient: Any, learning_rate: float) -> Any:
        """Return the orthogonal matrix P, shape (k, k), after one step."""
        A = P.T @ gradient
        A = 0.5 * (A - A.T)
        direction = self.adam.direction(A)
        a = learning_rate * 0.5 * (direction - direction.T)
        kernel = self.adam.kernels.get("orthogonal_step")
        found = None if kernel is None else kernel(P, a, self.longest, _first_vector(a))
        if found is not None:
            return found
        size = _spectral_norm(a)
        if size > self.longest:
            a = a * (self.longest / size)
        Pa = P @ a
        return nearest_orthogonal(P - Pa + 0.5 * (Pa @ a))


def nearest_orthogonal(P: Any, *, tolerance: float = 1e-6, max_iter: int = 5) -> Any:
    """Pull a nearly orthogonal matrix back onto the group by Newton-Schulz iterations.

    Parameters
    ----------
    P : array of shape (k, k)
        All singular values below sqrt(3).
    tolerance : float, default=1e-6
        Largest entry of |P^T P - I| that is left alone.
    max_iter : int, default=5
        Most iterations.
    """
    xp = array_namespace(P)
    identity = xp.eye(P.shape[0], dtype=P.dtype, device=device(P))
    for _ in range(max_iter):
        product = P.T @ P
        if float(xp.max(xp.abs(product - identity))) < tolerance:
            break
        P = 1.5 * P - 0.5 * (P @ product)
    return P


def _spectral_norm(a: Any, n_iter: int = 8) -> float:
    """Estimate the largest singular value of a skew matrix by power iteration on -a a."""
    xp = array_namespace(a)
    if a.shape[0] < 2:
        return 0.0
    v = _first_vector(a)
    size = 0.0
    for _ in range(n_iter):
        v = a @ v
        size = float(xp.sqrt(xp.sum(v * v)))
        if not size > 0.0:
            return 0.0
        v = v / size
    return size


def _first_vector(a: Any) -> Any:
    """Return where a power iteration on a begins: fixed, for the same estimate every time."""
    xp = array_namespace(a)
    # Without a pattern that an eigenvector might have.
    index = xp.arange(1, a.shape[0] + 1, dtype=a.dtype, device=device(a))
    return xp.sin(index * 12.9898)


def _copied(moment: Any) -> Any:
    """Return a copy of a moment; before the first step it is a number."""
    if isinstance(moment, float):
        return moment
    return array_namespace(moment).asarray(moment, copy=True)
