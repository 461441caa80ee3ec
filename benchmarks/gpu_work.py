"""What the sections of benchmarks/gpu.py share: sizes, time, the device, what went wrong."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import Any

from gpu_cases import Sizes as Batch
from gpu_device import Device
from loss_cases import TWELVE

#: Twelve dims of 1,536.
LONG = (8, 16, 32, 64, 128, 256, 384, 512, 768, 1024, 1280, 1536)
BATCH = Batch(256, 768, 768, TWELVE)


def all_kept(steps: int) -> dict[str, Any]:
    """Return parameters of a fit whose last state is kept: the start would compare nothing."""
    return {"max_iter": steps, "guard": False, "early_stopping": False}


@dataclass(frozen=True)
class Sizes:
    """Everything that is smaller in a dry run; the default is what a GPU gets."""

    #: Seconds for the whole, for the first compilation, and after which no more is compiled.
    limit: float = 480.0
    first_compiled: float = 60.0
    compiling: float = 120.0
    rounds: int = 7
    #: Of the product, and of the array that is read and written, for the measured rates.
    product: int = 8192
    numbers: int = 2**28
    #: What is compared with the reference: a batch, a fit of (n, d), its parameters.
    batch: Batch = BATCH
    compared_fit: tuple[int, int] = (2500, 64)
    compared_parameters: dict[str, Any] = field(default_factory=lambda: all_kept(40))
    #: B, d and dims of a loss.
    loss: tuple[int, int, tuple[int, ...]] = (8192, 1536, LONG)
    #: Queries, rows, d and k of a search.
    search: tuple[int, int, int, int] = (2000, 200_000, 768, 10)
    #: Rows of a block, blocks, d and dims of transform.
    transform: tuple[int, int, int, tuple[int, ...]] = (250_000, 40, 768, (16, 64, 256))
    #: Rows and d of a fit, and its parameters.
    fit: tuple[int, int] = (1_000_000, 768)
    fit_parameters: dict[str, Any] = field(default_factory=dict)


FULL = Sizes()
#: Sizes that show nothing but that all of it runs.
DRY = Sizes(
    limit=math.inf,  # a busy machine is slow, and leaves nothing out for that
    first_compiled=5.0,
    compiling=10.0,
    rounds=2,
    product=64,
    numbers=2**12,
    batch=Batch(40, 96, 24, (4, 8, 24)),
    compared_fit=(300, 24),
    compared_parameters=all_kept(12),
    loss=(64, 24, (4, 8, 24)),
    search=(20, 300, 24, 10),
    transform=(200, 2, 24, (4, 8)),
    fit=(600, 24),
    fit_parameters={"max_iter": 4},
)


@dataclass
class Budget:
    """Seconds for the whole, and what there was no time for."""

    limit: float
    left_out: dict[str, str] = field(default_factory=dict)
    began: float = field(default_factory=time.perf_counter)

    @property
    def spent(self) -> float:
        """Seconds since the beginning."""
        return time.perf_counter() - self.began

    def has(self, seconds: float, what: str) -> bool:
        """Say whether there is time for something, and note it where there is not."""
        left = self.limit - self.spent
        if left >= seconds:
            return True
        self.left_out[what] = f"{left:.0f} s were left, {seconds:.0f} s are set aside for it"
        return False


@dataclass
class Work:
    """One run of the benchmark."""

    device: Device
    peers: Any
    sizes: Sizes
    budget: Budget
    failed: dict[str, str] = field(default_factory=dict)
    #: Measured: operations of a float32 product and bytes of memory a second.
    flops: float = float("nan")
    bandwidth: float = float("nan")
