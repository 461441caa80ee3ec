"""What the GPU backend says where it cannot run, and, where it can, that it gives the same."""

import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose

from madapt import MatryoshkaAdaptor
from madapt.backends import available, get_backend
from madapt.exceptions import InvalidValueError


def without_cupy():
    return None  # what makes `import cupy` fail


def with_devices(count):
    def stand_in():
        cupy = ModuleType("cupy")
        cupy.__version__ = "14.2.0"
        cupy.cuda = SimpleNamespace(runtime=SimpleNamespace(getDeviceCount=count))
        return cupy

    return stand_in


def old_driver():
    raise RuntimeError("cudaErrorInsufficientDriver: CUDA driver version is insufficient")


@pytest.mark.parametrize(
    ("cupy", "reason"),
    [
        (without_cupy, r"CuPy is not installed: pip install 'madapt\[cuda13\]'"),
        (with_devices(old_driver), "CuPy 14.2.0 cannot use a CUDA device: cudaErrorInsufficient"),
        (with_devices(lambda: 0), "CuPy 14.2.0 finds no CUDA device"),
    ],
)
def test_it_says_what_is_missing(monkeypatch, cupy, reason):
    monkeypatch.setitem(sys.modules, "cupy", cupy())
    with pytest.raises(InvalidValueError, match="backend 'cupy' cannot run here: " + reason):
        get_backend("cupy")
    assert available()["cupy"].startswith("ImportError: CuPy")
    assert get_backend().name == "numba"
    X = np.eye(12, dtype=np.float32)
    with pytest.raises(InvalidValueError, match="backend 'cupy' cannot run here"):
        MatryoshkaAdaptor(backend="cupy").fit(X)


needs_a_gpu = pytest.mark.skipif(
    available()["cupy"] != "available", reason=f"no GPU: {available()['cupy']}"
)


@needs_a_gpu
@pytest.mark.parametrize("labels", [False, True])
def test_a_fit_finds_what_numpys_finds(labels):
    generator = np.random.default_rng(0)
    factors = generator.standard_normal((500, 8)) @ generator.standard_normal((8, 32))
    X = (factors + 0.3 * generator.standard_normal((500, 32))).astype(np.float32)
    seen = {"queries": X[:50] + np.float32(0.1), "qrels": [{i: 1} for i in range(50)]}
    found = []
    for backend in ("numpy", "cupy"):
        model = MatryoshkaAdaptor(max_iter=20, guard=False, random_state=0, backend=backend)
        model.fit(X, **(seen if labels else {}))
        assert type(model.rotation_) is np.ndarray
        Z = model.transform(X, dim=8)
        found.append(Z @ Z.T)
    assert_allclose(found[1], found[0], atol=1e-3)
