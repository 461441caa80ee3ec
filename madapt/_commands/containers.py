"""The formats of inputs: a file or folder to rows, ids and what those were called."""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from madapt.datasets._records import read_jsonl
from madapt.datasets._vectors import choose_vectors, read_vectors
from madapt.exceptions import InvalidValueError
from madapt.io import open_embeddings

__all__ = ["READERS", "read_folder"]

#: Rows, ids or None, and the ids' name or None.
Found = tuple[Any, np.ndarray | None, str | None]
#: Customary names of ids, and of those of one side.
_IDS = ("_id", "id", "ids")
_SIDES = {"corpus": "corpus_ids", "queries": "query_ids"}
_JSONL_BLOCK = 4096


def read_folder(path: Path, column: str | None, ids: str | None, role: str) -> Found:
    """Read one side of a folder in BEIR's layout; `column` names its .npz."""
    if ids is not None:
        raise InvalidValueError(f"ids must be left out for a folder, which has them, got {ids!r}")
    chosen = choose_vectors(path, column)
    paired = isinstance(chosen, tuple)
    texts = [read_jsonl(path / f"{side}.jsonl") if paired else None for side in _SIDES]
    read = read_vectors(chosen, *texts)
    if role == "corpus":
        return read.corpus, read.corpus_ids, _SIDES[role]
    return read.queries, read.query_ids, _SIDES[role]


def _read_npy(path: Path, column: str | None, ids: str | None, role: str) -> Found:
    if ids is not None:
        raise InvalidValueError(f"ids must be left out for .npy, which holds none, got {ids!r}")
    return open_embeddings(path, column), None, None


def _read_npz(path: Path, column: str | None, ids: str | None, role: str) -> Found:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            if isinstance(stored, np.ndarray):
                raise InvalidValueError(f"path must be an .npz archive, got one array in {path}")
            shapes = {name: stored[name] for name in stored.files}
    except (ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise InvalidValueError(f"path must be an .npz of plain arrays: {error}") from error
    vectors = [name for name, array in shapes.items() if array.ndim == 2 and _is_real(array)]
    column = column or (role if role in vectors else None)
    if column is None and len(vectors) == 1:
        column = vectors[0]
    if column not in vectors:
        raise _unknown("column", "a 2-D array of numbers", path, vectors, column)
    rows = shapes[column]
    names = [
        name
        for name, array in shapes.items()
        if array.shape == (len(rows),) and array.dtype.kind in "iuU"
    ]
    ids = _ids_name(ids, names, role, path)
    return rows, None if ids is None else shapes[ids], ids


def _read_parquet(path: Path, column: str | None, ids: str | None, role: str) -> Found:
    rows = open_embeddings(path, column)
    from pyarrow import parquet, types

    kinds = {field.name: field.type for field in parquet.read_schema(path)}
    names = [
        name
        for name, kind in kinds.items()
        if types.is_integer(kind) or types.is_string(kind) or types.is_large_string(kind)
    ]
    ids = _ids_name(ids, names, role, path)
    if ids is None:
        return rows, None, None
    listed = parquet.read_table(path, columns=[ids]).column(0).to_pylist()
    return rows, _checked_ids(listed, ids, path), ids


def _read_jsonl(path: Path, column: str | None, ids: str | None, role: str) -> Found:
    records = _records(path)
    first = next(records, None)
    if first is None:
        raise InvalidValueError(f"path must hold at least one line, got none in {path}")
    vectors = [name for name, value in first[1].items() if _is_vector(value)]
    column = vectors[0] if column is None and len(vectors) == 1 else column
    if column not in vectors:
        raise _unknown("column", "a list of numbers", path, vectors, column)
    names = [name for name, value in first[1].items() if isinstance(value, str | int)]
    ids = _ids_name(ids, names, role, path)
    d, blocks, rows, listed = len(first[1][column]), [], [], []
    for number, record in chain([first], records):
        rows.append(_vector(record, column, d, path, number))
        if ids is not None:
            listed.append(record.get(ids))
        if len(rows) == _JSONL_BLOCK:
            blocks.append(np.array(rows, np.float32))
            rows = []
    blocks.append(np.array(rows, np.float32).reshape(-1, d))
    return np.concatenate(blocks), _checked_ids(listed, ids, path) if ids else None, ids


#: From an ending to what reads it.
READERS: dict[str, Callable[[Path, str | None, str | None, str], Found]] = {
    ".npy": _read_npy,
    ".npz": _read_npz,
    ".parquet": _read_parquet,
    ".pq": _read_parquet,
    ".jsonl": _read_jsonl,
}


def _records(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the objects of a JSON-lines file, each after the number of its line."""
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                record = json.loads(line)
            except json.JSONDecodeError as error:
                raise InvalidValueError(
                    f"path must hold one JSON object a line, got {error} in line {number} of {path}"
                ) from error
            if not isinstance(record, dict):
                raise InvalidValueError(
                    f"path must hold one JSON object a line, got none in line {number} of {path}"
                )
            yield number, record


def _vector(record: dict[str, Any], field: str, d: int, path: Path, number: int) -> list[float]:
    value: Any = record.get(field)
    if not _is_vector(value) or len(value) != d:
        found = f"{len(value)}" if isinstance(value, list) else repr(value)
        raise InvalidValueError(
            f"path must hold {d} numbers in {field!r} of each line, got {found} in line {number} "
            f"of {path}"
        )
    numbers: list[float] = value
    return numbers


def _is_vector(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(type(x) in (float, int) for x in value)


def _is_real(array: np.ndarray) -> bool:
    return array.dtype.kind in "fiu" and array.dtype.itemsize <= 8


def _ids_name(ids: str | None, names: list[str], role: str, path: Path) -> str | None:
    """Return which of the names holds ids: the one asked for, or one with a customary name."""
    if ids is None:
        return next((name for name in (_SIDES[role], *_IDS) if name in names), None)
    if ids not in names:
        raise _unknown("ids", "text or whole numbers, one a row", path, names, ids)
    return ids


def _checked_ids(listed: list[Any], name: str, path: Path) -> np.ndarray:
    for row, one in enumerate(listed):
        if not isinstance(one, str | int):
            raise InvalidValueError(
                f"ids must be text or whole numbers in {name!r}, got {one!r} in row {row} of {path}"
            )
    return np.array(listed)


def _unknown(
    argument: str, what: str, path: Path, names: list[str], got: str | None
) -> InvalidValueError:
    listed = ", ".join(map(repr, names)) or "none"
    return InvalidValueError(
        f"{argument} must name {what} in {path}, where there is {listed}, got {got!r}"
    )
