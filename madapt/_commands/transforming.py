"""The command `transform`: adapt a file block by block into another one."""

from __future__ import annotations

import io
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from madapt._checks import check_dim, check_one_of
from madapt._commands.inputs import Source, naming, open_source
from madapt._commands.models import load_model, warn_of_another_model
from madapt._commands.outputs import Layout, check_output, writing, writing_to
from madapt._commands.printing import Bar, count_bytes, say, say_json
from madapt.estimator import MatryoshkaAdaptor
from madapt.exceptions import InvalidValueError, MadaptWarning
from madapt.io import Embeddings, transform_file
from madapt.quantization import PRECISIONS

__all__ = ["TransformOptions", "transform"]


@dataclass(frozen=True)
class TransformOptions:
    """What the command line asks for.

    Parameters
    ----------
    model, input, output : Path
    dim : int or None
        None is the model's `dim`, else d.
    precision : str or None
    side : {"document", "query"}
    column, ids : str or None
        Where the input has its vectors and ids.
    resume : bool
        Whether to keep what is written when it is interrupted, and to go on with it.
    is_dry, as_json : bool
    """

    model: Path
    input: Path
    output: Path
    dim: int | None = None
    precision: str | None = None
    side: str = "document"
    column: str | None = None
    ids: str | None = None
    resume: bool = False
    is_dry: bool = False
    as_json: bool = False


@dataclass(frozen=True)
class _Work:
    """A model, its rows, and what of them is wanted."""

    model: MatryoshkaAdaptor
    source: Source
    dim: int
    options: TransformOptions

    def __call__(self, block: np.ndarray) -> np.ndarray:
        """Return the adapted block."""
        with warnings.catch_warnings():
            # Said once, of the first rows.
            warnings.filterwarnings("ignore", "X does not look like", MadaptWarning)
            adapted = self.model.transform(
                block, self.dim, self.options.side, precision=self.options.precision
            )
        return np.asarray(adapted)  # of a frame, where the model's `set_output` says so

    def layout(self, probe: np.ndarray) -> Layout:
        """Return the layout of the output; `probe` is any adapted block."""
        return Layout(
            (self.source.shape[0], probe.shape[1]),
            probe.dtype,
            self.source.ids,
            self.source.ids_name,
            self.model.stamp(self.dim, precision=self.options.precision),
        )


def transform(options: TransformOptions) -> None:
    """Adapt the rows of a file and write them to another one.

    Parameters
    ----------
    options : TransformOptions
    """
    began = time.monotonic()
    work = _opened(options)
    found: dict[str, Any] = {
        "command": "transform",
        "output": str(options.output),
        "rows": work.source.shape[0],
        "d": work.source.shape[1],
        "dim": work.dim,
        "side": options.side,
        "precision": options.precision,
        "ids": work.source.ids_name or "row numbers",
        "bytes_in": work.source.n_bytes,
    }
    if options.is_dry:
        _say_plan(work, found, time.monotonic() - began)
        return
    layout = _write_resumably(work, found) if options.resume else _write(work)
    found |= {
        "stamp": layout.stamp,
        "dtype": layout.dtype.name,
        "columns": layout.shape[1],
        "bytes_out": options.output.stat().st_size,
        "seconds": round(time.monotonic() - began, 2),
    }
    if options.as_json:
        say_json(found)
        return
    say(
        f"Wrote {found['rows']:,} rows of {layout.shape[1]} {layout.dtype.name} to "
        f"{options.output}, {count_bytes(found['bytes_in'])} to "
        f"{count_bytes(found['bytes_out'])}, {found['seconds']:.1f} s.",
        f"Stamp: {layout.stamp}",
    )
    if found.get("resumed_at"):
        say(f"The first {found['resumed_at']:,} rows were there.")


