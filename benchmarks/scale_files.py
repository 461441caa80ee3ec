"""Files of `python benchmarks/scale.py`: the disk's rates, and the largest run, end to end."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from _rows import embedding_rows
from scale_model import (
    SAMPLE,
    STEPS,
    file_seconds,
    fit_seconds,
    sample_seconds,
    transform_seconds,
)

from madapt import MatryoshkaAdaptor
from madapt.io import transform_file

#: Rows, coordinates and dims of the largest run, and of a quick one.
LARGE, QUICK = (1_000_000, 768, 64), (2000, 96, 16)
BLOCK, NOISE = 20_000, 0.5


def forget(path: Path) -> None:
    """Have the system drop a file from its cache, where it can."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def disk_rates(size: int, rounds: int = 3) -> dict[str, float]:
    """Return bytes a second, waited for, best of several: flushed, and read with nothing cached."""
    block = np.random.default_rng(0).bytes(min(size, 16 * 2**20))
    found = {"write": 0.0, "read": 0.0}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bytes"
        for _ in range(rounds):
            began = time.perf_counter()
            with path.open("wb") as file:
                for _ in range(max(1, size // len(block))):
                    file.write(block)
                file.flush()
                os.fsync(file.fileno())
            written = time.perf_counter()
            found["write"] = max(found["write"], path.stat().st_size / (written - began))
            forget(path)
            began = time.perf_counter()
            with path.open("rb", buffering=0) as file:
                while file.read(16 * 2**20):
                    pass
            seconds = time.perf_counter() - began
            found["read"] = max(found["read"], path.stat().st_size / seconds)
    return found


def write_rows(path: Path, n: int, d: int) -> None:
    """Write distinct rows: made-up ones again and again, each time with other noise."""
    X = np.lib.format.open_memmap(path, "w+", np.float32, (n, d))
    base, generator = embedding_rows(min(n, BLOCK), d), np.random.default_rng(1)
    for start in range(0, n, BLOCK):
        rows = base[: n - start]
        noise = generator.standard_normal(rows.shape, dtype=np.float32)
        X[start : start + BLOCK] = rows + np.float32(NOISE / d**0.5) * noise
    X.flush()


def both_clocks(run: Callable[[], Any]) -> tuple[Any, dict[str, float]]:
    """Return what a call returns, with its seconds and the processor's."""
    began, used = time.perf_counter(), time.process_time()
    found = run()
    seconds = time.perf_counter() - began
    return found, {"seconds": seconds, "processor": time.process_time() - used}


def large_file(rates: dict[str, float], quick: bool) -> dict[str, Any]:
    """Fit from a file of many rows and transform it into another; nothing of it is cached."""
    n, d, m = QUICK if quick else LARGE
    more = {"max_iter": 20} if quick else {}
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "corpus.npy"
        write_rows(source, n, d)
        forget(source)
        adaptor = MatryoshkaAdaptor(random_state=0, **more)
        model, fit = both_clocks(lambda: adaptor.fit(np.load(source, mmap_mode="r")))
        forget(source)
        small = Path(folder) / "small.npy"
        found, transform = both_clocks(lambda: transform_file(model, source, small, dim=m))
    steps = more.get("max_iter", STEPS)
    # On an idle machine a call takes what the processor does and what the disk is waited for.
    fit["model, processor"] = fit_seconds(rates, min(n, SAMPLE), d, steps)
    fit["model"] = fit["model, processor"] + sample_seconds(rates, n, d)
    transform["model, processor"] = transform_seconds(rates, "memmap", n, d, m)
    transform["model"] = file_seconds(rates, n, d, m)
    print(fit, transform, flush=True)
    kept = model.validation_scores_["kept"][0]
    shape = {"n": n, "d": d, "m": m, "rows found": int(found.shape[0])}
    return shape | {"kept": kept, "fit": fit, "transform": transform}
