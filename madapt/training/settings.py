"""What the estimator's parameters come to for a given corpus: every "auto" resolved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["Settings", "StageSettings", "resolve"]


@dataclass(frozen=True)
class StageSettings:
    """Optimisation parameters of one stage."""

    max_iter: int
    learning_rate: float
    batch_size: int
    temperature: float
    prefix_temperature: float


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
