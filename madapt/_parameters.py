"""The estimator's parameters, checked, and what every "auto" comes to."""

from __future__ import annotations

from typing import Any

import numpy as np

from madapt._activations import ACTIVATIONS
from madapt._checks import (
    check_bool,
    check_dim,
    check_dims,
    check_fraction,
    check_integer,
    check_number,
    check_one_of,
)
from madapt.exceptions import InvalidTypeError, InvalidValueError
from madapt.training.guard import GRADE_TEMPERATURE
from madapt.training.settings import Settings, StageSettings

__all__ = ["PUBLISHED", "check_center", "settings_of"]

#: Leading coordinates that the learned rotation turns: the first that the guard lets pass.
ROTATION_DIMS = (256, 128, 64)
#: With fewer rows, documents and unlabeled queries, a rotation learns them by heart: it turns
#: 128 coordinates at most, in fewer and shorter steps.
MANY_ROWS, FEW_ROWS_DIMS = 2500, 128
#: Steps and learning rate of the rotation, and the least of each with few rows.
STEPS, RATE, FEWEST_STEPS, LEAST_RATE = 150, 1e-2, 75, 3e-3
#: The published settings, see `MatryoshkaAdaptor.from_paper`.
PUBLISHED: dict[str, Any] = {
    "rotation": "identity",
    "hidden_dim": 512,
    "init_scale": (0.58, 0.02),
    "center": None,
    "listwise_weight": 0.0,
    "topk_weight": 1.0,
    "pairwise_weight": 1.0,
    "reconstruction_weight": 1.0,
    "ranking_weight": 1.0,
    "ranking_loss": "logistic",
    "temperature": 1.0,
    "prefix_temperature": 0.0,
    "query_share": 0.0,
    "fidelity_weight": 0.0,
    "batch_size": 128,
    "support_size": None,
    "dim_weights": None,
    "max_iter": 5000,
    "learning_rate": 1e-3,
    "input_noise": 0.0,
    "n_iter_no_change": 500,
    "guard": False,
}
#: Documents each row of a batch is compared with.
SUPPORT_SIZE = 4096
#: With that many unlabeled queries half of the rows of a batch are queries; the most there are.
HALF_SHARE, MOST_QUERIES = 400, 0.7
#: From so many judged queries on, the number of steps is full.
MANY_QUERIES = 400
#: The learning rate with few labels and with many; it is 2e-3 with 125 judged queries.
LOWEST_RATE, FULL_RATE = 2e-4, 6e-3
#: With up to so many judged queries, what queries found before weighs as much as judgments;
#: with more, less.
FEW_QUERIES = 50
#: The weights of the losses.
WEIGHTS = (
    "listwise_weight",
    "topk_weight",
    "pairwise_weight",
    "reconstruction_weight",
    "ranking_weight",
)
#: Hidden units of one MLP; with labels there are two.
HIDDEN_DIM = 512


def settings_of(
    estimator: Any,
    d: int,
    n_judged: int,
    positives: float,
    n_queries: int = 0,
    n_documents: int = MANY_ROWS,
) -> Settings:
    """Check the parameters of a `MatryoshkaAdaptor` and resolve each "auto".

    Parameters
    ----------
    estimator : MatryoshkaAdaptor
    d : int
        Number of features.
    n_judged : int
        Number of queries with a positive; 0 without labels.
    positives : float
        Median number of positives of such a query.
    n_queries : int, default=0
        Number of queries, judged or not.
    n_documents : int, default=2500
        Number of documents.

    Raises
    ------
    ValueError, TypeError
        Naming the parameter, what was wanted and what came.
    """
    p = estimator.get_params(deep=False)
    if p["dim"] is not None:
        check_dim(p["dim"], d)
    dims = check_dims(p["dims"], d)
    learned = check_one_of(p["rotation"], "rotation", ("learned", "svd", "identity")) == "learned"
    share = min(1.0, (n_documents + n_queries) / MANY_ROWS)
    stage_1, stage_2 = _stages(p, learned, n_judged, positives, share)
    check_bool(p["normalize"], "normalize")
    if not isinstance(p["verbose"], bool):
        check_integer(p["verbose"], "verbose", low=0)
    listwise, topk, pairwise, reconstruction, ranking = (
        check_number(p[name], name, low=0) for name in WEIGHTS
    )
    return Settings(
        dims=dims,
        rotation=p["rotation"],
        rotation_dims=_rotation_dims(p["rotation_dims"], dims, d, share),
        hidden_dim=_hidden_dim(p["hidden_dim"], learned, n_judged),
        activation=check_one_of(p["activation"], "activation", tuple(ACTIVATIONS)),
        init_scale=_init_scale(p["init_scale"]),
        listwise_weight=listwise,
        topk_weight=topk,
        pairwise_weight=pairwise,
        reconstruction_weight=reconstruction,
        ranking_weight=ranking,
        ranking_loss=check_one_of(p["ranking_loss"], "ranking_loss", ("softmax", "logistic")),
        supervised_neighbor_temperature=0.1,
        grade_temperature=GRADE_TEMPERATURE,
        # Many judged queries move cosines apart themselves, and further where nothing was narrowed.
        follows_spread=n_judged < MANY_QUERIES,
        fidelity_weight=_fidelity_weight(p["fidelity_weight"], n_judged),
        n_neighbors=check_integer(p["n_neighbors"], "n_neighbors", low=1),
        support_size=_support_size(p["support_size"]),
        query_share=_query_share(p["query_share"], n_queries),
        # With many queries there are many steps, and products over documents are half of each.
        batch_documents=768 if n_judged < MANY_QUERIES else 512,
        dim_weights=_dim_weights(p["dim_weights"], dims),
        input_noise=check_number(p["input_noise"], "input_noise", low=0),
        early_stopping=check_bool(p["early_stopping"], "early_stopping"),
        validation_fraction=check_fraction(p["validation_fraction"], "validation_fraction"),
        n_iter_no_change=check_integer(p["n_iter_no_change"], "n_iter_no_change", low=1),
        guard=check_bool(p["guard"], "guard"),
        unsupervised=stage_1,
        supervised=stage_2,
    )


