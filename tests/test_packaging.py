"""The package imports lightly, carries its data and tells its version."""

import subprocess
import sys
from importlib.metadata import PackageNotFoundError, entry_points, version
from importlib.resources import files
from pathlib import Path

import pytest

import madapt

ROOT = Path(__file__).resolve().parents[1]
# Not pandas: scikit-learn itself imports it where it is installed.
HEAVY = {"cupy", "dask", "llvmlite", "matplotlib", "numba"}


def modules_after(statement):
    """Return the top-level modules that a fresh interpreter has after the statement."""
    code = f"import sys; {statement}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True
    )
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "statement", ["import madapt", "import madapt.datasets", "import madapt.dask"]
)
def test_importing_is_light(statement):
    loaded = modules_after(statement)
    assert "madapt" in loaded
    assert not loaded & HEAVY


def test_version_is_that_of_the_metadata():
    try:
        installed = version("madapt")
    except PackageNotFoundError:
        pytest.skip("madapt is not installed, only on the path")
    assert madapt.__version__ == installed


def test_every_public_name_is_there():
    assert madapt.__all__
    missing = [name for name in madapt.__all__ if not hasattr(madapt, name)]
    assert not missing


def test_the_command_is_installed():
    try:
        version("madapt")
    except PackageNotFoundError:
        pytest.skip("madapt is not installed, only on the path")
    (command,) = entry_points(group="console_scripts", name="madapt")
    assert callable(command.load())


def test_types_and_data_lie_in_the_package():
    package = files("madapt")
    assert (package / "py.typed").is_file()
    assert (package / "datasets" / "data" / "cranfield.rst").is_file()
    # A wheel under 3 MB leaves room for a file of at most half of it.
    assert (ROOT / "madapt" / "datasets" / "data" / "cranfield.npz").stat().st_size < 1_500_000


def test_the_readme_command_is_the_one_that_is_run():
    command = 'pip install -e ".[test]" && pytest -n auto'
    assert command in (ROOT / "README.md").read_text(encoding="utf-8")
    assert command in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