def _opened(options: TransformOptions) -> _Work:
    """Check all that can be checked before a row is read."""
    if options.precision is not None:
        check_one_of(options.precision, "--precision", tuple(PRECISIONS))
    check_one_of(options.side, "--side", ("document", "query"))
    model = load_model(options.model)
    inputs = [path for path in (options.model, options.input) if path.exists()]
    check_output(options.output, *inputs)
    role: Any = "queries" if options.side == "query" else "corpus"
    source = open_source("INPUT", options.input, role, column=options.column, ids=options.ids)
    source.check_width(model.n_features_in_, "those MODEL was fitted on")
    dim = model.n_features_in_ if model.dim is None else model.dim
    dim = check_dim(dim if options.dim is None else options.dim, model.n_features_in_, "--dim")
    return _Work(model, source, dim, options)


def _write(work: _Work) -> Layout:
    """Write all blocks and return the layout."""
    n = work.source.shape[0]
    blocks = work.source.blocks()
    start, block = next(blocks)
    warn_of_another_model(work.model, block, "INPUT")
    adapted = work(block)
    layout = work.layout(adapted)
    with Bar("transform", n) as bar, writing(work.options.output, layout) as writer:
        writer.write(adapted)
        bar.show(len(block))
        for start, block in blocks:
            writer.write(work(block))
            bar.show(start + len(block))
    return layout


def _write_resumably(work: _Work, found: dict[str, Any]) -> Layout:
    """Write what an interrupted run has left to do; note at which row it began."""
    options, source = work.options, work.source
    if not isinstance(source.rows, Embeddings):
        raise InvalidValueError(
            f"--resume must come with a .npy or Parquet file as INPUT, got {source.path}"
        )
    if source.ids is not None and options.output.suffix.lower() != ".npy":
        raise InvalidValueError(
            f"--resume must come with a .npy file as --output where INPUT has ids, which it does "
            f"not carry; got {options.output} and ids in {source.ids_name!r}"
        )
    words = {"dst": "--output", "src": "INPUT", "dim": "--dim", "side": "--side"}
    words |= {"precision": "--precision", "adaptor": "MODEL"}
    with Bar("transform", source.shape[0]) as bar, naming("INPUT", **words):
        made = transform_file(
            work.model,
            source.rows,
            options.output,
            work.dim,
            options.side,
            precision=options.precision,
            progress=lambda done, n: bar.show(done),
        )
    found["resumed_at"] = made.resumed_at
    return Layout(made.shape, made.dtype, None, None, made.stamp)


def _say_plan(work: _Work, found: dict[str, Any], opened: float) -> None:
    """Check all rows, time a block, and say what would be done."""
    n = work.source.shape[0]
    began = time.monotonic()
    first: np.ndarray | None = None
    with Bar("check", n) as bar:
        for start, block in work.source.blocks():
            first = np.array(block) if first is None else first
            bar.show(start + len(block))
    read = time.monotonic() - began
    block = np.zeros((1, work.source.shape[1])) if first is None else first
    warn_of_another_model(work.model, block, "INPUT")
    work(block[:1])  # compiled and loaded
    began = time.monotonic()
    adapted = work(block)
    layout = work.layout(adapted)
    buffer = io.BytesIO()
    part = Layout((len(block), layout.shape[1]), *_rest(layout, len(block)))
    writer = writing_to(buffer, work.options.output, part)
    writer.write(adapted)
    writer.close()
    seconds = opened + read + (time.monotonic() - began) * n / len(block)
    found |= {
        "dry_run": True,
        "stamp": layout.stamp,
        "bytes_out": int(buffer.getbuffer().nbytes * n / len(block)),
        "estimated_seconds": round(seconds, 2),
    }
    if work.options.as_json:
        say_json(found)
        return
    say(
        f"Would adapt {n:,} rows of {found['d']} dims, {count_bytes(found['bytes_in'])}, to "
        f"{found['dim']} dims and write {found['output']}, about "
        f"{count_bytes(found['bytes_out'])}.",
        f"Estimated: {seconds:.1f} s. Nothing was written.",
    )


def _rest(layout: Layout, n: int) -> tuple[Any, ...]:
    ids = None if layout.ids is None else layout.ids[:n]
    return layout.dtype, ids, layout.ids_name, layout.stamp
