"""What one thread of this machine does a second, and a cost model fitted to that.

Part of ``python benchmarks/scale.py``. Seconds are the processor's, medians of several, but for
files, whose bytes are waited for. Rows are made up. What the constants are fitted to and what they
are then held against are different shapes; whole fits and the large file are never fitted to.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from _rows import embedding_rows
from scale_files import disk_rates, large_file
from scale_model import (
    fit_counts,
    fit_seconds,
    fitted_overhead,
    fitted_pair,
    search_seconds,
    transform_seconds,
)
from scale_network import message_bytes

from madapt import MatryoshkaAdaptor
from madapt._blocks import rows_at_once
from madapt.adaptor import ResidualAdaptor
from madapt.neighbors import top_k

#: Coordinates and dims that the constants are fitted to, and others.
SHAPES = [(d, m) for d in (384, 768, 1536) for m in (64, 256)]
OTHERS = [(512, 128), (1024, 32), (1024, 192), (384, 16)]
#: Rows and coordinates of starts, of steps and guard; then those of whole fits.
STARTS = [(n, d) for n in (5000, 20_000) for d in (384, 768, 1536)]
TRAINED = [(10_000, d) for d in (384, 768, 1536)]
FITS = [(20_000, 512), (6000, 1024), (40_000, 384)]
#: Queries, documents and dims of searches.
SEARCHES = [(1000, 100_000, 64), (1000, 100_000, 384)]
OTHER_SEARCHES = [(1000, 100_000, 128), (1000, 50_000, 768)]
FEW_STEPS, MORE_STEPS = 20, 60
MATRIX_BYTES, MEMORY_BYTES = 300e6, 200e6
QUICK_SHAPES, QUICK_OTHERS, QUICK_FITS = [(96, 16), (128, 32)], [(112, 24)], [(500, 96), (600, 128)]


def processor_seconds(run: Callable[[], Any], rounds: int = 1) -> float:
    """Return the median of the processor's seconds of a call, with several after a first."""
    seconds = []
    for _ in range(rounds + (rounds > 1)):
        began = time.process_time()
        run()
        seconds.append(time.process_time() - began)
    return float(np.median(seconds[-rounds:]))


def products_rate(shapes: list[tuple[int, int]]) -> dict[str, float]:
    """Return operations a second of the products that `transform` makes of a block."""

    def multiply(X: np.ndarray, W: np.ndarray, out: np.ndarray, times: int) -> None:
        for _ in range(times):
            np.matmul(X, W, out=out)

    found = {}
    for d, m in shapes:
        adaptor = ResidualAdaptor(np.eye(d, dtype=np.float32))
        rows = rows_at_once(adaptor, d, m, np.dtype(np.float32))
        X, W = np.ones((rows, d), np.float32), np.ones((d, m), np.float32)
        times = max(1, int(1e9 / (rows * d * m)))
        out = np.empty((rows, m), np.float32)
        seconds = processor_seconds(partial(multiply, X, W, out, times), 5)
        found[f"{d} to {m}"] = 2.0 * rows * d * m * times / max(seconds, 1e-9)
    return found


