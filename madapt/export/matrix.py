"""A linear adaptor as one matrix: for NumPy's file format, for FAISS."""

from __future__ import annotations

import io
import os
from typing import Any

import numpy as np

from madapt._checks import check_dim
from madapt._replacing import as_path, replace_file
from madapt.exceptions import InvalidValueError
from madapt.export._folded import folded, refuse_mlp

__all__ = ["to_faiss", "to_npy"]


def to_npy(adaptor: Any, path: str | os.PathLike[str], dim: int | None = None) -> None:
    """Write the rotation to a ``.npy`` file that any language reads.

    Parameters
    ----------
    adaptor : MatryoshkaAdaptor
        Fitted, without centring and MLP: what ``fit(X)`` gives without queries and labels.
    path : str or path
        What is there is replaced in one step.
    dim : int or None, default=None
        Components to write, in 1..d; the first m of them give a prefix of m. None: d.

    Raises
    ------
    TypeError
        If adaptor is no MatryoshkaAdaptor, or dim no integer or path no path.
    ValueError
        If the adaptor centres or has an MLP, of which a matrix would be a part only, or dim
        lies outside its range.
    sklearn.exceptions.NotFittedError
        If adaptor is not fitted.
    OSError
        If the file cannot be written; the old one is as it was.

    Notes
    -----
    The array has shape (dim, d) and is float32 in C order, rows are components:
    ``x @ M[:m].T``, scaled to unit length, is ``transform(x, dim=m)``. docs/exports.md has it in
    other languages.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> import numpy as np
    >>> from madapt import MatryoshkaAdaptor
    >>> from madapt.datasets import load_cranfield
    >>> from madapt.export import to_npy
    >>> X = load_cranfield().corpus
    >>> adaptor = MatryoshkaAdaptor(max_iter=1, random_state=0).fit(X)
    >>> with TemporaryDirectory() as folder:
    ...     to_npy(adaptor, Path(folder) / "rotation.npy")
    ...     M = np.load(Path(folder) / "rotation.npy")
    >>> M.shape, M.dtype
    ((384, 384), dtype('float32'))
    >>> Z = X @ M[:64].T
    >>> Z /= np.linalg.norm(Z, axis=1, keepdims=True)
    >>> bool(np.allclose(Z, adaptor.transform(X, dim=64), atol=1e-6))
    True
    """
    path = as_path(path)
    model = folded(adaptor, "document")
    m = model.d if dim is None else check_dim(dim, model.d)
    if not model.is_matrix:
        refuse_mlp(model, "one matrix")
        raise InvalidValueError(
            "adaptor must be a rotation and nothing else for one matrix, got one that shifts rows "
            "(it centres, or its MLP has a bias): to_onnx, to_faiss and "
            "to_sentence_transformers take it"
        )
    file = io.BytesIO()
    np.save(file, np.ascontiguousarray(model.A[:, :m].T, dtype="<f4"), allow_pickle=False)
    replace_file(path, file.getvalue())


def to_faiss(adaptor: Any, dim: int | None = None, *, side: str = "document") -> Any:
    """Return a ``faiss.LinearTransform`` to the first `dim` coordinates.

    Parameters
    ----------
    adaptor : MatryoshkaAdaptor
        Fitted, without an MLP that is not linear.
    dim : int or None, default=None
        In 1..d. None: d.
    side : {"document", "query"}, default="document"
        Which mean is taken away; without centring both are the same.

    Returns
    -------
    faiss.LinearTransform
        From d to `dim`, with a bias where the adaptor centres. Like FAISS's own PCA it knows
        nothing of lengths: ``faiss.NormalizationTransform`` comes after it, and before it,
        too, where the adaptor centres (docs/exports.md).

    Raises
    ------
    TypeError
        If adaptor is no MatryoshkaAdaptor or dim no integer.
    ValueError
        If the adaptor has an MLP, or dim or side is not one of the above.
    sklearn.exceptions.NotFittedError
        If adaptor is not fitted.
    ImportError
        If FAISS is not installed.

    Examples
    --------
    >>> import faiss  # doctest: +SKIP
    >>> index = faiss.IndexFlatIP(64)  # doctest: +SKIP
    >>> index = faiss.IndexPreTransform(faiss.NormalizationTransform(64), index)  # doctest: +SKIP
    >>> index.prepend_transform(to_faiss(adaptor, dim=64))  # doctest: +SKIP
    """
    model = folded(adaptor, side)
    m = model.d if dim is None else check_dim(dim, model.d)
    refuse_mlp(model, "faiss.LinearTransform")
    try:
        import faiss
    except ImportError as error:
        raise ImportError(
            "to_faiss needs FAISS, which is not installed: pip install 'madapt[faiss]'"
        ) from error

    transform = faiss.LinearTransform(model.d, m, model.s is not None)
    weights = np.ascontiguousarray(model.A[:, :m].T, dtype=np.float32)  # (m, d)
    faiss.copy_array_to_vector(weights.ravel(), transform.A)
    if model.s is not None:
        faiss.copy_array_to_vector(model.s[:m].astype(np.float32), transform.b)
    transform.set_is_orthonormal()
    transform.is_trained = True
    return transform
