"""The kernels run as plain Python, too, for a debugger, and say what they say when compiled."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from madapt.adaptor import ResidualAdaptor
from madapt.backends import get_backend
from madapt.backends.numba import _nearest
from madapt.losses import Objective
from madapt.training.optimizers import Adam

DIMS = (3, 7, 12)


def flat(name, value, gradient):
    parts = gradient if isinstance(gradient, tuple) else (gradient,)
    return {f"{name}: value": value} | {f"{name}: {i}": part for i, part in enumerate(parts)}


def losses(kernels):
    generator = np.random.default_rng(0)
    Y = generator.standard_normal((20, 12), dtype=np.float32)
    Y[3, :7], Y[4] = 0, 0
    S = np.corrcoef(generator.standard_normal((20, 30))).astype(np.float32)
    pairs = generator.random((8, 20)) < 0.8
    pairs[0] = False
    grades = generator.integers(0, 3, (8, 20)).astype(np.float32)
    grades[1] = 0
    found = {}
    for weight in ("listwise_weight", "topk_weight", "pairwise_weight"):
        weights = dict.fromkeys(("listwise_weight", "topk_weight", "pairwise_weight"), 0.0)
        objective = Objective(DIMS, n_neighbors=3, kernels=kernels, **weights | {weight: 1.0})
        found |= flat(f"{weight}, square", *objective.documents(Y, S))
        lists = objective.documents(Y[:8], S[:8], columns=Y, pairs=pairs)
        found |= flat(f"{weight}, lists", *lists)
    for relevance in ("softmax", "logistic"):
        objective = Objective(DIMS, relevance=relevance, kernels=kernels)
        found |= flat(relevance, *objective.queries(Y[:8], Y, grades))
    return found


def neighbors(kernels):
    generator = np.random.default_rng(1)
    X = generator.integers(-2, 3, (150, 4)).astype(np.float32)
    rising = np.arange(150, dtype=np.float32)[:, None]
    passed_over = generator.random(150) < 0.2
    found = {
        "nearest": kernels["nearest"](X[:9], [(0, X[:70]), (70, X[70:])], 5, passed_over),
        "rising": kernels["nearest"](rising[:3] - 1, [(0, rising)], 5, None),
        "too few": kernels["nearest"](X[:2], [(0, X[:3])], 5, None),
        "others": kernels["nearest_others"](X, 5),
        "rising others": kernels["nearest_others"](rising, 5),
    }
    return {f"{name}: {i}": part for name, pair in found.items() for i, part in enumerate(pair)}


def steps(kernels):
    generator = np.random.default_rng(2)
    X, dY, W1, W2 = (
        generator.standard_normal(shape, dtype=np.float32)
        for shape in ((9, 6), (9, 6), (6, 8), (8, 6))
    )
    P = np.linalg.qr(generator.standard_normal((6, 6)))[0].astype(np.float32)
    forward = ResidualAdaptor(P=P).with_mlp(W1, W2).forward(X, kernels)
    huge = np.asarray([1e30, -1e30, 0.5], np.float32)
    return {"Y": forward.Y, "direction": Adam(kernels=kernels).direction(huge)} | dict(
        forward.backward(dY)
    )


def everything():
    kernels = get_backend("numba").kernels
    return losses(kernels) | neighbors(kernels) | steps(kernels)


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    file = tmp_path_factory.mktemp("plain") / "found.npz"
    root = Path(__file__).parents[2]
    subprocess.run(
        [sys.executable, __file__, str(file)],
        env=os.environ | {"NUMBA_DISABLE_JIT": "1", "PYTHONPATH": str(root)},
        cwd=root,
        check=True,
    )
    with np.load(file) as arrays:
        return dict(arrays)


def test_both_say_the_same(plain, monkeypatch):
    monkeypatch.setattr(_nearest, "ROWS", 70)
    compiled = everything()
    assert plain.keys() == compiled.keys()
    for name, wanted in compiled.items():
        np.testing.assert_allclose(plain[name], wanted, rtol=2e-5, atol=2e-6, err_msg=name)


if __name__ == "__main__":
    _nearest.ROWS = 70
    np.savez(sys.argv[1], **everything())
