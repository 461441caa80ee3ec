"""What benchmarks/loss.py compares: bare products, the kernels, PyTorch."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
from loss_cases import Case

TEMPERATURE = 0.05


def arrays(case: Case) -> dict[str, np.ndarray]:
    """Make rows with a falling spectrum, their targets and their neighbours."""
    generator = np.random.default_rng(0)
    scales = np.linspace(3, 0.1, case.d, dtype=np.float32)
    X = generator.standard_normal((case.columns, case.d), dtype=np.float32) * scales
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    Y = X + 0.3 / case.d**0.5 * generator.standard_normal(X.shape, dtype=np.float32)
    S = X[: case.B] @ X.T
    near = np.partition(S, -12, axis=1)[:, -12:-11] < S
    others = np.ones(S.shape, dtype=bool)
    np.fill_diagonal(others, False)
    return {"Y": Y, "S": S, "near": near & others, "others": others}


def products(case: Case, data: dict[str, np.ndarray]) -> Callable[[], Any]:
    """Two products, one forward and one back."""
    Y = data["Y"]
    rows = Y[: case.B].copy()  # another array, or NumPy would use the symmetry
    gram, back = np.empty_like(data["S"]), np.empty_like(rows)

    def run() -> None:
        np.matmul(rows, Y.T, out=gram)
        np.matmul(gram, Y, out=back)

    return run


def kernel(case: Case, data: dict[str, np.ndarray]) -> Callable[[], Any]:
    """The loss as training calls it."""
    from madapt.backends import get_backend
    from madapt.losses import Objective

    similarity = case.loss == "similarity"
    objective = Objective(
        case.dims,
        listwise_weight=float(not similarity),
        topk_weight=float(similarity),
        pairwise_weight=float(similarity),
        neighbor_temperature=TEMPERATURE,
        kernels=get_backend("numba").kernels,
    )
    options: dict[str, Any] = {"neighbors": data["near"]}
    if case.n:
        options |= {"columns": data["Y"], "pairs": data["others"]}
    return lambda: objective.documents(data["Y"][: case.B], data["S"], **options)


def torch_eager(
    case: Case, data: dict[str, np.ndarray], compiled: bool = False
) -> Callable[[], Any]:
    """The loss as one would write it in PyTorch, with automatic differentiation."""
    import torch

    torch.set_num_threads(int(os.environ["OPENBLAS_NUM_THREADS"]))
    Y, S = torch.from_numpy(data["Y"]).requires_grad_(), torch.from_numpy(data["S"])
    near, others = torch.from_numpy(data["near"]), torch.from_numpy(data["others"])
    loss = torch_loss(case, S, near, others)
    function = torch.compile(loss) if compiled else loss

    def run() -> tuple[float, np.ndarray]:
        Y.grad = None
        value = function(Y)
        value.backward()
        return value.item(), Y.grad.numpy()

    return run


def torch_loss(case: Case, S: Any, near: Any, others: Any) -> Callable[[Any], Any]:
    """Return rows Y -> the loss, for tensors on any device."""
    import torch

    log_p = (S / TEMPERATURE).masked_fill(~others, -torch.inf).log_softmax(1)
    p, log_p = log_p.exp(), log_p.masked_fill(~others, 0)
    share = others / others.sum() + near / near.sum()

    def loss(Y: Any) -> Any:
        total = 0.0
        for m in case.dims:
            Z = torch.nn.functional.normalize(Y[:, :m], dim=1)
            C = Z[: case.B] @ Z.T
            if case.loss == "similarity":
                total = total + (share * (S - C).abs()).sum()
            else:
                log_q = (C / TEMPERATURE).masked_fill(~others, -torch.inf).log_softmax(1)
                total = total + (p * (log_p - log_q.masked_fill(~others, 0))).sum() / case.B
        return total / len(case.dims)

    return loss


def torch_compiled(case: Case, data: dict[str, np.ndarray]) -> Callable[[], Any]:
    """The same through `torch.compile`."""
    return torch_eager(case, data, compiled=True)


MAKERS = {
    "products": products,
    "kernel": kernel,
    "torch": torch_eager,
    "torch.compile": torch_compiled,
}
