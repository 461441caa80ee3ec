"""A process that compiles the kernels and one that loads them compute the same digits."""

import os
import subprocess
import sys
from pathlib import Path

SCRIPT = """
import hashlib
import numpy as np
from madapt import MatryoshkaAdaptor
generator = np.random.default_rng(0)
X, Q = (generator.standard_normal((n, 24)).astype(np.float32) for n in (150, 30))
judged = [{int(i): 1} for i in generator.integers(150, size=30)]
digest = hashlib.sha256()
for weights in ({}, {"topk_weight": 1.0, "pairwise_weight": 1.0}, {"ranking_loss": "logistic"}):
    model = MatryoshkaAdaptor(max_iter=6, guard=False, backend="numba", random_state=0, **weights)
    digest.update(model.fit(X, queries=Q, qrels=judged).transform(X).tobytes())
print(digest.hexdigest())
"""


def digits(cache):
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(cache)}
    return subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=Path(__file__).parents[2],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def test_compiled_and_loaded_kernels_agree(tmp_path):
    compiled = digits(tmp_path)
    assert any(tmp_path.rglob("*.nbc"))
    assert digits(tmp_path) == compiled
