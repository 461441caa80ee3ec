"""Prefix Gram matrices by tiles of rows: the products, and what surrounds the slopes."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from madapt.backends.cupy._device import Device

__all__ = ["Blocks", "Passes", "column_grid", "rectangular", "square"]

#: Threads of a block, and rows, of the pass by columns.
COLUMNS, ROWS = 128, 32
#: What a block of that pass may have of shared memory on every device.
SHARED_BYTES = 48 * 2**10


class Passes(Protocol):
    """What a loss says of the Gram matrices of a tile."""

    #: Sums of A C by row, shape (L, B), once all tiles have been through `rows`.
    row_sums: Any

    def rows(self, K: Any, first: int) -> None:
        """Make running sums of the Gram blocks K (L, T, n), of rows first .. first + T.

        Values and sums of A C by row are written down.
        """

    def columns(self, K: Any, first: int, symmetric: bool) -> Any:
        """Turn them, in place, into running sums of D from the back.

        Returns sums of A C by column, (L, chunks, n). With `symmetric` A is that of both
        halves of the square form.
        """


@dataclass
class Blocks:
    """Rows cut into the column blocks between one dim and the next."""

    device: Device
    #: The rows themselves, shape (B, d), in C order.
    Y: Any
    #: Where the blocks begin and end, L + 1 numbers, here and on the device.
    edges: list[int]
    edges_there: Any
    #: Contiguous copies of the blocks, one after another: products want no gaps.
    parts: list[Any]
    #: Inverse lengths of the prefixes, shape (L, B), 0 where one counts as zero.
    r: Any

    @classmethod
    def of(cls, device: Device, Y: Any, dims: Sequence[int]) -> Blocks:
        """Cut Y."""
        cupy, Y, L = device.cupy, device.plain(Y), len(dims)
        B, d = (np.int64(size) for size in Y.shape)
        edges = [0, *map(int, dims)]
        there = cupy.asarray(np.asarray(edges, np.int32))
        room = cupy.empty(int(B) * edges[-1], np.float32)
        device.each("split", room.size, Y, there, L, B, d, room)
        r = cupy.empty((L, int(B)), np.float32)
        device.launch("inverse_lengths", (int(B),), Y, there, L, B, d, r, shared=8 * L)
        return cls(device, Y, edges, there, _cut(room, int(B), edges), r)

    @property
    def n(self) -> int:
        """Number of rows."""
        return int(self.Y.shape[0])

    @property
    def n_dims(self) -> int:
        """Number of dims."""
        return len(self.parts)

    def empty(self) -> tuple[Any, list[Any]]:
        """Return room for a gradient, whole and by blocks."""
        room = self.device.cupy.empty(self.n * self.edges[-1], np.float32)
        return room, _cut(room, self.n, self.edges)

    def finished(self, room: Any, sums: Any, factor: Any) -> Any:
        """Return factor (room - pulls Y), shape (B, d); sums of A C (L, B), factor (1,)."""
        cupy, (B, d) = self.device.cupy, (np.int64(size) for size in self.Y.shape)
        pull, gradient = cupy.empty_like(self.r), cupy.empty_like(self.Y)
        self.device.each("pulls", self.n, sums, self.r, self.n_dims, B, pull)
        self.device.each(
            "finish",
            *(
                gradient.size,
                room,
                self.Y,
                pull,
                self.edges_there,
                self.n_dims,
                B,
                d,
                factor,
                gradient,
            ),
        )
        return gradient


def square(blocks: Blocks, passes: Passes, factor: Callable[[], Any]) -> Any:
    """Return the gradient of rows compared with themselves.

    4 B^2 d operations where the Gram matrices of all dims fit in the scratch memory, else the
    6 B^2 d of the rectangular form.
    """
    spans = _spans(blocks, blocks)
    if len(spans) > 1:
        one, other = rectangular(blocks, blocks, passes, factor)
        return one + other
    K = _gram(blocks, blocks, 0, blocks.n)
    passes.rows(K, 0)
    sums = _summed(passes.columns(K, 0, True))
    room, parts = blocks.empty()
    for k, part, out in zip(K, blocks.parts, parts, strict=True):
        blocks.device.product(k, part, out)
    return blocks.finished(room, sums, factor())


def rectangular(
    rows: Blocks, columns: Blocks, passes: Passes, factor: Callable[[], Any]
) -> tuple[Any, Any]:
    """Return the gradients of rows and of what they are compared with: 6 B n d operations."""
    device = rows.device
    of_rows, row_parts = rows.empty()
    of_columns, column_parts = columns.empty()
    sums: Any = 0.0
    for first, last in _spans(rows, columns):
        K = _gram(rows, columns, first, last)
        passes.rows(K, first)
        sums = sums + _summed(passes.columns(K, first, False))
        for place, k in enumerate(K):
            device.product(k, columns.parts[place], row_parts[place][first:last])
            tile = rows.parts[place][first:last]
            device.product(k, tile, column_parts[place], turned="TN", onto=first > 0)
    found = factor()
    return (
        rows.finished(of_rows, passes.row_sums, found),
        columns.finished(of_columns, sums, found),
    )


def column_grid(L: int, T: int, n: int) -> tuple[tuple[int, int], dict[str, int]]:
    """Return the grid of the pass by columns; its block, shared memory and rows of a thread."""
    threads = COLUMNS
    while threads > 32 and 4 * L * threads > SHARED_BYTES:
        threads //= 2
    options = {"block": threads, "shared": 4 * L * threads, "rows": ROWS}
    return (-(-n // threads), -(-T // ROWS)), options


def _gram(rows: Blocks, columns: Blocks, first: int, last: int) -> Any:
    """Return the Gram blocks of some rows and all columns, (L, T, n)."""
    K = rows.device.cupy.empty((rows.n_dims, last - first, columns.n), np.float32)
    for k, left, right in zip(K, rows.parts, columns.parts, strict=True):
        rows.device.product(left[first:last], right, k, turned="NT")
    return K


def _spans(rows: Blocks, columns: Blocks) -> list[tuple[int, int]]:
    """Return where the tiles of rows begin and end, so that their Gram matrices fit."""
    fitting = rows.device.scratch_bytes // (4 * rows.n_dims * columns.n)
    size = max(1, min(rows.n, fitting))
    return [(first, min(first + size, rows.n)) for first in range(0, rows.n, size)]


def _cut(room: Any, B: int, edges: list[int]) -> list[Any]:
    """Return the blocks that lie in `room` one after another."""
    return [
        room[B * start : B * stop].reshape(B, stop - start)
        for start, stop in itertools.pairwise(edges)
    ]


def _summed(partial: Any) -> Any:
    """Return sums over the chunks of rows, in float64."""
    return partial.sum(axis=1, dtype=np.float64)
