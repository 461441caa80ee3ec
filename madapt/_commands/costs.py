"""How long a command will take, before it begins: counted operations at this machine's speed.

The speed is that of one product of float32 matrices, measured when the estimate is made. How many
times longer a fit takes than its counted operations at that speed was measured:
``python benchmarks/command_line.py`` measures it again.
"""

from __future__ import annotations

import math
import statistics
import time
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from madapt.training import Settings

__all__ = ["WORDS", "evaluate_seconds", "fit_operations", "fit_seconds", "product_speed"]

#: Seconds of a fit over those of its operations, without labels and with them: medians of
#: benchmarks/results/command_line.json.
FACTORS = 5.4, 1.08
WORDS = (
    "Estimated seconds: counted operations at the speed of a product of matrices that is measured "
    "on the spot, times a factor measured on whole fits."
)
#: Rows that the guard holds out at most, and in how many folds few rows are held out.
_HELD_OUT, _ENOUGH, _FOLDS = 1000, 200, 3
#: Held-out judged queries that are enough for one fold.
_ENOUGH_QUERIES = 100
_SIZE = 768


def product_speed() -> float:
    """Return operations a second of a product of float32 matrices, here and now."""
    A = np.ones((_SIZE, _SIZE), np.float32)
    seconds = []
    for _ in range(6):
        began = time.perf_counter()
        A @ A
        seconds.append(time.perf_counter() - began)
    return 2 * _SIZE**3 / max(statistics.median(seconds[1:]), 1e-9)


def fit_operations(
    settings: Settings, n: int, d: int, n_judged: int, max_rows: int
) -> tuple[float, float]:
    """Return the operations of a fit, of what needs no labels and of what does.

    Parameters
    ----------
    settings : Settings
    n, d : int
        Shape of the documents.
    n_judged : int
        Queries with a positive; 0 without labels.
    max_rows : int
        Documents that are learned from, at most.
    """
    n = min(n, max_rows)
    held_out = min(_HELD_OUT, settings.validation_fraction * n)
    stage, width = settings.unsupervised, d
    if settings.is_rotation_learned:
        width = min(d, settings.rotation_dims[0])
    support = min(n, settings.support_size or stage.batch_size)
    runs = 1 if not settings.guard or held_out >= _ENOUGH else 1 + _FOLDS
    steps = runs * stage.max_iter * 6.0 * min(n, stage.batch_size) * support * width
    fixed = 2.0 * n * d * d + 20.0 * d**3 + 12.0 * held_out * n * d
    if not n_judged:
        return steps + fixed, 0.0
    judged = settings.supervised
    folds = math.ceil(_ENOUGH_QUERIES / max(1.0, settings.validation_fraction * n_judged))
    runs = 1 + min(_FOLDS, folds) if settings.guard else 1
    rows = min(n_judged, judged.batch_size) + min(n, settings.batch_documents)
    mlp = 12.0 * rows * d * (settings.hidden_dim or 0)
    search = 6.0 * min(n_judged, judged.batch_size) * min(n, settings.batch_documents) * d
    return steps + fixed, runs * judged.max_iter * (mlp + search)


def fit_seconds(operations: tuple[float, float], speed: float) -> float:
    """Return the estimated seconds of a fit of so many operations."""
    return sum(factor * count for factor, count in zip(FACTORS, operations, strict=True)) / speed


def evaluate_seconds(dims: Any, n_queries: int, n: int, d: int, speed: float) -> float:
    """Return the seconds of exact searches and of the transforms before them, at least.

    Parameters
    ----------
    dims : sequence of int
    n_queries, n, d : int
        Queries, documents and their coordinates.
    speed : float
        As `product_speed` returns it.
    """
    searches = 2.0 * n_queries * n * (2 * sum(dims) + d)
    transforms = 2.0 * (n_queries + n) * d * sum(dims)
    seconds: float = (searches + transforms) / speed
    return seconds
