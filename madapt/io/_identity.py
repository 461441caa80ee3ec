"""What tells one source of rows from another, or from itself after a change."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from madapt.io.embeddings import Embeddings

__all__ = ["source_identity"]


def source_identity(source: Embeddings) -> dict[str, Any]:
    """Return path, size, time of the last change, shape, dtype, column and a digest of three rows.

    Parameters
    ----------
    source : Embeddings
        Of a file or of a folder.

    Returns
    -------
    dict
        As JSON has it.
    """
    path = source.filename.resolve()
    files = [path] if path.is_file() else [one for one in path.rglob("*") if one.is_file()]
    stats = [one.stat() for one in files]
    n = source.shape[0]
    digest = hashlib.sha256()
    for row in (0, n // 2, n - 1):
        digest.update(np.ascontiguousarray(source[row]).data)
    return {
        "src": str(path),
        "src size": sum(stat.st_size for stat in stats),
        "src changed": max((stat.st_mtime_ns for stat in stats), default=0),
        "src shape": list(source.shape),
        "src dtype": source.dtype.str,
        "src column": getattr(source, "column", None),
        "src rows": digest.hexdigest()[:32],
    }
