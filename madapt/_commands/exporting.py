"""The command `export`: a model in the files of other programs."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from madapt._checks import check_dim, check_one_of
from madapt._commands.inputs import naming
from madapt._commands.models import load_model
from madapt._commands.outputs import check_output
from madapt._commands.printing import count_bytes, say, say_json
from madapt._replacing import replace_file
from madapt.estimator import MatryoshkaAdaptor
from madapt.exceptions import InvalidValueError
from madapt.export import to_faiss, to_npy, to_onnx, to_sentence_transformers

__all__ = ["ExportOptions", "export"]


@dataclass(frozen=True)
class ExportOptions:
    """What the command line asks for.

    Parameters
    ----------
    model : Path
    kind : {"onnx", "sentence-transformers", "faiss", "npy"}
    output : Path
        A file; the folder of a saved model for sentence-transformers.
    dim : int or None
        Coordinates of faiss and npy; None is d.
    side : {"document", "query"}
    is_dry, as_json : bool
    """

    model: Path
    kind: str
    output: Path
    dim: int | None = None
    side: str = "document"
    is_dry: bool = False
    as_json: bool = False


def export(options: ExportOptions) -> None:
    """Write a model for another program.

    Parameters
    ----------
    options : ExportOptions
    """
    began = time.monotonic()
    model = _checked(options)
    if options.is_dry:
        written = _rehearsed(model, options)
    else:
        before = _size(options.output) if options.output.is_dir() else 0
        _write(model, options)
        written = _size(options.output) - before
    seconds = round(time.monotonic() - began, 2)
    found = {
        "command": "export",
        "to": options.kind,
        "output": str(options.output),
        "d": model.n_features_in_,
        "dim": options.dim or model.n_features_in_,
        "side": options.side,
        "is_centered": model.center_ is not None,
        "fingerprint": model.fingerprint_,
        "bytes_out": written,
    }
    found |= {"dry_run": True, "estimated_seconds": seconds} if options.is_dry else {}
    found |= {} if options.is_dry else {"seconds": seconds}
    if options.as_json:
        say_json(found)
    else:
        _say_result(found, options)


def _say_result(found: dict[str, Any], options: ExportOptions) -> None:
    what = f"{_KINDS[options.kind].what}, side {options.side}, {count_bytes(found['bytes_out'])}"
    if options.is_dry:
        say(
            f"Would write {options.output}: {what}.",
            f"Estimated: {found['estimated_seconds']:.1f} s. Nothing was written.",
        )
        return
    say(f"Wrote {options.output}: {what}.", f"Fingerprint: {found['fingerprint']}")
    if found["is_centered"]:
        other = "query" if options.side == "document" else "document"
        say(f"The adaptor centres: the other side needs its own, with --side {other}.")
    if _KINDS[options.kind].note:
        say(_KINDS[options.kind].note)


def _checked(options: ExportOptions) -> MatryoshkaAdaptor:
    """Check what can be checked before anything is written, and load the model."""
    check_one_of(options.kind, "--to", tuple(_KINDS))
    check_one_of(options.side, "--side", ("document", "query"))
    kind = _KINDS[options.kind]
    model = load_model(options.model)
    if options.dim is not None:
        if not kind.takes_dim:
            raise InvalidValueError(
                f"--dim must come with --to faiss or npy, got {options.dim} for {options.kind}, "
                "which keeps all dims"
            )
        check_dim(options.dim, model.n_features_in_, "--dim")
    if kind.ending is not None:
        check_output(options.output, options.model, endings=(kind.ending,))
    return model


def _write(model: MatryoshkaAdaptor, options: ExportOptions) -> None:
    with naming("MODEL", path="--output", adaptor="MODEL"):
        _KINDS[options.kind].write(model, options)


def _rehearsed(model: MatryoshkaAdaptor, options: ExportOptions) -> int:
    """Export into a temporary folder; return how many bytes that took."""
    with tempfile.TemporaryDirectory(prefix="madapt-") as name:
        folder = Path(name)
        if _KINDS[options.kind].ending is not None:
            place = folder / options.output.name
        else:
            modules, place = options.output / "modules.json", folder
            if modules.is_file():
                shutil.copy(modules, place)
            else:  # the export says what is wrong with the path that was given
                place = options.output
        before = _size(place)
        _write(model, replace(options, output=place))
        return _size(place) - before


def _size(path: Path) -> int:
    if path.is_dir():
        return sum(one.stat().st_size for one in path.rglob("*") if one.is_file())
    return path.stat().st_size if path.exists() else 0


def _write_faiss(model: MatryoshkaAdaptor, options: ExportOptions) -> None:
    transform = to_faiss(model, options.dim, side=options.side)
    import faiss

    writer: Any = faiss.VectorIOWriter()
    faiss.write_VectorTransform(transform, writer)
    replace_file(options.output, faiss.vector_to_array(writer.data).tobytes())


@dataclass(frozen=True)
class _Kind:
    """One kind of export: what is made, how, and what it asks for."""

    what: str
    write: Callable[[MatryoshkaAdaptor, ExportOptions], None]
    #: None is a folder.
    ending: str | None
    takes_dim: bool = False
    note: str = ""


_KINDS = {
    "onnx": _Kind(
        "an ONNX graph whose inputs are vectors and dim",
        lambda model, asked: to_onnx(model, asked.output, side=asked.side),
        ".onnx",
    ),
    "sentence-transformers": _Kind(
        "modules behind those of a SentenceTransformer",
        lambda model, asked: to_sentence_transformers(model, asked.output, side=asked.side),
        None,
        note="Load it with truncate_dim= and encode with normalize_embeddings=True.",
    ),
    "faiss": _Kind(
        "a faiss.LinearTransform",
        _write_faiss,
        ".faiss",
        takes_dim=True,
        note="faiss.read_VectorTransform reads it; put a NormalizationTransform behind it, and "
        "before it, too, where the adaptor centres.",
    ),
    "npy": _Kind(
        "one matrix, rows are components",
        lambda model, asked: to_npy(model, asked.output, asked.dim),
        ".npy",
        takes_dim=True,
    ),
}
