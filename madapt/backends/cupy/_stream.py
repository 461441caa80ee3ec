"""Rows that stream through devices: pinned memory, two slots, a stream of its own for copies."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from madapt.backends.cupy._device import Device

__all__ = ["Uploads", "stream"]


class Uploads:
    """Bring blocks of rows to the current device while it works on the block before.

    Parameters
    ----------
    device : Device
    rows, d : int
        The most rows of a block, and its columns.
    dtype : dtype
        Of the blocks.
    """

    def __init__(self, device: Device, rows: int, d: int, dtype: Any) -> None:
        cuda = device.cupy.cuda
        self.rows = rows
        self.cuda, self.copying = cuda, cuda.Stream(non_blocking=True)
        # Pinned memory, room on the device, copied from the one, read in the other.
        self.slots = [
            (
                device.pinned((rows, d), dtype),
                device.cupy.empty((rows, d), dtype),
                cuda.Event(disable_timing=True),
                cuda.Event(disable_timing=True),
            )
            for _ in range(2)
        ]

    def __call__(self, block: np.ndarray) -> Any:
        """Return the block on the device; the current stream waits for it, the host does not."""
        pinned, room, copied, _ = self.slots[0]
        copied.synchronize()
        np.copyto(pinned[: len(block)], block)
        self.copying.wait_event(self.slots[0][3])
        room[: len(block)].set(pinned[: len(block)], stream=self.copying)
        copied.record(self.copying)
        self.cuda.get_current_stream().wait_event(copied)
        return room[: len(block)]

    def used(self) -> None:
        """Say that all that reads the last block waits in the current stream."""
        self.slots[0][3].record(self.cuda.get_current_stream())
        self.slots.reverse()


class _Downloads:
    """Take results to pinned memory; a slot is read before it is written again."""

    def __init__(self, device: Device, rows: int, width: int, dtype: Any) -> None:
        self.cuda = device.cupy.cuda
        self.slots = [
            (device.pinned((rows, width), dtype), self.cuda.Event(disable_timing=True))
            for _ in range(2)
        ]

    def __call__(self, Z: Any) -> Callable[[], np.ndarray]:
        """Begin; what is returned waits for the end."""
        pinned, done = self.slots[0]
        self.slots.reverse()
        found, current = pinned[: Z.shape[0]], self.cuda.get_current_stream()
        Z.get(stream=current, out=found, blocking=False)
        done.record(current)

        def wait() -> np.ndarray:
            done.synchronize()
            return found

        return wait


def stream(
    device: Device,
    blocks: Iterable[tuple[int, np.ndarray]],
    rows: int,
    shape: tuple[int, int],
    dtype: Any,
    make: Callable[[], Callable[[Any], Any]],
    take: Callable[[int, np.ndarray], None],
) -> None:
    """Have blocks of rows computed on the devices and hand over the results, in order.

    Parameters
    ----------
    device : Device
        Blocks are dealt to its `devices` in turn.
    blocks : iterable of (start, array of shape (up to `rows`, d))
        What to compute from; a block may be overwritten once the next one is asked for.
    rows : int
        The most rows of a block.
    shape : tuple of int
        Columns that come in, and that go out.
    dtype : dtype
        Of both.
    make : function
        Makes what turns a block on the current device into its result there; called once a
        device.
    take : function
        Takes where a block began and its result, memory that a later one overwrites.
    """
    lines: list[Any] = []
    for which in device.ids():
        with device.at(which):
            both = Uploads(device, rows, shape[0], dtype), _Downloads(device, rows, shape[1], dtype)
            lines.append((which, make(), *both))
    pending: deque[tuple[int, Callable[[], np.ndarray]]] = deque()
    for turn, (start, block) in enumerate(blocks):
        which, work, up, down = lines[turn % len(lines)]
        with device.at(which):
            Z = work(up(block))
            up.used()
            pending.append((start, down(Z)))
        if len(pending) > len(lines):
            begun, wait = pending.popleft()
            take(begun, wait())
    for begun, wait in pending:
        take(begun, wait())
