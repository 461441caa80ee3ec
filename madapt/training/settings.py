"""What the estimator's parameters come to for a given corpus: every "auto" resolved."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

__all__ = ["Settings", "StageSettings", "resolve"]

TEMPERATURES = ("temperature", "prefix_temperature")


@dataclass(frozen=True)
class StageSettings:
    """Optimisation parameters of one stage; `auto` are the names of those that nobody set."""

    max_iter: int
    learning_rate: float
    batch_size: int
    temperature: float
    prefix_temperature: float
    auto: frozenset[str] = frozenset()

    def narrowed(self, share: float) -> StageSettings:
        """Return the same with temperatures that nobody set times that share."""
        names = self.auto.intersection(TEMPERATURES)
        return replace(self, **{name: share * getattr(self, name) for name in names})


@dataclass(frozen=True)
class Settings:
    """Everything training needs to know.

    `rotation_dims` are tried in turn until the guard lets one pass; `dim_weights` of
    "relative" weigh each dim by what its loss is at the start.
    """

    dims: tuple[int, ...]
    rotation: str
    rotation_dims: tuple[int, ...]
    hidden_dim: int | None
    activation: str
    init_scale: tuple[float, float]
    listwise_weight: float
    topk_weight: float
    pairwise_weight: float
    reconstruction_weight: float
    ranking_weight: float
    ranking_loss: str
    supervised_neighbor_temperature: float
    grade_temperature: float
    follows_spread: bool
    fidelity_weight: float
    n_neighbors: int
    support_size: int | None
    query_share: float
    batch_documents: int
    dim_weights: tuple[float, ...] | str | None
    input_noise: float
    early_stopping: bool
    validation_fraction: float
    n_iter_no_change: int
    guard: bool
    unsupervised: StageSettings
    supervised: StageSettings
    verbose: int = 0

    def narrowed(self, share: float) -> Settings:
        """Return the same for cosines that spread over that share of the usual range."""
        if not self.follows_spread:
            return self
        return replace(
            self,
            unsupervised=self.unsupervised.narrowed(share),
            supervised=self.supervised.narrowed(share),
            supervised_neighbor_temperature=share * self.supervised_neighbor_temperature,
            grade_temperature=share * self.grade_temperature,
        )

    @property
    def is_rotation_learned(self) -> bool:
        """Whether stage 1 trains the rotation; it trains the MLP of a fixed one."""
        return self.rotation == "learned"

    @property
    def n_hidden(self) -> int:
        """Hidden units, where an MLP is trained."""
        if self.hidden_dim is None:
            raise ValueError("hidden_dim is None: there is no MLP to train")
        return self.hidden_dim


def resolve(value: Any, stage: int, auto: Any) -> Any:
    """Return a parameter's value for stage 0 or 1.

    Parameters
    ----------
    value : object
        One value for both stages, a pair, or "auto" at either place.
    stage : {0, 1}
        Without labels, with labels.
    auto : object
        What "auto" stands for.
    """
    if isinstance(value, tuple | list):
        value = value[stage]
    return auto if isinstance(value, str) and value == "auto" else value
