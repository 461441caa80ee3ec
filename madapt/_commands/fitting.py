"""The command `fit`: learn from files, save a model, say what was kept."""

from __future__ import annotations

import inspect
import sys
import time
import warnings
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from madapt._balance import BLOCK, WHOLE, calibrated_dims
from madapt._commands.collection import Asked, Collection, open_collection
from madapt._commands.costs import fit_operations, fit_seconds, product_speed
from madapt._commands.inputs import naming
from madapt._commands.models import kept_of
from madapt._commands.outputs import check_output
from madapt._commands.printing import Lines, count_bytes, say, say_json, table
from madapt._fit_data import gather
from madapt._parameters import check_center, settings_of
from madapt.estimator import MatryoshkaAdaptor
from madapt.exceptions import InvalidValueError, MadaptWarning
from madapt.training import Settings

__all__ = ["FitOptions", "fit"]

#: Parameters with an option of their own.
_OPTIONS = {"dims": "--dims", "max_iter": "--max-iter", "random_state": "--random-state"}


@dataclass(frozen=True)
class FitOptions:
    """What the command line says beside the collection.

    Parameters
    ----------
    output : Path
    parameters : dict
        The estimator's.
    save_interrupted : bool
        Whether Ctrl-C saves the best state so far.
    is_dry : bool
        Whether to check and estimate only.
    as_json : bool
    """

    output: Path
    parameters: dict[str, Any]
    save_interrupted: bool = False
    is_dry: bool = False
    as_json: bool = False


def fit(asked: Asked, options: FitOptions) -> None:
    """Learn from a collection and save the model.

    Parameters
    ----------
    asked : Asked
    options : FitOptions
    """
    check_output(options.output, *_files(asked), endings=(".safetensors",))
    model = _estimator(options.parameters)
    collection = open_collection(asked)
    documents, queries = collection.arrays()
    found = {"command": "fit", "output": str(options.output), **collection.described()}
    labels = {"queries": queries, "qrels": collection.qrels}
    if options.is_dry:
        _say_plan(model, collection, documents, labels, found, as_json=options.as_json)
        return
    began = time.monotonic()
    with naming("--set", **_OPTIONS):
        _learn(model, documents, labels)
    interrupted = model.checkpoint_ is not None
    if interrupted and not options.save_interrupted:
        raise KeyboardInterrupt
    model.save(options.output)
    found |= {
        "fingerprint": model.fingerprint_,
        "dims": list(model.dims_),
        "steps": model.n_iter_,
        "is_interrupted": interrupted,
        "kept": kept_of(model),
        "validation_scores": model.validation_scores_,
        "bytes_out": options.output.stat().st_size,
        "seconds": round(time.monotonic() - began, 2),
    }
    _say_result(found, as_json=options.as_json)
    if interrupted:
        sys.stdout.flush()
        sys.stderr.write(
            f"madapt: interrupted after {model.n_iter_} steps; the best state so far is saved in "
            f"{options.output}\n"
        )
        raise KeyboardInterrupt


def _files(asked: Asked) -> list[Path]:
    files = (asked.corpus, asked.queries, asked.qrels)
    return [path for path in files if path is not None and path.exists()]


def _estimator(parameters: dict[str, Any]) -> MatryoshkaAdaptor:
    known = inspect.signature(MatryoshkaAdaptor).parameters
    for name in parameters:
        if name not in known or name == "verbose":
            raise InvalidValueError(
                f"--set must name a parameter of MatryoshkaAdaptor, got {name!r}"
            )
    return MatryoshkaAdaptor(**parameters)


def _learn(model: MatryoshkaAdaptor, documents: np.ndarray, labels: dict[str, Any]) -> None:
    """Fit, with a line on a terminal; after Ctrl-C there is a `checkpoint_`."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "fit was interrupted", MadaptWarning)
        if not sys.stderr.isatty():
            model.fit(documents, **labels)
            return
        lines = Lines(sys.stderr)
        model.set_params(verbose=1)
        try:
            with redirect_stdout(lines):
                model.fit(documents, **labels)
        finally:
            model.set_params(verbose=0)
            lines.end()


def _say_result(found: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        say_json(found)
        return
    scores = found["validation_scores"]
    if scores:
        names = [name for name in scores if name not in ("kept", "metric")]
        say(f"{scores['metric'][0]} on held-out rows, by the number of dims kept", "")
        say(table({"dims" if name == "dim" else name: scores[name] for name in names}), "")
        say(f"Kept: {found['kept']}.")
    else:
        say("Nothing was held out, so there are no scores: with a guard and 20 rows there are.")
    say(
        f"Saved in {found['output']}: {count_bytes(found['bytes_out'])}, {found['d']} dims, "
        f"fingerprint {found['fingerprint']}, {found['seconds']:.1f} s."
    )


def _say_plan(
    model: MatryoshkaAdaptor,
    collection: Collection,
    documents: np.ndarray,
    labels: dict[str, Any],
    found: dict[str, Any],
    *,
    as_json: bool,
) -> None:
    """Check what `fit` would check, and say what it would do."""
    with naming("--set", **_OPTIONS):
        data = gather(documents, None, corpus=None, query_ids=None, corpus_ids=None, **labels)
        n, d = documents.shape
        settings = settings_of(model, d, *data.label_counts, data.n_queries, n)
        check_center(model.center, data.queries is not None)
    operations = fit_operations(settings, n, d, collection.n_judged, int(model.max_fit_rows))
    found |= {
        "dry_run": True,
        "dims": list(settings.dims),
        "steps_at_most": _steps(settings, collection.n_judged),
        "bytes_in": collection.n_bytes,
        "bytes_out": _model_bytes(settings, documents, collection.n_judged),
        "estimated_seconds": round(fit_seconds(operations, product_speed()), 1),
    }
    if as_json:
        say_json(found)
        return
    say(
        f"Would fit on {n:,} documents of {d} dims, {count_bytes(found['bytes_in'])}, with "
        f"{found['queries']:,} queries, {found['judged_queries']:,} of them judged,",
        f"for dims {', '.join(map(str, settings.dims))}, and write {found['output']}, at most "
        f"about {count_bytes(found['bytes_out'])}.",
        f"Estimated: {found['estimated_seconds']:.0f} s. Nothing was written.",
    )


def _steps(settings: Settings, n_judged: int) -> int:
    return settings.unsupervised.max_iter + (settings.supervised.max_iter if n_judged else 0)


def _model_bytes(settings: Any, documents: np.ndarray, n_judged: int) -> int:
    """Return about how large the file will be, with an MLP if the guard lets one pass."""
    n, d = documents.shape
    is_trained = n_judged or not settings.is_rotation_learned
    hidden = (settings.hidden_dim or 0) if is_trained else 0
    # Prefix m of a quantizer has a rotation of m x m, of two or more blocks where m is long.
    codes = sum(m * min(m, BLOCK if m > WHOLE else m) for m in calibrated_dims(settings.dims, d))
    numbers = d * d + (2 * d + 1) * hidden + codes
    held_out = len(settings.dims) * min(1000, n // 10) * settings.guard
    return int(numbers * documents.dtype.itemsize + 8 * held_out)
