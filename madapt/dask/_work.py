"""Dask arrays as blocks of rows, and where the tasks on them run."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from madapt.exceptions import InvalidTypeError, InvalidValueError

__all__ = [
    "Work",
    "added",
    "blocks_of",
    "check_dask_rows",
    "check_not_a_frame",
    "is_dask_array",
    "lengths_of",
]

#: Results that are added up by one task of a tree.
FAN_IN = 8


def is_dask_array(X: Any) -> bool:
    """Tell whether X is a Dask array; where Dask was never imported, nothing is."""
    module = sys.modules.get("dask.array")
    return module is not None and isinstance(X, module.Array)


def check_dask_rows(X: Any, name: str, n_features: int | None = None) -> Any:
    """Return a Dask array whose chunks hold whole rows.

    Parameters
    ----------
    X : dask.array.Array of shape (n, d)
        Real numbers; n may be unknown.
    name : str
        The argument's name, for errors.
    n_features : int or None, default=None
        The d that is wanted; None takes any.

    Raises
    ------
    InvalidValueError
        If it is not 2-D, its number of columns is unknown, 0 or another, or its dtype is none of
        real numbers.
    """
    if X.ndim != 2 or math.isnan(X.shape[1]) or 0 in X.shape:
        raise InvalidValueError(
            f"{name} must be a 2-D dask array of a known number of columns, not empty, "
            f"got shape {X.shape}"
        )
    if n_features is not None and X.shape[1] != n_features:
        raise InvalidValueError(f"{name} must have {n_features} columns, got shape {X.shape}")
    if X.dtype.kind not in "fiub" or X.dtype.itemsize > 8:
        raise InvalidValueError(f"{name} must be real numbers, got dtype {X.dtype}")
    return X.rechunk({1: -1})


def check_not_a_frame(X: Any, name: str) -> None:
    """Refuse a Dask data frame, which would be computed whole."""
    if hasattr(X, "to_dask_array"):
        raise InvalidTypeError(
            f"{name} must be a dask array, got a Dask {type(X).__name__}: hand in "
            f"{name}.to_dask_array()"
        )


class Work:
    """Runs tasks where the estimator was told to.

    Parameters
    ----------
    client : distributed.Client or None
        None leaves it to Dask: the client that is active in this process, else the scheduler
        that is set, else threads.
    """

    def __init__(self, client: Any) -> None:
        for method in ("compute", "persist", "gather"):
            if client is not None and not hasattr(client, method):
                raise InvalidTypeError(
                    f"client must be a distributed.Client or None, got {type(client).__name__}"
                )
        self.client = client

    def compute(self, tasks: Sequence[Any]) -> list[Any]:
        """Return the tasks' results."""
        if self.client is not None:
            return list(self.client.gather(self.client.compute(list(tasks))))
        import dask

        return list(dask.compute(*tasks))

    def persist(self, tasks: Sequence[Any]) -> list[Any]:
        """Return tasks whose results stay where they were computed, and are made again if lost."""
        if self.client is not None:
            return list(self.client.persist(list(tasks)))
        import dask

        return list(dask.persist(*tasks))


def blocks_of(X: Any) -> list[Any]:
    """Return a task for each block of rows of a Dask array that `check_dask_rows` returned."""
    return [block for row in X.to_delayed().tolist() for block in row]


def added(tasks: Sequence[Any], add: Callable[[list[Any]], Any]) -> Any:
    """Return one task that adds up the results of tasks, by a tree in their order.

    The order is fixed, so that the sum has the same digits whoever was first.
    """
    from dask import delayed

    while len(tasks) > 1:
        parts = [list(tasks[i : i + FAN_IN]) for i in range(0, len(tasks), FAN_IN)]
        tasks = [delayed(add)(part) for part in parts]
    return tasks[0]


def lengths_of(X: Any, blocks: Sequence[Any], work: Work) -> np.ndarray:
    """Return the number of rows of each block; unknown ones are computed."""
    from dask import delayed

    known = X.chunks[0]
    if any(math.isnan(size) for size in known):
        known = work.compute([delayed(len)(block) for block in blocks])
    return np.array(known, dtype=np.int64)
