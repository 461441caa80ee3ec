"""What a user calls, on arrays of a device: `transform` of a fitted model and `top_k`."""

from __future__ import annotations

from typing import Any

import numpy as np
from gpu_device import measured
from gpu_work import Work

from madapt import MatryoshkaAdaptor
from madapt.neighbors import top_k

#: Of unit rows and of cosines.
SAME = 1e-5


def library_transform(work: Work, X: np.ndarray, Xd: Any, dims: tuple[int, ...]) -> dict[str, Any]:
    """Measure a fitted model's `transform` of rows on the device, which stay there."""
    model = MatryoshkaAdaptor(max_iter=1, guard=False, random_state=0).fit(X[:2000])
    found: dict[str, Any] = {"arrays": f"{type(Xd).__module__}, on {Xd.device}"}
    runs = {str(m): lambda m=m: model.transform(Xd, dim=m) for m in dims}
    found["dims"] = measured(work.device, runs, work.sizes.rounds)
    few = min(len(X), 1000)
    for m in dims:
        there = work.device.backend.to_numpy(model.transform(Xd[:few, :], dim=m))
        error = float(np.abs(there - model.transform(X[:few], dim=m)).max())
        found["dims"][str(m)]["largest error"] = error
        if not error < SAME:
            work.failed[f"transform to {m}, of the library"] = f"off by {error:.1e}"
    return found


def library_search(
    work: Work, Q: np.ndarray, X: np.ndarray, Qd: Any, Xd: Any, k: int
) -> dict[str, Any]:
    """Measure `top_k` of rows on the device, which says where they are in the report."""
    found: dict[str, Any] = {"arrays": f"{type(Xd).__module__}, on {Xd.device}"}
    run = {"top_k": lambda: top_k(Qd, Xd, k)}
    found |= measured(work.device, run, work.sizes.rounds)["top_k"]
    scores = work.device.backend.to_numpy(top_k(Qd, Xd, k)[1])
    found["score error"] = error = float(np.abs(scores - top_k(Q, X, k)[1]).max())
    if not error < SAME:
        work.failed["top-k, of the library"] = f"scores are off by {error:.1e}"
    return found
