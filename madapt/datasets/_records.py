"""The text files of a BEIR folder: JSON lines and tab-separated judgments."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from madapt.exceptions import InvalidValueError

__all__ = ["read_jsonl", "read_qrels"]

_HEADER = ["query-id", "corpus-id", "score"]


def read_jsonl(path: Path) -> dict[str, dict[str, Any]] | None:
    """Return the records of a JSON-lines file by their ``_id``, in file order.

    Parameters
    ----------
    path : Path
        ``corpus.jsonl`` or ``queries.jsonl``.

    Returns
    -------
    dict or None
        From id to record; None if there is no such file.

    Raises
    ------
    InvalidValueError
        If a line is no JSON object with an ``_id``, or an id comes twice.
    """
    if not path.is_file():
        return None
    records: dict[str, dict[str, Any]] = {}
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                record = json.loads(line)
            except json.JSONDecodeError as error:
                raise InvalidValueError(
                    f"{path.name} must hold one JSON object a line, got {error} in line {number}"
                ) from error
            if not isinstance(record, dict) or "_id" not in record:
                raise InvalidValueError(
                    f"{path.name} must hold objects with an _id, got none in line {number}"
                )
            key = str(record["_id"])
            if key in records:
                raise InvalidValueError(
                    f"{path.name} must hold each id once, got {key!r} again in line {number}"
                )
            records[key] = record
    return records


def read_qrels(path: Path) -> dict[str, dict[str, float]]:
    """Return the judgments of a tab-separated file as query, document, grade.

    The same judgment given twice counts once.

    Parameters
    ----------
    path : Path
        File with the header ``query-id corpus-id score``.

    Returns
    -------
    dict of dicts
        ``{query: {document: grade}}``, in file order.

    Raises
    ------
    InvalidValueError
        If the header or a line has another form, or two judgments of a pair disagree.
    """
    name = f"{path.parent.name}/{path.name}"
    lines = path.read_text(encoding="utf-8").split("\n")
    if [field.strip() for field in lines[0].split("\t")] != _HEADER:
        raise InvalidValueError(
            f"{name} must begin with the tab-separated header {' '.join(_HEADER)}, got {lines[0]!r}"
        )
    judged: dict[str, dict[str, float]] = {}
    for number, line in enumerate(lines[1:], start=2):
        if not line.strip():
            continue
        query, document, grade = _judgment(line, number, name)
        grades = judged.setdefault(query, {})
        if document in grades and grades[document] != grade:
            raise InvalidValueError(
                f"{name} must judge a pair once, got {grades[document]:g} and {grade:g} "
                f"for query {query!r}, document {document!r} in line {number}"
            )
        grades[document] = grade
    return judged


def _judgment(line: str, number: int, name: str) -> tuple[str, str, float]:
    fields = line.split("\t")
    try:
        query, document, score = fields
        return query, document, float(score)
    except ValueError as error:
        raise InvalidValueError(
            f"{name} must hold a query, a document and a number a line, tab-separated, "
            f"got {line!r} in line {number}"
        ) from error
