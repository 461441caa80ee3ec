"""Values of options that typer leaves as text."""

from __future__ import annotations

import json
from typing import Any

from madapt.exceptions import InvalidValueError

__all__ = ["parsed_settings", "whole_numbers"]

#: What Python calls it, and JSON.
_PYTHON = {"None": "null", "True": "true", "False": "false"}


def parsed_settings(texts: list[str]) -> dict[str, Any]:
    """Return parameters written NAME=VALUE, values as JSON or else as text.

    Parameters
    ----------
    texts : list of str
    """
    found: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise InvalidValueError(f"--set must be NAME=VALUE, got {text!r}")
        try:
            found[name] = json.loads(_PYTHON.get(value, value))
        except json.JSONDecodeError:
            found[name] = value
        if isinstance(found[name], list):
            found[name] = tuple(found[name])
    return found


def whole_numbers(text: str, option: str, most: int | None = None) -> list[int]:
    """Return whole numbers separated by commas.

    Parameters
    ----------
    text : str
    option : str
        Of the command line, for the error.
    most : int or None, default=None
        How many there may be.
    """
    parts = text.split(",")
    if not all(part.strip().isdecimal() for part in parts) or (most and len(parts) > most):
        wanted = "8,16,32" if most is None else "150 or 150,600"
        raise InvalidValueError(f"{option} must be whole numbers, as {wanted}, got {text!r}")
    return [int(part) for part in parts]
