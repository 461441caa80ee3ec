"""Rows of a dataset in an HDF5 file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from madapt.exceptions import InvalidValueError
from madapt.io.chunks import ChunkedEmbeddings, choose_array

__all__ = ["HDF5Embeddings"]


class HDF5Embeddings(ChunkedEmbeddings):
    """One 2-D dataset of an HDF5 file.

    Parameters
    ----------
    filename : Path
        The file.
    column : str or None
        The dataset, ``"group/name"`` in a group; None takes the only one that is 2-D
        and of numbers.
    """

    def __init__(self, filename: Path, column: str | None) -> None:
        try:
            import h5py
        except ImportError as error:
            raise ImportError(
                "HDF5 files need h5py, which is not installed: pip install 'madapt[hdf5]'"
            ) from error
        try:
            self._file = h5py.File(filename, "r")
        except OSError as error:
            raise InvalidValueError(
                f"path must be an HDF5 file, got {filename}: {error}"
            ) from error
        datasets: dict[str, Any] = {}

        def note(name: str, found: Any) -> None:
            if isinstance(found, h5py.Dataset):
                datasets[name] = found

        try:
            self._file.visititems(note)
            name = choose_array(datasets, column, filename)
            super().__init__(filename, datasets[name], name)
        except BaseException:
            self._file.close()
            raise

    def close(self) -> None:
        """Close the file; blocks that were read stay valid."""
        super().close()
        self._file.close()
