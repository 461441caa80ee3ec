"""Seconds and memory on a device: one loss with its gradient, a search, transform."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from _common import ratios, spread, take_turns
from _rows import embedding_rows
from gpu_device import capabilities, measured
from gpu_library import library_search, library_transform
from gpu_work import Work
from loss_cases import Case
from loss_peers import TEMPERATURE, arrays, kernel, torch_loss

from madapt._blocks import transform_blocks
from madapt._rows import unit_rows
from madapt.adaptor import ResidualAdaptor
from madapt.losses import Objective
from madapt.neighbors import top_k

OURS, CPU = "madapt", "madapt, CPU backend"
#: Of value and gradient against PyTorch's: a pair whose difference of cosines is nothing but
#: rounding may have either sign, in both.
SAME_VALUE, SAME_GRADIENT = 1e-4, 2e-3
#: Scores that differ by less may change places.
SAME_SCORE = 1e-5


def device_rates(work: Work) -> dict[str, Any]:
    """Measure what everything else is a share of."""
    sizes = work.sizes
    found = capabilities(work.device, sizes.product, sizes.numbers, sizes.rounds)
    work.flops, work.bandwidth = found["GEMM, flop/s"][1], found["bandwidth, bytes/s"][1]
    return found


def loss_steps(work: Work) -> dict[str, Any]:
    """Measure both losses among documents."""
    B, d, dims = work.sizes.loss
    found = {}
    for name, loss in (("listwise", "listwise"), ("pairwise + top-k", "similarity")):
        what = f"loss step: {name}"
        if work.budget.has(45, what):
            found[name] = loss_step(work, Case(loss, B, d, dims), what)
    return {"B": B, "d": d, "dims": list(dims), "losses": found}


def loss_step(work: Work, case: Case, what: str) -> dict[str, Any]:
    """Measure one loss with its gradient."""
    data, backend = arrays(case), work.device.backend
    similarity = float(case.loss == "similarity")
    objective = Objective(
        case.dims,
        listwise_weight=1 - similarity,
        topk_weight=similarity,
        pairwise_weight=similarity,
        neighbor_temperature=TEMPERATURE,
        kernels=backend.kernels,
    )
    Y, S, near = (backend.asarray(data[name]) for name in ("Y", "S", "near"))
    runs = {OURS: lambda: objective.documents(Y, S, neighbors=near)}
    for name, way in work.peers.ways(work.budget, what).items():
        runs[name] = torch_step(work, case, data, way)
    found = compared(work, runs, what, flop=4.0 * case.B**2 * case.d)
    peer = next((name for name in runs if name != OURS and "seconds" in found[name]), None)
    if peer is not None and "seconds" in found[OURS]:
        value, gradient = runs[OURS]()
        one = float(value), backend.to_numpy(gradient)
        value, gradient = runs[peer]()
        other = float(value), gradient.cpu().numpy()
        found["against PyTorch"] = agreement(work, one, other, what)
    found[CPU] = on_the_cpu(work, kernel(case, data), what)
    return found


def torch_step(
    work: Work, case: Case, data: dict[str, np.ndarray], way: Callable[[Any], Any]
) -> Callable[[], Any]:
    """Return the loss in PyTorch, which returns value and gradient."""
    tensor = work.peers.tensor
    Y, near, others = tensor(data["Y"]).requires_grad_(), tensor(data["near"]), data["others"]
    loss = way(torch_loss(case, tensor(data["S"]), near, tensor(others)))

    def run() -> tuple[Any, Any]:
        Y.grad = None
        value = loss(Y)
        value.backward()
        return value.detach(), Y.grad

    return run


def agreement(work: Work, one: Any, other: Any, what: str) -> dict[str, float]:
    """Return by how much a value and a gradient differ; say so if they are not the same loss."""
    value = abs(one[0] - other[0]) / abs(other[0])
    gradient = float(np.linalg.norm(one[1] - other[1]) / np.linalg.norm(other[1]))
    if not (value < SAME_VALUE and gradient < SAME_GRADIENT):
        work.failed[f"{what}, against PyTorch"] = f"off by {value:.1e}, gradient {gradient:.1e}"
    return {"value": value, "gradient": gradient}


def searches(work: Work) -> dict[str, Any]:
    """Measure exact top-k on the device: a kernel if there is one, else product and sorting."""
    n_queries, n, d, k = work.sizes.search
    rows = embedding_rows(n + n_queries, d)
    Q, X = np.ascontiguousarray(rows[:n_queries]), np.ascontiguousarray(rows[n_queries:])
    backend = work.device.backend
    Qd, Xd = backend.asarray(Q), backend.asarray(X)
    fused = backend.kernels.get("nearest")

    def search() -> Any:
        found = fused(Qd, iter([(0, Xd)]), k, None) if fused else None
        if found is not None:
            return found[0]
        return backend.xp.argsort(Qd @ Xd.T, axis=1, descending=True)[:, :k]

    runs: dict[str, Callable[[], Any]] = {OURS: search}
    for name, way in work.peers.ways(work.budget, "top-k").items():
        pair = work.peers.tensor(Q), work.peers.tensor(X)
        searched = way(lambda Q, X: (Q @ X.T).topk(k, dim=1).indices)
        runs[name] = lambda searched=searched, pair=pair: searched(*pair)
    found = compared(work, runs, "top-k", flop=2.0 * n_queries * n * d)
    wanted = top_k(Q, X, k, "dot")[1]
    indices = backend.to_numpy(search())
    scores = np.take_along_axis(Q @ X.T, indices, axis=1)
    found["score error"] = error = float(np.abs(np.sort(scores)[:, ::-1] - wanted).max())
    if not error < SAME_SCORE:
        work.failed["top-k, against the CPU"] = f"scores are off by {error:.1e}"
    found[CPU] = on_the_cpu(work, lambda: top_k(Q, X, k, "dot"), "top-k")
    how = "kernel" if fused else "product and argsort"
    report = {"n_queries": n_queries, "n": n, "d": d, "k": k, "how": how, "runs": found}
    if work.budget.has(20, "top-k of the library"):
        report["library"] = library_search(work, Q, X, Qd, Xd, k)
    return report


def transforms(work: Work) -> dict[str, Any]:
    """Measure unit rows of the first dims of many blocks, which are made from the same rows."""
    size, blocks, d, dims = work.sizes.transform
    some = embedding_rows(min(size, 10_000), d)
    X = np.concatenate([some] * -(-size // len(some)))[:size]
    turn, _ = np.linalg.qr(np.random.default_rng(1).standard_normal((d, d)))
    rotation = turn.astype(np.float32)
    Xd = work.device.backend.asarray(X)
    found = {}
    for m in dims:
        what = f"transform to {m}"
        if work.budget.has(20, what):
            found[str(m)] = transform(work, X, Xd, rotation, m, what)
    report = {"rows": size * blocks, "rows of a block": size, "d": d, "dims": found}
    if work.budget.has(20, "transform of the library"):
        report["library"] = library_transform(work, X, Xd, dims)
    return report


def transform(
    work: Work, X: np.ndarray, Xd: Any, rotation: np.ndarray, m: int, what: str
) -> dict[str, Any]:
    """Measure one number of dims."""
    size, blocks, d, _ = work.sizes.transform
    adaptor = ResidualAdaptor(work.device.backend.asarray(rotation))

    def ours() -> None:
        for _ in range(blocks):
            unit_rows(adaptor.transform(Xd, m))

    runs: dict[str, Callable[[], Any]] = {OURS: ours}
    for name, way in work.peers.ways(work.budget, what).items():
        runs[name] = torch_transform(work, X, rotation[:, :m], way)
    n = size * blocks
    found = compared(work, runs, what, flop=2.0 * n * d * m, moved=4.0 * n * (d + m))
    there = ResidualAdaptor(rotation)
    few = min(size, 1000)
    wanted = transform_blocks(there, X[:few], m)
    rows = work.device.backend.to_numpy(unit_rows(adaptor.transform(Xd[:few, :], m)))
    found["largest error"] = error = float(np.abs(rows - wanted).max())
    if not error < 1e-5:
        work.failed[f"{what}, against the CPU"] = f"off by {error:.1e}"
    cpu = on_the_cpu(work, lambda: transform_blocks(there, X, m), what)
    if cpu is not None:
        # One block is enough to tell how long all of them take.
        found[CPU] = {"seconds": [blocks * s for s in cpu["seconds"]]}
    return found


def torch_transform(
    work: Work, X: np.ndarray, columns: np.ndarray, way: Callable[[Any], Any]
) -> Callable[[], None]:
    """Return the same in PyTorch."""
    torch, tensor = work.peers.torch, work.peers.tensor
    there, W = tensor(X), tensor(np.ascontiguousarray(columns))
    made = way(lambda X, W: torch.nn.functional.normalize(X @ W, dim=1))

    def run() -> None:
        with torch.no_grad():
            for _ in range(work.sizes.transform[1]):
                made(there, W)

    return run


def compared(
    work: Work, runs: dict[str, Callable[[], Any]], what: str, *, flop: float, moved: float = 0.0
) -> dict[str, Any]:
    """Measure all in turn; add ratios to ours, and the share of what the device can do.

    `flop` and `moved` are the operations and the bytes that nobody can do without.
    """
    found = measured(work.device, runs, work.sizes.rounds)
    for name, part in found.items():
        if "failed" in part:
            work.failed[f"{what}: {name}"] = part["failed"]
    seconds = {name: part.pop("rounds") for name, part in found.items() if "rounds" in part}
    least = max(flop / work.flops, moved / work.bandwidth if moved else 0.0)
    for name in seconds:
        found[name]["share of the device"] = least / found[name]["seconds"][1]
        if OURS in seconds and name != OURS:
            found[name]["times ours"] = ratios(seconds, name, OURS)
    return found


def on_the_cpu(work: Work, run: Callable[[], Any], what: str) -> dict[str, Any] | None:
    """Measure the CPU backend with all its cores, if there is time."""
    if not work.budget.has(15, f"{what}: {CPU}"):
        return None
    seconds = take_turns({CPU: run}, 3)[CPU][1:]  # the first warms up
    return {"seconds": spread(seconds)}
