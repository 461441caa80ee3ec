"""Keeps what the quality study found: means in a JSON file, each query's nDCG@10 beside it.

The .npz holds `keys` of the cells, `offsets` into `values`, and `values`: nDCG@10 times
10,000 as uint16, dims by queries, 65,535 for a query without a positive.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

_SCALE, _MISSING = 10_000, 65_535


class Store:
    """The cells by key; every change is on disk before the next one.

    Parameters
    ----------
    path : Path
        The JSON file; it need not be there yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.report: dict[str, Any] = {"parts": {}, "cells": {}}
        self._values: dict[str, np.ndarray] = {}
        if path.exists() and self._beside.exists():
            self.report = json.loads(path.read_text(encoding="utf-8"))
            with np.load(self._beside) as found:
                keys, pieces = found["keys"], np.split(found["values"], found["offsets"][1:])
            self._values = dict(zip(keys.tolist(), pieces, strict=True))
            # One file may be a cell ahead of the other where a run was killed.
            self.report["cells"] = {
                key: cell for key, cell in self.cells.items() if key in self._values
            }

    @property
    def cells(self) -> dict[str, dict[str, Any]]:
        """What is kept of each cell, by key."""
        return self.report["cells"]

    @property
    def _beside(self) -> Path:
        return self.path.with_suffix(".npz")

    def add(self, key: str, found: dict[str, Any]) -> None:
        """Keep a cell and write both files; `found` has "scores" of shape (L, n_queries)."""
        scores = found["scores"]
        whole = np.where(np.isnan(scores), _MISSING, np.round(scores * _SCALE))
        self._values[key] = whole.astype(np.uint16).ravel()
        self.cells[key] = {name: value for name, value in found.items() if name != "scores"}
        self.write()

    def write(self) -> None:
        """Write both files, each in one piece: whoever reads sees the old or the new one."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        keys = [key for key in self.cells if key in self._values]
        sizes = [self._values[key].size for key in keys]
        arrays = {
            "keys": np.array(keys),
            "offsets": np.cumsum([0, *sizes])[: len(keys)],
            "values": np.concatenate([self._values[key] for key in keys] or [np.zeros(0, "u2")]),
        }
        half_written = self.path.with_suffix(".part.npz")
        np.savez_compressed(half_written, **arrays)
        half_written.replace(self._beside)
        half_written = self.path.with_suffix(".part.json")
        half_written.write_text(self._as_text(), encoding="utf-8")
        half_written.replace(self.path)

    def _as_text(self) -> str:
        """Return the report as JSON, a line a cell."""
        rest = {name: value for name, value in self.report.items() if name != "cells"}
        cells = ",\n".join(f"{json.dumps(key)}: {json.dumps(c)}" for key, c in self.cells.items())
        return f'{json.dumps(rest, indent=1)[:-2]},\n "cells": {{\n{cells}\n}}\n}}\n'

    def seeds(self, part: str, pair: str, setting: str, method: str) -> list[dict[str, Any]]:
        """Return what is kept of one method in one setting, a cell a seed."""
        prefix = f"{part}|{pair}|{setting}|{method}|"
        return [cell for key, cell in self.cells.items() if key.startswith(prefix)]

    def scores(self, part: str, pair: str, setting: str, method: str) -> np.ndarray | None:
        """Return each query's nDCG@10, mean over seeds: shape (L, n_queries), None if not run."""
        prefix = f"{part}|{pair}|{setting}|{method}|"
        found = [
            self._values[key].reshape(len(cell["dims"]), -1)
            for key, cell in self.cells.items()
            if key.startswith(prefix)
        ]
        if not found:
            return None
        whole = np.stack(found)
        counts = (whole != _MISSING).sum(axis=0)
        total = np.where(whole == _MISSING, 0, whole.astype(np.float64)).sum(axis=0)
        return np.where(counts > 0, total / np.maximum(counts, 1), np.nan) / _SCALE

    def pairs(self, part: str) -> dict[str, list[int]]:
        """Return the pairs of a part that were measured, and their dims."""
        found = {}
        for cell in self.cells.values():
            if cell["part"] == part:
                found[f"{cell['collection']} {cell['vectors']}"] = cell["dims"]
        return found

    def settings(self, part: str, pair: str) -> list[str]:
        """Return the settings of a part that were measured on a pair."""
        found = (
            cell["setting"]
            for cell in self.cells.values()
            if cell["part"] == part and f"{cell['collection']} {cell['vectors']}" == pair
        )
        return list(dict.fromkeys(found))