def _stages(
    p: dict[str, Any], learned: bool, n_judged: int, positives: float, share: float
) -> tuple[StageSettings, StageSettings]:
    """Return the optimisation parameters without labels and with them.

    `share` is that of the rows that the full schedule of a rotation wants.
    """
    stage_1 = _stage(
        p,
        0,
        max_iter=max(FEWEST_STEPS, round(share * STEPS)) if learned else STEPS,
        learning_rate=max(LEAST_RATE, share * RATE) if learned else 1e-3,
        batch_size=256,
        temperature=0.03,
        prefix_temperature=0.3,
    )
    stage_2 = _stage(
        p,
        1,
        max_iter=150 if n_judged < MANY_QUERIES else 600,
        learning_rate=_supervised_rate(n_judged),
        batch_size=64,
        temperature=0.05 if positives <= 2 else 0.1,
        prefix_temperature=0.0,
    )
    return stage_1, stage_2


def check_center(center: Any, has_queries: bool) -> float | str:
    """Return the strength of centring, or "auto"; both sides need their own mean."""
    if isinstance(center, str) and center == "auto":
        return "auto"
    if center is None or center is False:
        return 0.0
    if isinstance(center, str):
        raise InvalidValueError(f'center must be "auto", None or a number in 0..1, got {center!r}')
    strength = check_number(center, "center", low=0, high=1)
    if strength and not has_queries:
        raise InvalidValueError(f"center must be 0 without queries, got {center}")
    return strength


def _stage(p: dict[str, Any], stage: int, **auto: Any) -> StageSettings:
    values: dict[str, Any] = {}
    unset = set()
    for name, default in auto.items():
        value = p[name]
        if isinstance(value, tuple | list):
            if len(value) != 2:
                raise InvalidValueError(f"{name} must be one value or a pair, got {value!r}")
            value = value[stage]
        if isinstance(value, str) and value == "auto":
            unset.add(name)
            value = default
        if name in ("max_iter", "batch_size"):
            values[name] = check_integer(value, name, low=0 if name == "max_iter" else 2)
        else:
            open_low = name != "prefix_temperature"
            values[name] = check_number(value, name, low=0, open_low=open_low)
    return StageSettings(**values, auto=frozenset(unset))


def _rotation_dims(value: Any, dims: tuple[int, ...], d: int, share: float) -> tuple[int, ...]:
    """Return the leading dims to turn, in the order in which they are tried."""
    if isinstance(value, str) and value == "auto":
        most = ROTATION_DIMS[0] if share == 1 else FEW_ROWS_DIMS
        tried = [k for k in ROTATION_DIMS if k < d and k <= most and dims[0] < k]
        return tuple(tried) if d > most and tried else (d, *tried)
    return (d if value is None else check_integer(value, "rotation_dims", low=1, high=d),)


def _dim_weights(value: Any, dims: tuple[int, ...]) -> tuple[float, ...] | str | None:
    if value is None or (isinstance(value, str) and value == "relative"):
        return value
    if isinstance(value, str) or not np.iterable(value):
        raise InvalidTypeError(
            f'dim_weights must be "relative", None or {len(dims)} numbers, got {value!r}'
        )
    weights = tuple(check_number(weight, "dim_weights", low=0) for weight in value)
    if len(weights) != len(dims) or not sum(weights):
        raise InvalidValueError(
            f"dim_weights must hold {len(dims)} numbers, one for each of dims, not all 0, "
            f"got {value!r}"
        )
    return weights


def _hidden_dim(value: Any, learned: bool, n_judged: int) -> int | None:
    if isinstance(value, str) and value == "auto":
        return None if learned and not n_judged else HIDDEN_DIM * (2 if n_judged else 1)
    return None if value is None else check_integer(value, "hidden_dim", low=1)


def _init_scale(value: Any) -> tuple[float, float]:
    if not isinstance(value, tuple | list) or len(value) != 2:
        raise InvalidTypeError(f"init_scale must be a pair of numbers, got {value!r}")
    first, last = (check_number(scale, "init_scale", low=0) for scale in value)
    return first, last


def _support_size(value: Any) -> int | None:
    if isinstance(value, str) and value == "auto":
        return SUPPORT_SIZE
    return None if value is None else check_integer(value, "support_size", low=2)


def _supervised_rate(n_judged: int) -> float:
    rate: float = 2e-3 * (n_judged / 125) ** 1.5
    return min(FULL_RATE, max(LOWEST_RATE, rate))


def _fidelity_weight(value: Any, n_judged: int) -> float:
    if isinstance(value, str) and value == "auto":
        return min(1.0, FEW_QUERIES / max(n_judged, 1))
    return check_number(value, "fidelity_weight", low=0)


def _query_share(value: Any, n_queries: int) -> float:
    if isinstance(value, str) and value == "auto":
        return min(MOST_QUERIES, n_queries / (n_queries + HALF_SHARE))
    return check_number(value, "query_share", low=0, high=1)
