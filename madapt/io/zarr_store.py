"""Rows of an array in a zarr store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from madapt.exceptions import InvalidTypeError, InvalidValueError
from madapt.io.chunks import ChunkedEmbeddings, choose_array

__all__ = ["ZarrEmbeddings"]


class ZarrEmbeddings(ChunkedEmbeddings):
    """One 2-D array of a zarr store in a folder.

    Parameters
    ----------
    filename : Path
        The folder.
    column : str or None
        Of a group: the array, ``"group/name"`` in a group within; None takes the only one that is
        2-D and of numbers.
    """

    def __init__(self, filename: Path, column: str | None) -> None:
        try:
            import zarr
        except ImportError as error:
            raise ImportError(
                "zarr stores need zarr, which is not installed: pip install 'madapt[zarr]'"
            ) from error
        if column is not None and not isinstance(column, str):
            raise InvalidTypeError(f"column must be a str or None, got {column!r}")
        try:
            root = zarr.open(str(filename), mode="r")
        except (OSError, ValueError, KeyError) as error:
            raise InvalidValueError(
                f"path must be a zarr store, got {filename}: {error}"
            ) from error
        if isinstance(root, zarr.Array):
            arrays: dict[str, Any] = {"": root}
        else:
            members = root.members(max_depth=None)
            arrays = {name: one for name, one in members if isinstance(one, zarr.Array)}
        name = choose_array(arrays, column, filename)
        super().__init__(filename, arrays[name], name)
