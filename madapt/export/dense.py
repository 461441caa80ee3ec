"""A fitted adaptor as stock modules of sentence-transformers, at the end of a saved model."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from madapt._replacing import as_path, replace_file
from madapt.exceptions import InvalidFileError, InvalidValueError
from madapt.export._folded import Folded, folded

__all__ = ["to_sentence_transformers"]

#: Names that every release of sentence-transformers knows, and servers that read its files.
_TYPES = "sentence_transformers.models"
#: A module's name begins with it, so that no adaptor is put behind another by mistake.
_MARK = "madapt_"
_ACTIVATIONS = {
    "identity": "torch.nn.modules.linear.Identity",
    "relu": "torch.nn.modules.activation.ReLU",
    "gelu": "torch.nn.modules.activation.GELU",
    "silu": "torch.nn.modules.activation.SiLU",
    "tanh": "torch.nn.modules.activation.Tanh",
}
#: How small a number is that tanh lets through: e^2 z^2 / 3 of it is lost, less than rounding.
SMALL = 2.0**-10

Layer = tuple[np.ndarray, np.ndarray | None, str]


def to_sentence_transformers(
    adaptor: Any, path: str | os.PathLike[str], *, side: str = "document"
) -> None:
    """Put the adaptor behind the modules of a saved SentenceTransformer.

    Parameters
    ----------
    adaptor : MatryoshkaAdaptor
        Fitted, of any kind, on what this model's `encode` returns.
    path : str or path
        Folder that ``SentenceTransformer.save`` wrote. Modules are added to it and to its
        ``modules.json``; save a copy if the model as it was is still needed.
    side : {"document", "query"}, default="document"
        Which mean is taken away. Make one folder for each side where the adaptor centres;
        without centring both are the same.

    Raises
    ------
    TypeError
        If adaptor is no MatryoshkaAdaptor or path no path.
    ValueError
        If side is another, path is no such folder, or an adaptor is there already.
    sklearn.exceptions.NotFittedError
        If adaptor is not fitted.
    OSError
        If a file cannot be written; ``modules.json`` is the last, and until then the model is
        as it was.

    Notes
    -----
    ``encode(texts, truncate_dim=m, normalize_embeddings=True)`` is then ``transform`` at dim m
    of what it was. sentence-transformers cuts after the last module, so a cut vector has unit
    length with `normalize_embeddings` only.

    The modules are Normalize and Dense, in JSON and safetensors: neither torch nor
    sentence-transformers is needed here, and no ``trust_remote_code`` there. A Dense has no skip
    connection around two layers. But act(z) - act(-z) = z for relu, gelu and silu, so that

        y = [I, -I, W^T] act([A^T; -A^T; V^T] x + [s; -s; t])

    is x A + s + act(x V + t) W. tanh has no such identity, but tanh(e z) / e is z to float32's
    rounding for small e. Linear adaptors are one Dense.

    Examples
    --------
    >>> from madapt.export import to_sentence_transformers
    >>> model.save("adapted")  # doctest: +SKIP
    >>> to_sentence_transformers(adaptor, "adapted")  # doctest: +SKIP
    >>> model = SentenceTransformer("adapted", truncate_dim=64)  # doctest: +SKIP
    >>> model.encode(texts, normalize_embeddings=True).shape  # doctest: +SKIP
    (1000, 64)
    """
    path = as_path(path)
    model = folded(adaptor, side)
    modules = _modules_of(path)
    kinds: list[Layer | None] = [*_layers(model)]
    if model.normalize:
        kinds = [None, *kinds, None]  # None: a Normalize
    for at, layer in enumerate(kinds, start=len(modules)):
        kind = "Normalize" if layer is None else "Dense"
        folder = path / f"{_MARK}{at}_{kind}"
        folder.mkdir(exist_ok=True)
        if layer is not None:
            _write_dense(folder, layer, model.origin)
        modules.append(
            {"idx": at, "name": f"{_MARK}{at}", "path": folder.name, "type": f"{_TYPES}.{kind}"}
        )
    replace_file(path / "modules.json", json.dumps(modules, indent=2).encode())


def _layers(model: Folded) -> Iterator[Layer]:
    """Give each Dense of a model.

    Yields
    ------
    tuple
        Weights of shape (out, in), biases of shape (out,) or None, and the activation.
    """
    s = np.zeros(model.d) if model.s is None else model.s
    if model.V is None or model.t is None or model.W is None:
        yield model.A.T, model.s, "identity"
        return
    eye = np.eye(model.d)
    if model.activation == "tanh":
        skip, back = [SMALL * model.A.T], [eye / SMALL]
        shifts = [SMALL * s]
    else:
        skip, back = [model.A.T, -model.A.T], [eye, -eye]
        shifts = [s, -s]
    yield np.vstack([*skip, model.V.T]), np.hstack([*shifts, model.t]), model.activation
    yield np.hstack([*back, model.W.T]), None, "identity"


def _write_dense(folder: Path, layer: Layer, origin: dict[str, str]) -> None:
    """Write one Dense module."""
    from safetensors.numpy import save

    weight, bias, activation = layer
    out_features, in_features = weight.shape
    config = {
        "in_features": in_features,
        "out_features": out_features,
        "bias": bias is not None,
        "activation_function": _ACTIVATIONS[activation],
    }
    tensors = {"linear.weight": np.ascontiguousarray(weight, np.float32)}
    if bias is not None:
        tensors["linear.bias"] = bias.astype(np.float32)
    replace_file(folder / "model.safetensors", save(tensors, {"format": "pt", **origin}))
    replace_file(folder / "config.json", json.dumps(config, indent=2).encode())


def _modules_of(path: Path) -> list[dict[str, Any]]:
    """Return the modules of a saved model, one of which turns texts into vectors."""
    file = path / "modules.json"
    if not file.is_file():
        raise InvalidValueError(
            "path must be a folder with modules.json, as SentenceTransformer.save writes it, "
            f"got {path}"
        )
    try:
        modules: list[dict[str, Any]] = json.loads(file.read_text(encoding="utf-8"))
        names = [module["name"] for module in modules]
        if not names or not all(isinstance(name, str) for name in names):
            raise TypeError("no modules with names")
    except (ValueError, TypeError, LookupError) as error:
        raise InvalidFileError(f"{file} holds no list of modules: {error}") from error
    if any(name.startswith(_MARK) for name in names):
        raise InvalidValueError(
            f"path must be a model without an adaptor, got {path}, which has one: save the model "
            "afresh"
        )
    return modules
