"""Values of options that typer leaves as text."""

from __future__ import annotations

import json
from typing import Any

from madapt.exceptions import InvalidValueError

__all__ = ["fit_parameters", "parsed_settings", "whole_numbers"]

#: What Python calls it, and JSON.
_PYTHON = {"None": "null", "True": "true", "False": "false"}


def fit_parameters(
    random_state: int | None, dims: str | None, max_iter: str | None, settings: list[str]
) -> dict[str, Any]:
    """Return the estimator's parameters of the options of `fit`.

    Parameters
    ----------
    random_state : int or None
    dims, max_iter : str or None
        Whole numbers, as `whole_numbers` reads them; None leaves them out.
    settings : list of str
        As `parsed_settings` reads them; they have the last word.
    """
    parameters: dict[str, Any] = {"random_state": random_state}
    if dims is not None:
        parameters["dims"] = tuple(whole_numbers(dims, "--dims"))
    if max_iter is not None:
        steps = tuple(whole_numbers(max_iter, "--max-iter", 2))
        parameters["max_iter"] = steps[0] if len(steps) == 1 else steps
    return parameters | parsed_settings(settings)


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