def memory_rate(size: float) -> float:
    """Return bytes a second, read and written, of a copy."""
    A = np.ones(int(size) // 4, np.float32)
    B = np.empty_like(A)
    return 2.0 * A.nbytes / max(processor_seconds(lambda: np.copyto(B, A), 5), 1e-9)


def transforms(shapes: list[tuple[int, int]], size: float) -> list[dict[str, Any]]:
    """Return seconds of `transform` of rows in memory and of a memory map of a cached file."""
    found = []
    for d, m in shapes:
        n = int(size) // (4 * d)
        base = embedding_rows(1000, d)
        X = np.tile(base, (-(-n // 1000), 1))[:n]
        model = MatryoshkaAdaptor(rotation="svd", hidden_dim=None, guard=False).fit(base)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "X.npy"
            np.save(path, X)
            for kind, rows in (("memory", X), ("memmap", np.load(path, mmap_mode="r"))):
                seconds = processor_seconds(partial(model.transform, rows, dim=m), 5)
                found.append({"kind": kind, "n": n, "d": d, "m": m, "seconds": seconds})
        print(found[-2:], flush=True)
    return found


def fit_parts(starts: list[Any], trained: list[Any]) -> dict[str, list[dict[str, Any]]]:
    """Return seconds of starts alone, and of a step and of the guard as differences of fits."""

    def fit(X: np.ndarray, steps: int, guard: bool) -> float:
        k = min(256, X.shape[1])
        model = MatryoshkaAdaptor(max_iter=steps, guard=guard, rotation_dims=k, random_state=0)
        return processor_seconds(partial(model.fit, X))

    found: dict[str, list[dict[str, Any]]] = {"starts": [], "trained": []}
    for n, d in starts:
        X = embedding_rows(n, d)
        model = MatryoshkaAdaptor(rotation="svd", hidden_dim=None, guard=False)
        seconds = processor_seconds(partial(model.fit, X))
        found["starts"].append({"n": n, "d": d, "seconds": seconds})
    for n, d in trained:
        X = embedding_rows(n, d)
        few, more, guarded = (
            fit(X, FEW_STEPS, False),
            fit(X, MORE_STEPS, False),
            fit(X, FEW_STEPS, True),
        )
        step = (more - few) / (MORE_STEPS - FEW_STEPS)
        found["trained"].append({"n": n, "d": d, "step": step, "guard": guarded - few})
        print(found["trained"][-1], flush=True)
    return found


def whole_fits(shapes: list[tuple[int, int]], quick: bool) -> list[dict[str, Any]]:
    """Return seconds of default fits, and what the guard kept."""
    found = []
    for n, d in shapes:
        X = embedding_rows(n, d)
        more = {"max_iter": FEW_STEPS} if quick else {}
        model = MatryoshkaAdaptor(random_state=0, **more)
        seconds = processor_seconds(partial(model.fit, X))
        kept = model.validation_scores_["kept"][0]
        found.append({"n": n, "d": d, "seconds": seconds, "kept": kept})
        print(found[-1], flush=True)
    return found


def searches(shapes: list[tuple[int, int, int]]) -> list[dict[str, Any]]:
    """Return seconds of exact searches."""
    found = []
    for q, n, m in shapes:
        X = np.random.default_rng(0).standard_normal((n, m), dtype=np.float32)
        seconds = processor_seconds(partial(top_k, X[:q], X, 10), 3)
        found.append({"q": q, "n": n, "m": m, "seconds": seconds})
    return found


def constants_of(found: dict[str, Any]) -> dict[str, float]:
    """Fit the model's constants to what was measured for them."""
    rates = {"products": float(np.median(list(found["products"].values()))), **found["disk"]}
    rates["memory"] = found["memory"]
    for kind in ("memory", "memmap"):
        runs = [run for run in found["transforms"] if run["kind"] == kind]
        ideal = rates | {f"transform, {kind}": 1.0}
        counted = [transform_seconds(ideal, kind, r["n"], r["d"], r["m"]) for r in runs]
        rates[f"transform, {kind}"] = fitted_overhead(counted, [r["seconds"] for r in runs])
    starts, trained = found["fit parts"]["starts"], found["fit parts"]["trained"]
    pairs = [
        [
            fit_counts(r["n"], r["d"])[name] / rates["products"]
            for name in ("X^T X", "decomposition")
        ]
        for r in starts
    ]
    rates["X^T X"], rates["decomposition"] = fitted_pair(pairs, [r["seconds"] for r in starts])
    for name, part in (("steps", "step"), ("guard", "guard")):
        counted = [fit_counts(r["n"], r["d"], 1)[name] / rates["products"] for r in trained]
        rates[name] = fitted_overhead(counted, [r[part] for r in trained])
    counted = [
        search_seconds(rates | {"search": 1.0}, r["q"], r["n"], r["m"]) for r in found["searches"]
    ]
    rates["search"] = fitted_overhead(counted, [r["seconds"] for r in found["searches"]])
    return rates


def held_against(rates: dict[str, float], quick: bool) -> dict[str, Any]:
    """Measure other shapes and return them with what the model says."""
    steps = FEW_STEPS if quick else None
    shapes = QUICK_OTHERS if quick else OTHERS
    found: dict[str, Any] = {
        "transforms": transforms(shapes, MATRIX_BYTES / 300 if quick else MATRIX_BYTES),
        "fits": whole_fits([(700, 112)] if quick else FITS, quick),
        "searches": searches([(20, 500, 24)] if quick else OTHER_SEARCHES),
    }
    for run in found["transforms"]:
        run["model"] = transform_seconds(rates, run["kind"], run["n"], run["d"], run["m"])
    for run in found["fits"]:
        more = {"steps": steps} if steps else {}
        run["model"] = fit_seconds(rates, run["n"], run["d"], **more)
    for run in found["searches"]:
        run["model"] = search_seconds(rates, run["q"], run["n"], run["m"])
    return found | {"file": large_file(rates, quick)}


def measured(quick: bool) -> dict[str, Any]:
    """Measure, fit the constants, and measure what they are held against."""
    MatryoshkaAdaptor(max_iter=2).fit(embedding_rows(500, 128))  # compiled and loaded
    shapes = QUICK_SHAPES if quick else SHAPES
    found: dict[str, Any] = {
        "products": products_rate(shapes),
        "memory": memory_rate(MEMORY_BYTES / 100 if quick else MEMORY_BYTES),
        "disk": disk_rates(2_000_000 if quick else 10**9),
        "transforms": transforms(shapes, MATRIX_BYTES / 300 if quick else MATRIX_BYTES),
        "fit parts": fit_parts(QUICK_FITS if quick else STARTS, QUICK_FITS if quick else TRAINED),
        "searches": searches([(20, 400, 16)] if quick else SEARCHES),
        "messages": message_bytes(),
    }
    found["constants"] = constants_of(found)
    print(found["constants"], flush=True)
    found["held against"] = held_against(found["constants"], quick)
    return found
