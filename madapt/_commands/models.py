"""The commands `info` and `recommend`, and the file of a model that others open, too."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np

from madapt._commands.inputs import existing_file, naming
from madapt._commands.printing import say, say_json, table
from madapt.estimator import MatryoshkaAdaptor
from madapt.exceptions import MadaptWarning
from madapt.persistence import written_by

__all__ = [
    "describe",
    "described",
    "kept_of",
    "load_model",
    "recommend_dim",
    "stage_of",
    "warn_of_another_model",
]

#: Stages by the candidate of `validation_scores_` that was kept.
_STAGES = {"start": "SVD rotation", "adaptor": "without labels", "supervised": "with labels"}


def load_model(path: Path) -> MatryoshkaAdaptor:
    """Return the model of a file that `save` wrote.

    Parameters
    ----------
    path : Path

    Raises
    ------
    ValueError
        If there is no such file, or it is no model.
    """
    existing_file("MODEL", path)
    with naming("MODEL"):
        return MatryoshkaAdaptor.load(path)


def describe(path: Path, *, as_json: bool) -> None:
    """Print what a file holds.

    Parameters
    ----------
    path : Path
    as_json : bool
    """
    found = described(path, load_model(path))
    if as_json:
        say_json({"command": "info", **found})
        return
    shown = found | {
        "dims": ", ".join(map(str, found["dims"])),
        "hidden_units": found["hidden_units"] or "none, a rotation alone",
        "kept": stage_of(found["kept"]),
        "parameters": ", ".join(f"{k}={v!r}" for k, v in found["parameters"].items()) or "defaults",
    }
    width = max(map(len, shown)) + 2
    say(*(f"{name.replace('_', ' '):{width}}{value}" for name, value in shown.items()))


def described(path: Path, model: MatryoshkaAdaptor) -> dict[str, Any]:
    """Return what a file holds, for machines.

    Parameters
    ----------
    path : Path
    model : MatryoshkaAdaptor
        What was loaded from it.
    """
    version, file_format = written_by(path)
    defaults = MatryoshkaAdaptor().get_params()
    parameters = model.get_params(deep=False).items()
    return {
        "model": str(path),
        "madapt": version,
        "format": file_format,
        "fingerprint": model.fingerprint_,
        "d": model.n_features_in_,
        "dims": list(model.dims_),
        "kept": kept_of(model),
        "hidden_units": model.adaptor_.W1.shape[1] if model.adaptor_.has_mlp else 0,
        "is_centered": model.center_ is not None,
        "steps": model.n_iter_,
        "is_interrupted": getattr(model, "checkpoint_", None) is not None,
        "parameters": {name: value for name, value in parameters if value != defaults[name]},
        "bytes": path.stat().st_size,
    }


def stage_of(kept: str | None) -> str:
    """Return in words which candidate the guard kept."""
    return f"{kept} ({_STAGES[kept]})" if kept in _STAGES else "not measured"


def warn_of_another_model(model: MatryoshkaAdaptor, rows: np.ndarray, argument: str) -> None:
    """Warn where rows look like vectors of another model.

    Parameters
    ----------
    model : MatryoshkaAdaptor
    rows : ndarray of shape (n, d)
        Of fewer than 20 one cannot tell.
    argument : str
        What they are called.
    """
    if len(rows) < 20:
        return
    found = model.check_vectors(rows)
    if not found:
        warnings.warn(
            f"{argument} does not look like vectors of the model that MODEL was fitted on "
            f"({found})",
            MadaptWarning,
            stacklevel=2,
        )


def kept_of(model: MatryoshkaAdaptor) -> str | None:
    """Return which candidate the guard kept; None without a guard."""
    kept = (model.validation_scores_ or {}).get("kept")
    return kept[0] if kept else None


def recommend_dim(path: Path, target: float, *, as_json: bool) -> None:
    """Print the smallest dim that keeps a share of full quality.

    Parameters
    ----------
    path : Path
    target : float
        Wanted share.
    as_json : bool
    """
    with naming("MODEL", target="--target"):
        found = load_model(path).recommend_dim(target)
    if as_json:
        say_json(
            {
                "command": "recommend",
                "dim": found.dim,
                "target": found.target,
                "is_reached": found.share >= found.target,
                "share": found.share,
                "interval": list(found.interval),
                "basis": found.basis,
                "n_held_out": found.n_held_out,
                "shares": {str(m): share for m, share in found.shares.items()},
            }
        )
        return
    missed = "" if found.share >= target else f"; no dim reaches {target:.1%}, this is the best"
    say(f"{found}{missed}", "")
    say(table({"dims": list(found.shares), "share": list(found.shares.values())}))
