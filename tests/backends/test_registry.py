"""Which backends there are, which one "auto" picks, and what happens where one is broken."""

import subprocess
import sys
from importlib.metadata import EntryPoint

import pytest

from madapt import MatryoshkaAdaptor
from madapt.backends import Backend, available, get_backend, register, registry
from madapt.backends.numpy import NumpyBackend


class Other(NumpyBackend):
    name = "other"


def missing():
    raise ImportError("no module named 'accelerator'")


def broken():
    raise RuntimeError("driver too old")


@pytest.fixture(autouse=True)
def _own_makers(monkeypatch):
    monkeypatch.setattr(registry, "_makers", dict(registry._makers))


def test_both_of_ours_are_available():
    assert {"numba": "available", "numpy": "available"}.items() <= available().items()


@pytest.mark.parametrize("name", ["numba", "numpy"])
def test_a_name_gets_its_backend(name):
    backend = get_backend(name)
    assert isinstance(backend, Backend)
    assert backend.name == name


def test_auto_takes_the_kernels():
    assert get_backend().name == "numba"


def test_auto_falls_back_to_numpy():
    register("numba", missing)
    assert get_backend().name == "numpy"


def test_one_that_cannot_be_imported_is_reported_and_refused():
    register("other", missing)
    assert available()["other"] == "ImportError: no module named 'accelerator'"
    with pytest.raises(ValueError, match="'other' cannot run here: no module named 'accelerator'"):
        get_backend("other")


def test_a_broken_one_does_not_hide_the_others():
    register("other", broken)
    found = available()
    assert found["other"] == "RuntimeError: driver too old"
    assert found["numpy"] == "available"


def test_registered():
    register("other", Other)
    assert get_backend("other").name == "other"
    assert available()["other"] == "available"


def test_named_by_an_entry_point(monkeypatch):
    entry = EntryPoint("other", f"{__name__}:Other", "madapt.backends")
    monkeypatch.setitem(sys.modules, __name__, sys.modules[Other.__module__])
    monkeypatch.setattr(registry, "entry_points", lambda group: [entry])
    assert get_backend("other").name == "other"


def test_an_entry_point_does_not_replace_ours(monkeypatch):
    entry = EntryPoint("numpy", "nowhere:Nothing", "madapt.backends")
    monkeypatch.setattr(registry, "entry_points", lambda group: [entry])
    assert get_backend("numpy").name == "numpy"


@pytest.mark.parametrize("name", ["jax", "", None, 3])
def test_unknown_names_are_refused_with_those_there_are(name):
    known = "'auto', 'cupy', 'numba', 'numpy'.*"
    with pytest.raises(ValueError, match=f"one of {known}, got {name!r}"):
        get_backend(name)


def test_an_estimator_refuses_one_too():
    with pytest.raises(ValueError, match="backend must be one of"):
        MatryoshkaAdaptor(backend="jax").fit([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])


def test_register_refuses_what_is_no_backend():
    with pytest.raises(TypeError, match="a name and a callable"):
        register("other", None)
    with pytest.raises(TypeError, match="a name and a callable"):
        register(3, Other)
    with pytest.raises(ValueError, match='must not be "auto"'):
        register("auto", Other)


def test_numpy_needs_no_numba():
    code = (
        "import sys; from madapt.backends import get_backend; get_backend('numpy'); "
        "print('numba' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
