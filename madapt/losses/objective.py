"""The weighted sum of the losses, all of them from one Gram product."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from array_api_compat import array_namespace

from madapt.losses._prefix import Slope, off_diagonal, through_prefixes
from madapt.losses.listwise import (
    Temperature,
    grade_slope,
    neighbor_slope,
    prefix_temperatures,
)
from madapt.losses.pairwise import deviation_slope
from madapt.losses.ranking import ranking_slope
from madapt.losses.topk import neighbor_pairs

__all__ = ["Objective"]


@dataclass(frozen=True)
class Objective:
    """Weights and temperatures of a training objective.

    Parameters
    ----------
    dims : tuple of int
        Prefix lengths, increasing.
    listwise_weight, topk_weight, pairwise_weight : float
        Weights of the losses among documents; a loss of weight 0 is not computed.
    relevance : {"softmax", "logistic"}, default="softmax"
        The loss of queries against judged documents: `graded_listwise_loss` or
        `ranking_loss`.
    neighbor_temperature : float, default=0.1
        Of the listwise loss among documents.
    relevance_temperature : float, default=0.1
        Of the loss of queries against documents.
    prefix_temperature : float, default=0.0
        The listwise losses' temperature t is t + prefix_temperature / m for the prefix of
        m dims, and t for the targets.
    n_neighbors : int, default=10
        Neighbours of the top-k loss where none are handed in.
    weights : tuple of float or None, default=None
        One weight per dim.
    kernels : mapping of str to callable, default={}
        A backend's fused kernels, asked before the array code; see `Backend`.
    """

    dims: tuple[int, ...]
    listwise_weight: float = 1.0
    topk_weight: float = 0.0
    pairwise_weight: float = 0.0
    relevance: str = "softmax"
    neighbor_temperature: float = 0.1
    relevance_temperature: float = 0.1
    prefix_temperature: float = 0.0
    n_neighbors: int = 10
    weights: Sequence[float] | None = None
    kernels: Mapping[str, Callable[..., Any]] = field(default_factory=dict)

    @property
    def any_documents(self) -> bool:
        """Whether any loss among documents has a weight."""
        return bool(self.listwise_weight or self.topk_weight or self.pairwise_weight)

    def documents(
        self, Y: Any, S: Any, *, neighbors: Any = None, columns: Any = None, pairs: Any = None
    ) -> tuple[float, Any]:
        """Return listwise + top-k + pairwise losses among documents, and the gradient.

        Parameters
        ----------
        Y : array of shape (B, d)
            Adapted rows.
        S : array of shape (B, B) or (B, n)
            Target cosines.
        neighbors : bool array of the shape of S or None
            Nearest neighbours, for the top-k loss; None takes the nearest of the
            columns that count.
        columns : array of shape (n, d) or None
            What Y is compared with; None is Y itself.
        pairs : bool array of the shape of S or None
            Pairs that count; the diagonal of the square form never does.
        """
        found = self._fused_documents(Y, S, neighbors, columns, pairs)
        if found is not None:
            return found
        xp = array_namespace(Y)
        if columns is None:
            pairs = off_diagonal(Y) if pairs is None else pairs & off_diagonal(Y)
        terms: list[tuple[float, Slope]] = []
        if self.listwise_weight:
            t = self.neighbor_temperature
            slope = neighbor_slope(S, self._temperatures(t), pairs, t)
            terms.append((self.listwise_weight, slope))
        if self.topk_weight:
            if neighbors is None:
                # What does not count must not take a neighbour's place.
                nearness = S if pairs is None else xp.where(pairs, S, xp.full_like(S, -math.inf))
                neighbors = neighbor_pairs(nearness, self.n_neighbors, exclude_self=False)
            among = neighbors if pairs is None else neighbors & pairs
            terms.append((self.topk_weight, deviation_slope(S, among)))
        if self.pairwise_weight:
            terms.append((self.pairwise_weight, deviation_slope(S, pairs)))
        return through_prefixes(Y, self.dims, _sum(terms), columns=columns, weights=self.weights)

    def queries(self, Q: Any, D: Any, grades: Any) -> tuple[float, tuple[Any, Any]]:
        """Return the loss of queries Q (B, d) against documents D (n, d) of grades (B, n)."""
        name = "graded_listwise" if self.relevance == "softmax" else "ranking"
        temperature: Temperature = self.relevance_temperature
        if self.relevance == "softmax":
            temperature = self._temperatures(self.relevance_temperature)
        found = self._fused(name, Q, D, grades, temperature=temperature)
        if found is not None:
            return found
        if self.relevance == "softmax":
            slope = grade_slope(grades, temperature, None)
        else:
            slope = ranking_slope(grades, self.relevance_temperature)
        return through_prefixes(Q, self.dims, slope, columns=D, weights=self.weights)

    def product(self, A: Any, B: Any) -> Any:
        """Return A B, from the backend's kernel where there is one."""
        found = self.kernels["product"](A, B) if "product" in self.kernels else None
        return A @ B if found is None else found

    def _temperatures(self, temperature: float) -> Temperature:
        return prefix_temperatures(temperature, self.prefix_temperature, self.dims)

    def _fused(self, name: str, *arrays: Any, **options: Any) -> tuple[float, Any] | None:
        """Return what a kernel says, or None where there is none for the case."""
        if name not in self.kernels:
            return None
        kernel: Callable[..., tuple[float, Any] | None] = self.kernels[name]
        return kernel(*arrays, self.dims, weights=self.weights, **options)

    def _fused_documents(
        self, Y: Any, S: Any, neighbors: Any, columns: Any, pairs: Any
    ) -> tuple[float, Any] | None:
        """Return the weighted sum of what the kernels say, or None where one is missing."""
        total: tuple[float, Any] | None = None
        if self.listwise_weight:
            total = self._fused(
                "listwise",
                Y,
                S,
                temperature=self._temperatures(self.neighbor_temperature),
                target_temperature=self.neighbor_temperature,
                columns=columns,
                pairs=pairs,
            )
            if total is None or not (self.topk_weight or self.pairwise_weight):
                return _weighed(total, self.listwise_weight)
        if self.topk_weight and neighbors is None and "neighbor_pairs" in self.kernels:
            neighbors = self.kernels["neighbor_pairs"](
                S, self.n_neighbors, pairs=pairs, exclude_self=columns is None
            )
        found = self._fused(
            "similarity",
            Y,
            S,
            topk_weight=self.topk_weight,
            pairwise_weight=self.pairwise_weight,
            neighbors=neighbors,
            columns=columns,
            pairs=pairs,
        )
        if found is None or total is None:
            return found
        return _added(found, _weighed(total, self.listwise_weight))


def _weighed(found: tuple[float, Any] | None, weight: float) -> tuple[float, Any] | None:
    """Return a value and gradient times a weight."""
    if found is None or weight == 1.0:
        return found
    value, gradient = found
    if isinstance(gradient, tuple):
        return weight * value, tuple(weight * part for part in gradient)
    return weight * value, weight * gradient


def _added(one: tuple[float, Any], other: Any) -> tuple[float, Any]:
    """Return the sums of two values and of their gradients."""
    if isinstance(one[1], tuple):
        return one[0] + other[0], tuple(a + b for a, b in zip(one[1], other[1], strict=True))
    return one[0] + other[0], one[1] + other[1]


def _sum(terms: list[tuple[float, Slope]]) -> Slope:
    """Return the slope of the weighted sum of losses."""

    def slope(C: Any, place: int) -> tuple[Any, Any]:
        value, A = 0.0, 0.0 * C
        for weight, term in terms:
            value_term, A_term = term(C, place)
            value, A = value + weight * value_term, A + weight * A_term
        return value, A

    return slope
