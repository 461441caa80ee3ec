"""Exact nearest rows of arrays on a device, searched there by array-API code and its kernels."""

from __future__ import annotations

from typing import Any

import numpy as np
from array_api_compat import array_namespace, device, is_cupy_array

from madapt._checks import check_pair
from madapt._on_device import check_rows_on_device, is_on_device
from madapt._rows import unit_rows
from madapt.backends import get_backend
from madapt.exceptions import InvalidTypeError, InvalidValueError

__all__ = ["top_k_on_device"]


def top_k_on_device(
    queries: Any, corpus: Any, k: int, metric: str, exclude_self: Any, max_bytes: int
) -> tuple[Any, Any]:
    """Do what `madapt.neighbors.top_k` does, with checked options, on one device.

    Notes
    -----
    Corpus rows that are equal may differ in the last digit of their products with a query, and
    so stand in another order than on the host. Each block of queries takes max_bytes of the
    device: products and their order in array code, products alone with CuPy's kernel.
    """
    xp, dtype = _checked(queries, corpus, exclude_self)
    n_queries, n = int(queries.shape[0]), int(corpus.shape[0])
    # The difference of two large squares is little more than rounding in float32.
    working = xp.float64 if metric == "euclidean" else dtype
    C = _prepared(corpus, "corpus", metric, working)
    wanted = min(k, n - bool(exclude_self))
    rows = max(1, min(n_queries, max_bytes // (32 * n)))
    if is_cupy_array(C) and working == xp.float32 and not exclude_self:
        found = _by_kernel(_prepared(queries, "queries", metric, working), C, wanted)
        if found is not None:
            return found
    parts = []
    for start in range(0, n_queries, rows):
        Q = _prepared(queries[start : start + rows, :], "queries", metric, working)
        S = Q @ C.T
        if metric == "euclidean":
            squares = xp.sum(Q * Q, axis=1)[:, None] + xp.sum(C * C, axis=1)[None, :]
            S = -xp.sqrt(xp.maximum(squares - 2.0 * S, xp.zeros_like(S)))
        if exclude_self:
            index = xp.arange(n, device=device(S))
            own = index[None, :] == (xp.arange(Q.shape[0], device=device(S)) + start)[:, None]
            S = xp.where(own, xp.full_like(S, -float("inf")), S)
        order = xp.argsort(S, axis=1, descending=True, stable=True)[:, :wanted]
        parts.append((order, xp.astype(xp.take_along_axis(S, order, axis=1), dtype)))
    indices, similarities = (xp.concat(list(part), axis=0) for part in zip(*parts, strict=True))
    return xp.astype(indices, xp.int64), similarities


def _checked(queries: Any, corpus: Any, exclude_self: Any) -> tuple[Any, Any]:
    """Check that both can be compared where they are; return their namespace and a dtype."""
    dtypes = []
    for X, name in ((queries, "queries"), (corpus, "corpus")):
        if not is_on_device(X):
            raise InvalidTypeError(
                f"queries and corpus must be on one device, got {name} of type "
                f"{type(X).__name__} in the memory of the CPU"
            )
        dtypes.append(check_rows_on_device(X, name))
    if type(queries) is not type(corpus) or device(queries) != device(corpus):
        raise InvalidTypeError(
            f"queries and corpus must be on one device, got {device(queries)} and {device(corpus)}"
        )
    check_pair(queries, corpus, exclude_self)
    xp = array_namespace(queries)
    return xp, xp.result_type(*dtypes)


def _prepared(X: Any, name: str, metric: str, dtype: Any) -> Any:
    """Return finite rows in the working dtype, of unit length for cosines."""
    xp = array_namespace(X)
    X = xp.astype(X, dtype, copy=False)
    if not bool(xp.all(xp.isfinite(X))):
        raise InvalidValueError(f"{name} must be finite, got NaN or infinity")
    if metric == "cosine":
        return unit_rows(X)
    longest = float(np.sqrt(float(xp.finfo(dtype).max))) / 4
    if float(xp.max(xp.abs(X))) * X.shape[1] ** 0.5 > longest:
        raise InvalidValueError(
            f"{name} must have rows no longer than {longest:.2g} for metric {metric!r}, "
            "got a longer one"
        )
    return X


def _by_kernel(Q: Any, C: Any, k: int) -> tuple[Any, Any] | None:
    """Return what the kernel of the GPU backend finds, None where it cannot run."""
    try:
        kernels = get_backend("cupy").kernels
    except InvalidValueError:
        return None
    blocks = ((start, C[start : start + 8192, :]) for start in range(0, int(C.shape[0]), 8192))
    found: tuple[Any, Any] | None = kernels["nearest"](Q, blocks, k, None)
    return found
