"""What a user can import is documented in full, as numpydoc reads it at run time.

``numpydoc lint`` reads the source alone, of private names, too, and sees no dataclass's
parameters: what it is asked for stands in pyproject.toml.
"""

import importlib
import inspect
import pkgutil
import tomllib
from pathlib import Path

import pytest

import madapt

validate = pytest.importorskip("numpydoc.validate").validate

PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"
#: Asked of public names though not of private ones.
OF_PUBLIC_NAMES = {"GL08", "PR02", "PR07"}


def public_modules():
    found = pkgutil.walk_packages(madapt.__path__, "madapt.")
    names = [module.name for module in found]
    return ["madapt", *(name for name in names if not name.startswith("_") and "._" not in name)]


def members(owner, name):
    """Yield public methods and properties that madapt itself defines."""
    for member, value in inspect.getmembers(owner):
        function = getattr(value, "fget", value)
        defined_in = getattr(function, "__module__", None) or ""
        is_ours = defined_in.startswith("madapt") and not inspect.isclass(value)
        if is_ours and not member.startswith("_") and callable(function):
            yield f"{name}.{member}"


def public_names():
    for module_name in public_modules():
        module = importlib.import_module(module_name)
        for name in getattr(module, "__all__", ()):
            value, full = getattr(module, name), f"{module_name}.{name}"
            if inspect.isclass(value) or inspect.isfunction(value):
                yield full
            if inspect.isclass(value):
                yield from members(value, full)


def findings(name, left_out):
    return [f"{code} {text}" for code, text in validate(name)["errors"] if code not in left_out]


def settings():
    return tomllib.loads(PYPROJECT.read_text())["tool"]["numpydoc_validation"]["checks"]


def test_public_names_are_documented():
    left_out = set(settings()) - {"all"} - OF_PUBLIC_NAMES
    names = list(public_names())
    found = {name: findings(name, left_out) for name in names}
    assert len(names) > 200
    assert {name: errors for name, errors in found.items() if errors} == {}


def test_a_parameter_that_is_not_described_is_found(monkeypatch):
    def function(X):
        """Return nothing.

        Parameters
        ----------
        X : ndarray
        Z : ndarray
            There is none.
        """

    monkeypatch.setattr(madapt, "function", function, raising=False)
    codes = {error[:4] for error in findings("madapt.function", ())}
    assert codes >= {"PR02", "PR07"}
