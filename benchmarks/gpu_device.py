"""The device that benchmarks/gpu.py measures: what it can do, its clock, its memory, its time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from _common import high_water_mark, reset_high_water_mark, spread, take_turns

from madapt.backends import Backend, get_backend, register

#: Name under which the stand-in's backend is registered.
STAND_IN = "stand-in"


@dataclass(frozen=True)
class Device:
    """A backend on a device, and what a measurement must know about it."""

    backend: Backend
    name: str
    #: What PyTorch calls the same device.
    torch_name: str
    #: Waits until the device has done all it was told.
    wait: Callable[[], None]
    #: Bytes that this process has taken of its memory.
    taken: Callable[[], int]
    #: Gives back what is not in use, and counts from there.
    release: Callable[[], Any]


def gpu() -> Device:
    """Return the current CUDA device; raises ValueError with the reason where there is none."""
    backend = get_backend("cupy")
    import cupy

    pool = cupy.get_default_memory_pool()
    torch = torch_with("cuda")

    def taken() -> int:
        return pool.total_bytes() + (torch.cuda.memory_reserved() if torch else 0)

    def release() -> None:
        pool.free_all_blocks()
        if torch:
            torch.cuda.empty_cache()

    properties = cupy.cuda.runtime.getDeviceProperties(cupy.cuda.Device().id)
    return Device(
        backend,
        properties["name"].decode(),
        "cuda",
        cupy.cuda.Device().synchronize,  # whatever stream, PyTorch's too
        taken,
        release,
    )


def stand_in() -> Device:
    """Return the CPU in place of a device: arrays that NumPy cannot read until they are moved."""
    import array_api_strict as strict

    class StrictBackend(Backend):
        """Arrays that know the array API alone."""

        name = STAND_IN
        xp = strict
        device = strict.Device("device1")

        def asarray(self, X: Any) -> Any:
            return strict.asarray(X, device=self.device)

        def to_numpy(self, X: Any) -> np.ndarray:
            return np.asarray(X.to_device(strict.Device("CPU_DEVICE")))

    register(STAND_IN, StrictBackend)
    name = "array_api_strict on the CPU, in place of a GPU"
    backend = get_backend(STAND_IN)
    return Device(backend, name, "cpu", lambda: None, high_water_mark, reset_high_water_mark)


def torch_with(device: str) -> Any:
    """Return PyTorch if it is installed and can use the device, else None."""
    try:
        import torch
    except ImportError:
        return None
    return torch if device == "cpu" or torch.cuda.is_available() else None


def one_line(error: BaseException) -> str:
    """Return the first line of what an error says, with its class."""
    lines = str(error).strip().splitlines() or ["no message"]
    return f"{type(error).__name__}: {lines[0][:200]}"


@dataclass
class Peak:
    """The most bytes taken above what there was at the beginning."""

    bytes: int = 0


@contextmanager
def peak_memory(device: Device) -> Iterator[Peak]:
    """Watch the device's memory in the block; what it holds when the block ends counts, too.

    Pools keep what they were given, so that a single call needs no samples; a fit gives its
    memory back before it returns, and is sampled every 20 ms.
    """
    device.release()
    before, peak, done = device.taken(), Peak(), threading.Event()

    def sample() -> None:
        peak.bytes = max(peak.bytes, device.taken() - before)

    def watch() -> None:
        while not done.wait(0.02):
            sample()

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        done.set()
        thread.join()
        sample()


def measured(
    device: Device, runs: dict[str, Callable[[], Any]], rounds: int
) -> dict[str, dict[str, Any]]:
    """Let all take turns after a call that warms up and one whose peak memory counts.

    Returns by name either least, median and largest of the seconds and the bytes, or the reason
    why it failed; the others are measured all the same.
    """

    def waited(run: Callable[[], Any]) -> Callable[[], None]:
        def whole() -> None:
            run()
            device.wait()

        return whole

    whole = {name: waited(run) for name, run in runs.items()}
    found: dict[str, dict[str, Any]] = {}
    for name in list(whole):
        try:
            whole[name]()
            with peak_memory(device) as peak:
                whole[name]()
            found[name] = {"bytes": peak.bytes}
        except Exception as error:  # a peer's classes are many
            found[name] = {"failed": one_line(error)}
            del whole[name]
    for name, seconds in take_turns(whole, rounds).items():
        found[name]["seconds"] = spread(seconds)
        found[name]["rounds"] = seconds
    return found


def capabilities(device: Device, n: int, length: int, rounds: int) -> dict[str, Any]:
    """Measure a float32 product of n x n, and adding 1 to about `length` numbers."""
    backend, generator = device.backend, np.random.default_rng(0)
    A, B = (backend.asarray(generator.standard_normal((n, n), dtype=np.float32)) for _ in "AB")
    X = backend.xp.reshape(backend.xp.concat([A] * -(-length // n**2), axis=0), (-1,))
    found = measured(device, {"product": lambda: A @ B, "sum": lambda: X + 1.0}, rounds)
    for name, part in found.items():
        if "failed" in part:
            raise RuntimeError(f"{name}: {part['failed']}")
    product, copied = (found[name]["rounds"] for name in ("product", "sum"))
    return {
        "n": n,
        "numbers": int(X.shape[0]),
        "GEMM, flop/s": spread([2.0 * n**3 / s for s in product]),
        "bandwidth, bytes/s": spread([8.0 * X.shape[0] / s for s in copied]),
    }
