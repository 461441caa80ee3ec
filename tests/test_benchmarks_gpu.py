"""The GPU's benchmark goes all its ways without a GPU, and notices what is wrong."""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from madapt.backends import available
from madapt.backends.numpy import NumpyBackend

ROOT = Path(__file__).resolve().parents[1]
BENCHMARKS = ROOT / "benchmarks"

if not BENCHMARKS.exists():
    pytest.skip("the benchmarks are not there, only the package", allow_module_level=True)
pytest.importorskip("array_api_strict", reason="it stands in for a GPU")

SECTIONS = ["device", "kernel parity", "fit parity", "loss step", "transform", "top-k", "fit"]


def run(*arguments):
    # The children's imports need no more than one core.
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(BENCHMARKS / "gpu.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=environment)


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    path = tmp_path_factory.mktemp("gpu") / "gpu.json"
    done = run("--dry-run", "--output", path)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(path.read_text())


@pytest.fixture
def benchmark(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module


def test_a_dry_run_goes_all_ways(report):
    assert report["dry run"] is True
    assert list(report["sections"]) == SECTIONS
    assert report["failed"] == {}
    missing = report["PyTorch"]["missing"]
    assert all("torch.compile" in what for what in report["left out"])
    for name in ("listwise", "pairwise + top-k"):
        runs = report["sections"]["loss step"]["losses"][name]
        assert runs["madapt"]["seconds"][0] > 0
        assert runs["madapt, CPU backend"]["seconds"][0] > 0
        assert ("PyTorch" in runs) == ("PyTorch" not in missing)
        assert ("against PyTorch" in runs) == ("PyTorch" not in missing)
    assert list(report["sections"]["transform"]["dims"]) == ["4", "8"]
    for section, of_library in (("transform", "dims"), ("top-k", "seconds")):
        library = report["sections"][section]["library"]
        assert "device1" in library["arrays"]
        assert library[of_library]
    assert report["sections"]["fit"]["default"].keys() == {"madapt", "madapt, CPU backend"}


def test_kernels_of_a_dry_run_are_within_their_tolerance(report):
    found = report["sections"]["kernel parity"]
    assert found["tolerance"] == 1e-5
    wanted = {
        f"{name}, {form}"
        for name in ("listwise", "top-k", "pairwise", "all three")
        for form in ("square", "columns")
    }
    wanted |= {"graded listwise", "ranking", "neighbour marks", "reconstruction", "product"}
    wanted |= {f"adaptor, {name}" for name in ("relu", "gelu", "silu", "tanh", "identity")}
    assert found["errors"].keys() == wanted | {"Adam", "Adam on rotations"}
    assert max(found["errors"].values()) <= 1e-5
    # float32 against float64: exact would mean that one was compared with itself.
    inexact = [error for name, error in found["errors"].items() if name != "neighbour marks"]
    assert min(inexact) > 0


def test_fits_of_a_dry_run_learn_and_are_within_their_tolerance(report):
    found = report["sections"]["fit parity"]
    assert found["tolerance"] == 1e-3
    assert found["errors"].keys() == {"whole, float64", "three short steps, float32"}
    assert max(found["errors"].values()) <= 1e-3
    assert min(found["moved"].values()) > 2e-3


def test_a_dry_run_never_lies_among_the_figures():
    path = BENCHMARKS / "results" / "gpu.json"
    before = path.read_bytes() if path.exists() else None
    done = run("--dry-run", "--output", path)
    assert done.returncode == 1
    assert "a dry run measures nothing" in done.stderr
    assert (path.read_bytes() if path.exists() else None) == before


@pytest.mark.skipif(available()["cupy"] == "available", reason="there is a GPU")
def test_without_a_device_it_says_what_is_missing(tmp_path):
    done = run("--output", tmp_path / "gpu.json")
    assert done.returncode == 1
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("gpu.py: backend 'cupy' cannot run here: CuPy")
    assert not (tmp_path / "gpu.json").exists()


class Wrong(NumpyBackend):
    """A backend one of whose kernels is not quite right."""

    name = "wrong"

    @property
    def kernels(self):
        return {"product": lambda A, B: (A @ B) * np.asarray(1 + 3e-5, A.dtype), "new": None}


def test_what_is_wrong_is_found(benchmark):
    device, cases, parity = map(benchmark, ("gpu_device", "gpu_cases", "gpu_parity"))

    def beyond(backend):
        nothing = (lambda: None, lambda: 0, lambda: None)
        there = device.Device(backend, "a test's", "cpu", *nothing)
        return parity.kernel_parity(there, cases.Sizes(20, 40, 12, (4, 12)))["beyond"]

    assert beyond(NumpyBackend()) == {}
    found = beyond(Wrong())
    assert found.keys() == {"kernel 'new'", "product"}
    assert found["product"] == "off by 3.0e-05"


def test_a_section_that_fails_does_not_stop_the_others(benchmark, monkeypatch):
    gpu, device, work = map(benchmark, ("gpu", "gpu_device", "gpu_work"))

    def fails(_):
        raise MemoryError("there is no room\nfor this")

    def is_beyond(given):
        return gpu.noted(given, "parity", {"beyond": {"listwise": "off by 1.0e-03"}})

    def stopped(_):
        raise gpu.TimeIsOverError

    sections = {"a": (0, fails), "b": (0, is_beyond), "c": (0, stopped), "d": (1e9, fails)}
    monkeypatch.setattr(gpu, "SECTIONS", sections)
    nothing = (lambda: None, lambda: 0, lambda: None)
    there = device.Device(NumpyBackend(), "a test's", "cpu", *nothing)
    peers = SimpleNamespace(missing={}, compiling=0.0)
    found = gpu.run(work.Work(there, peers, work.DRY, work.Budget(480.0)), dry=False)
    assert found["sections"].keys() == {"b"}
    reasons = {"a": "MemoryError: there is no room", "parity: listwise": "off by 1.0e-03"}
    assert found["failed"] == reasons
    assert found["left out"].keys() == {"c", "d"}


def test_no_time_left_is_said(benchmark):
    budget = benchmark("gpu_work").Budget(10.0)
    assert budget.has(1, "this")
    assert not budget.has(60, "that")
    assert budget.left_out.keys() == {"that"}


def test_the_page_says_what_was_measured(benchmark, report):
    gpu_section = benchmark("performance_gpu").gpu_section
    nothing = "\n".join(gpu_section(None))
    assert "Nothing here has been measured on a GPU yet" in nothing
    assert "\n".join(gpu_section(report)) == nothing
    # As if it had been measured: what is written, not what it says.
    found = "\n".join(gpu_section(report | {"dry run": False, "left out": {"this": "no time"}}))
    for text in ("Measured there", "| listwise, B = 64, d = 24 | madapt |", "to 8 |", "k = 10"):
        assert text in found
    assert "| default fit, seconds | at most 30 |" in found
    assert "Left out: this (no time)" in found
