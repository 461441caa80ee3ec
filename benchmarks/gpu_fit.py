"""Seconds of whole fits on a device, against the CPU backend and PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
from _common import timed
from _rows import embedding_rows
from gpu_device import one_line, peak_memory
from gpu_speed import CPU, OURS
from gpu_torch import Steps, learn_rotation
from gpu_work import Work

from madapt import MatryoshkaAdaptor
from madapt._parameters import settings_of

#: Of the second of two rows that a row is made of.
MIXED = 0.5
#: Rows of which the others are made.
BASE = 50_000


def fits(work: Work) -> dict[str, Any]:
    """Measure a default fit, and its steps alone against the same steps in PyTorch."""
    n, d = work.sizes.fit
    X = mixed_rows(n, d)
    name = work.device.backend.name
    found: dict[str, Any] = {"shape": [n, d], "default": {}, "steps alone": {}}
    MatryoshkaAdaptor(max_iter=2, backend=name, random_state=0).fit(X[:500])  # libraries loaded
    found["default"][OURS] = default_fit(work, X, name)
    found["steps alone"] = steps_alone(work, X, name)
    if work.budget.has(90, f"fit: {CPU}"):
        found["default"][CPU] = default_fit(work, X, "numba")
    return found


def mixed_rows(n: int, d: int) -> np.ndarray:
    """Return n unit rows of d columns, float32, each of two of fewer that resemble embeddings.

    As many of their own would take longer to make than a fit takes.
    """
    generator, base = np.random.default_rng(0), embedding_rows(min(n, BASE), d)
    X = np.empty((n, d), np.float32)
    for start in range(0, n, BASE):
        part = X[start : start + BASE]
        one, other = generator.integers(len(base), size=(2, len(part)))
        np.add(base[one], MIXED * base[other], out=part)
        part /= np.linalg.norm(part, axis=1, keepdims=True)
    return X


def default_fit(work: Work, X: np.ndarray, backend: str) -> dict[str, Any]:
    """Measure one default fit, guard included."""
    model = MatryoshkaAdaptor(backend=backend, random_state=0, **work.sizes.fit_parameters)
    with peak_memory(work.device) as peak:
        seconds = timed(lambda: model.fit(X))
    table = model.validation_scores_
    found = {
        "seconds": seconds,
        "steps": model.n_iter_,
        "kept": table["kept"][0],
        "overlap@10": {name: table[name] for name in ("dim", "start", "adaptor")},
    }
    if type(model.rotation_) is not np.ndarray:
        work.failed[f"fit: {backend}"] = f"rotation_ is {type(model.rotation_).__name__}"
    return found | ({"bytes": peak.bytes} if backend == work.device.backend.name else {})


def steps_alone(work: Work, X: np.ndarray, backend: str) -> dict[str, Any]:
    """Measure a fit without guard and early stopping, and as many steps in PyTorch."""
    model = MatryoshkaAdaptor(
        guard=False,
        early_stopping=False,
        backend=backend,
        random_state=0,
        **work.sizes.fit_parameters,
    )
    plan = plan_of(model, X)
    model.fit(X)  # in turn with the peers, all have had one before
    found: dict[str, Any] = {"plan": vars(plan), OURS: {"seconds": timed(lambda: model.fit(X))}}
    sample = np.ascontiguousarray(X[: model.max_fit_rows])
    for name, way in work.peers.ways(work.budget, "fit").items():

        def run(way: Any = way) -> None:
            learn_rotation(work.peers, work.peers.tensor(sample), plan, way)
            work.device.wait()

        try:
            run()
            found[name] = {"seconds": timed(run)}
        except Exception as error:  # ours is told all the same
            work.failed[f"fit: {name}"] = one_line(error)
    return found


def plan_of(model: MatryoshkaAdaptor, X: np.ndarray) -> Steps:
    """Return what the steps of a fit without labels do, for PyTorch to do the same."""
    n = min(len(X), model.max_fit_rows)
    settings = settings_of(model, X.shape[1], 0, 0.0, n_documents=n)
    stage, k = settings.unsupervised, settings.rotation_dims[0]
    rows = min(stage.batch_size, n)
    return Steps(
        steps=stage.max_iter,
        rows=rows,
        columns=min(max(settings.support_size or rows, rows), n),
        k=k,
        dims=tuple(m for m in settings.dims if m < k),
        temperature=stage.temperature,
        prefix_temperature=stage.prefix_temperature,
        learning_rate=stage.learning_rate,
    )
