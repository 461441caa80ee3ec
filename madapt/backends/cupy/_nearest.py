"""Exact nearest rows: products in tiles, and one look at each tile while it is at hand."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from madapt.backends.cupy._device import Device
from madapt.backends.cupy._stream import Uploads

__all__ = ["hold", "nearest", "nearest_others"]

#: Queries and corpus rows of a tile.
ROWS, COLUMNS = 4096, 8192
#: The most neighbours; the source has the same number.
MOST = 1024

Found = tuple[Any, Any] | None


def nearest(
    device: Device,
    Q: Any,
    blocks: Iterable[tuple[int, Any]],
    k: int,
    repeats: np.ndarray | None,
) -> Found:
    """Return the k rows of a corpus with the largest products with each query.

    Parameters
    ----------
    device : Device
        Queries are dealt to its `devices`.
    Q : array of shape (b, d)
        Of the host or of the device.
    blocks : iterable of (start, array of shape (c, d))
        The corpus, in order: where a block starts, and its rows, on either.
    k : int
    repeats : bool array of shape (n,) or None
        Rows to pass over.

    Returns
    -------
    indices : array of shape (b, k), int64
        Largest first, of equal ones the lower index; -1 where there are fewer. Where Q is.
    values : array of shape (b, k), float32
        The products; -inf where there are fewer. Instead of the pair None where Q is not float32
        or k is above 1,024.
    """
    if k > MOST or Q.dtype != np.float32 or not Q.size:
        return None
    shares = [_Share.of(device, which, Q[part], k) for which, part in _dealt(device, len(Q))]
    for start, C in blocks:
        aside = None if repeats is None else repeats[start : start + len(C)]
        for share in shares:
            share.merge(C, start, aside)
    return _joined(device, shares, isinstance(Q, device.cupy.ndarray))


def nearest_others(device: Device, X: Any, k: int) -> Found:
    """Return the k other rows with the largest products with each row; see `nearest`.

    Parameters
    ----------
    device : Device
    X : array of shape (n, d)
        Of the host or of the device.
    k : int
        Below n.
    """
    if k > MOST or X.dtype != np.float32 or not X.size:
        return None
    dealt = _dealt(device, len(X))
    shares = [_Share.of(device, which, X[part], k, own=part.start) for which, part in dealt]
    for start in range(0, len(X), COLUMNS):
        for share in shares:
            share.merge(X[start : start + COLUMNS], start, None)
    return _joined(device, shares, isinstance(X, device.cupy.ndarray))


def hold(device: Device, blocks: Iterator[tuple[int, Any]], shape: tuple[int, int]) -> Any:
    """Return a float32 corpus on the device, None where it takes more than half of what is free.

    Parameters
    ----------
    device : Device
    blocks : iterator of (start, array of shape (c, d))
        Its rows.
    shape : tuple of int
        Of all of it.
    """
    if 4 * shape[0] * shape[1] > device.free_bytes() // 2:
        return None
    corpus, uploads = device.cupy.empty(shape, np.float32), None
    for start, C in blocks:
        if uploads is None:
            uploads = Uploads(device, len(C), shape[1], np.float32)
        corpus[start : start + len(C)] = uploads(C)
        uploads.used()
    return corpus


@dataclass
class _Share:
    """Queries of one device and the best of them so far."""

    device: Device
    which: int
    Q: Any
    values: Any
    indices: Any
    k: int
    #: Which row of the corpus the first query is, -1 for none.
    own: int
    uploads: Uploads | None = None

    @classmethod
    def of(cls, device: Device, which: int, Q: Any, k: int, *, own: int = -1) -> _Share:
        with device.at(which):
            cupy = device.cupy
            values = cupy.full((len(Q), k), -np.inf, np.float32)
            indices = cupy.full((len(Q), k), -1, np.int64)
            return cls(device, which, device.plain(cupy.asarray(Q)), values, indices, k, own)

    def merge(self, C: Any, start: int, aside: np.ndarray | None) -> None:
        """Merge rows start.. of the corpus."""
        with self.device.at(self.which):
            there = self._brought(C)
            flags = None
            if aside is not None:
                flags = self.device.cupy.asarray(aside.view(np.uint8))
            self._merge(there, start, flags)
            if self.uploads is not None:
                self.uploads.used()

    def _merge(self, C: Any, start: int, flags: Any) -> None:
        c, k = len(C), self.k
        for top in range(0, len(self.Q), ROWS):
            Q = self.Q[top : top + ROWS]
            S = self.device.cupy.empty((len(Q), c), np.float32)
            self.device.product(Q, C, S, turned="NT")
            own = np.int64(self.own + top if self.own >= 0 else -1)
            best = self.values[top : top + ROWS], self.indices[top : top + ROWS]
            columns = (np.int64(c), np.int64(start))
            self.device.launch("merge_largest", (len(Q),), S, *columns, flags, own, k, *best)

    def _brought(self, C: Any) -> Any:
        """Return a block on this share's device; those of the host take turns in two slots."""
        if isinstance(C, self.device.cupy.ndarray):
            return self.device.plain(self.device.cupy.asarray(C))
        if self.uploads is None or len(C) > self.uploads.rows:
            self.uploads = Uploads(self.device, len(C), C.shape[1], np.float32)
        return self.uploads(C)


def _dealt(device: Device, n: int) -> list[tuple[int, slice]]:
    """Return devices and which of n rows each of them gets."""
    ids = device.ids()
    size = -(-n // len(ids))
    # Where there are fewer rows than devices, the last of those get none.
    shares = zip(ids, range(0, n, size), strict=False)
    return [(which, slice(at, min(at + size, n))) for which, at in shares]


def _joined(device: Device, shares: list[_Share], on_device: bool) -> tuple[Any, Any]:
    """Return indices and values of all shares, on the first device or on the host."""
    pairs = [(share.indices, share.values) for share in shares]
    if not on_device:
        found = [[device.cupy.asnumpy(A) for A in pair] for pair in pairs]
        indices, values = (np.concatenate(parts) for parts in zip(*found, strict=True))
        return indices, values
    with device.at(shares[0].which):
        cupy = device.cupy
        indices, values = (
            cupy.concatenate([cupy.asarray(A) for A in parts]) for parts in zip(*pairs, strict=True)
        )
        return indices, values
