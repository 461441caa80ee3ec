"""PyTorch on the device of benchmarks/gpu.py: eager, and compiled where that works."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from _common import installed
from gpu_device import Device, torch_with
from gpu_work import Budget

EAGER, COMPILED = "PyTorch", "torch.compile"
#: What a compiler must manage: a reduction with its gradient.
PROBE = """
import torch
f = torch.compile(lambda x: torch.nn.functional.normalize(x, dim=1).sum())
f(torch.ones(4, 4, device="{device}", requires_grad=True)).backward()
"""


class Peers:
    """PyTorch's ways to run a function, by name.

    Parameters
    ----------
    device : Device
        Where.
    first, seconds : float
        How long a first, small compilation may take, and after how many nothing more is compiled.
    """

    def __init__(self, device: Device, first: float, seconds: float) -> None:
        self.device, self.seconds, self.compiling = device, seconds, 0.0
        self.torch = torch_with(device.torch_name)
        #: Why a way is not among them.
        self.missing: dict[str, str] = {}
        if self.torch is None:
            reason = "not installed" if not installed("torch") else "cannot use the device"
            self.missing = dict.fromkeys((EAGER, COMPILED), reason)
            return
        reason = why_not_compiled(device.torch_name, first)
        if reason:
            self.missing[COMPILED] = reason

    def tensor(self, X: np.ndarray) -> Any:
        """Return an array on the device."""
        return self.torch.from_numpy(X).to(self.device.torch_name)

    def ways(self, budget: Budget, what: str) -> dict[str, Callable[[Any], Any]]:
        """Return by name what is done to a function before it runs."""
        found: dict[str, Callable[[Any], Any]] = {}
        if EAGER not in self.missing:
            found[EAGER] = lambda function: function
        if COMPILED not in self.missing:
            if self.compiling > self.seconds:
                said = f"{self.compiling:.0f} s went into compiling"
                budget.left_out[f"{what}: {COMPILED}"] = said
            else:
                found[COMPILED] = self._compiled
        return found

    def _compiled(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function compiled for the sizes that it is called with."""
        made, calls = self.torch.compile(function, dynamic=False), [0.0]

        def run(*arguments: Any) -> Any:
            # From the first call to the second, because the way back is compiled in between.
            if len(calls) < 3:
                calls.append(time.perf_counter())
                self.compiling += calls[2] - calls[1] if len(calls) == 3 else 0.0
            return made(*arguments)

        return run


def why_not_compiled(device: str, seconds: float) -> str | None:
    """Try `torch.compile` in a process of its own; return why it cannot be used, or None."""
    # One process alone, so that none of its helpers is left when its time is over.
    environment = os.environ | {"TORCHINDUCTOR_COMPILE_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, "-c", PROBE.format(device=device)],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        _, said = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return f"a function of one line was not compiled after {seconds:.0f} s"
    if process.returncode:
        return next((line for line in reversed(said.splitlines()) if line.strip()), "failed")[:200]
    return None


@dataclass(frozen=True)
class Steps:
    """What the steps of a fit without labels do."""

    steps: int
    rows: int
    columns: int
    #: Leading coordinates that turn, and the prefixes among them.
    k: int
    dims: tuple[int, ...]
    temperature: float
    prefix_temperature: float
    learning_rate: float


def learn_rotation(peers: Peers, X: Any, plan: Steps, way: Callable[[Any], Any]) -> Any:
    """Learn a rotation as madapt does, with automatic differentiation; return it, (k, k).

    The start is that of the eigenvectors of X^T X; a step is Adam on the skew tangent, a
    polynomial retraction and one Newton-Schulz iteration. X, shape (n, d), has unit rows.
    """
    torch = peers.torch
    vectors = torch.linalg.eigh(X.T @ X).eigenvectors.flip(1)
    U = X @ vectors[:, : plan.k]
    P = torch.eye(plan.k, device=X.device)
    mean, square = torch.zeros_like(P), torch.zeros_like(P)
    others = torch.ones(plan.rows, plan.columns, dtype=torch.bool, device=X.device)
    others.fill_diagonal_(False)
    loss = way(_step_loss(torch, plan, others))
    for step in range(1, plan.steps + 1):
        index = torch.randperm(len(X), device=X.device)[: plan.columns]
        T, P = X[index], P.detach().requires_grad_()
        loss(U[index], T[: plan.rows] @ T.T, P).backward()
        with torch.no_grad():
            A = P.T @ P.grad
            A = 0.5 * (A - A.T)
            mean = 0.9 * mean + 0.1 * A
            square = 0.999 * square + 0.001 * A * A
            a = mean / (1 - 0.9**step) / ((square / (1 - 0.999**step)).sqrt() + 1e-8)
            rate = plan.learning_rate * 0.5 * (1 + np.cos(np.pi * (step - 1) / plan.steps))
            a = rate * 0.5 * (a - a.T)
            a = a * (0.3 / _spectral_norm(torch, a)).clamp(max=1.0)
            P = P - P @ a + 0.5 * P @ a @ a
            P = 1.5 * P - 0.5 * P @ (P.T @ P)
    return P


def _spectral_norm(torch: Any, a: Any) -> Any:
    """Estimate the largest singular value of a skew matrix by power iteration."""
    v = torch.sin(12.9898 * torch.arange(1, len(a) + 1, device=a.device, dtype=a.dtype))
    for _ in range(8):
        v = a @ (v / v.norm().clamp(min=1e-30))
    return v.norm().clamp(min=1e-30)


def _step_loss(torch: Any, plan: Steps, others: Any) -> Callable[[Any, Any, Any], Any]:
    """Return (inputs, targets, P) -> the listwise loss of rows against columns."""

    def loss(U: Any, S: Any, P: Any) -> Any:
        Y, total = U @ P, 0.0
        log_p = (S / plan.temperature).masked_fill(~others, -torch.inf).log_softmax(1)
        p, log_p = log_p.exp(), log_p.masked_fill(~others, 0)
        for m in plan.dims:
            Z = torch.nn.functional.normalize(Y[:, :m], dim=1)
            C = Z[: plan.rows] @ Z.T / (plan.temperature + plan.prefix_temperature / m)
            log_q = C.masked_fill(~others, -torch.inf).log_softmax(1).masked_fill(~others, 0)
            total = total + (p * (log_p - log_q)).sum() / plan.rows
        return total / len(plan.dims)

    return loss
