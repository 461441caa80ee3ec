"""Data flow one way: no floor imports one that stands above it."""

import ast
from pathlib import Path

import pytest

import madapt

PACKAGE = Path(madapt.__file__).parent
#: Parts of the package by floor, the lowest first; docs/house.md has the table.
FLOORS = [
    {
        "_checks",
        "_rows",
        "_linalg",
        "_qrels",
        "_corpus",
        "_inputs",
        "_columns",
        "_tensors",
        "_vector_check",
        "_output",
        "_packing",
        "_balance",
        "_plain",
        "_replacing",
        "_on_device",
        "exceptions",
    },
    {"backends", "io"},
    {
        "losses",
        "adaptor",
        "neighbors",
        "_block_search",
        "_blocks",
        "_streamed",
        "_fold_on_device",
        "_nearest_on_device",
        "quantization",
        "search",
    },
    {"evaluation"},
    {"training"},
    {"baselines"},
    {
        "estimator",
        "_callbacks",
        "_codes",
        "_fingerprint",
        "_fitted",
        "_parameters",
        "_stream",
        "_trained",
        "recommendation",
        "_same_model",
        "persistence",
        "export",
    },
    {"cli", "_commands", "_demo", "dask"},
]
FLOOR = {part: height for height, parts in enumerate(FLOORS) for part in sorted(parts)}


def imported(path):
    """Return the parts of madapt that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("madapt."):
            yield node.module.split(".")[1]


@pytest.mark.parametrize("part", FLOOR)
def test_nothing_is_imported_from_above(part):
    there = PACKAGE / part
    files = there.rglob("*.py") if there.is_dir() else [there.with_suffix(".py")]
    for path in files:
        above = {other for other in imported(path) if FLOOR.get(other, -1) > FLOOR[part]}
        assert not above, f"{path.relative_to(PACKAGE)} imports {sorted(above)}"
