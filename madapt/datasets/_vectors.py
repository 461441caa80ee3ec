"""The vector files of a BEIR folder: found, chosen and read with their ids."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Collection
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from madapt._checks import check_embeddings
from madapt._qrels import index_ids
from madapt.exceptions import InvalidTypeError, InvalidValueError

__all__ = ["Vectors", "choose_vectors", "read_npy_pair", "read_npz", "read_vectors"]

_PAIR = ("corpus.npy", "queries.npy")
_KEYS = ("corpus", "corpus_ids", "queries", "query_ids")


class Vectors(NamedTuple):
    """Vectors of both sides, each row with its id."""

    corpus: np.ndarray
    corpus_ids: np.ndarray
    queries: np.ndarray
    query_ids: np.ndarray


def choose_vectors(folder: Path, vectors: Any) -> Path | tuple[Path, Path]:
    """Return the .npz or the pair of .npy that was asked for, or the only one there is.

    Parameters
    ----------
    folder : Path
        The collection.
    vectors : str, PathLike, pair of them, or None
        As in :func:`madapt.datasets.load_beir`.

    Returns
    -------
    Path or pair of Path
        Files that exist.

    Raises
    ------
    InvalidValueError
        If there is no such file, or none was named and there is not exactly one choice.
    InvalidTypeError
        If vectors is of another type.
    """
    if vectors is None:
        return _only_one(folder)
    paired = isinstance(vectors, tuple | list)
    names = list(vectors) if paired else [vectors]
    if len(names) != 1 + paired or not all(isinstance(one, str | PathLike) for one in names):
        raise InvalidTypeError(
            f"vectors must be an .npz's name, a pair of .npy names or None, got {vectors!r}"
        )
    if paired:
        pair = folder / names[0], folder / names[1]
        missing = [path.name for path in pair if not path.is_file()]
        if missing:
            raise InvalidValueError(
                f"vectors must name two files in {folder}, got no {' and no '.join(missing)}"
            )
        return pair
    path: Path = folder / names[0]
    if path.suffix != ".npz":
        path = path.with_name(path.name + ".npz")
    if not path.is_file():
        raise InvalidValueError(
            f"vectors must name an .npz in {folder}, where there is {_listed(folder)}, "
            f"got {str(names[0])!r}"
        )
    return path


def read_npz(path: Path) -> Vectors:
    """Read vectors and ids from one .npz.

    Parameters
    ----------
    path : Path
        File with the arrays corpus, corpus_ids, queries and query_ids.

    Returns
    -------
    Vectors
        float32 or float64 vectors and ids as text.

    Raises
    ------
    InvalidValueError
        If an array is missing, pickled, or does not fit the others.
    """
    stored = _load(path)
    if isinstance(stored, np.ndarray):
        raise InvalidValueError(f"{path.name} must be an .npz archive, got a single array")
    missing = [key for key in _KEYS if key not in stored]
    if missing:
        raise InvalidValueError(
            f"{path.name} must hold {', '.join(_KEYS)}, got no {', '.join(missing)}"
        )
    # Ids in the judgments are text, so that numbers must become text to be found.
    corpus_ids, query_ids = stored["corpus_ids"].astype(str), stored["query_ids"].astype(str)
    return _checked(path.name, stored["corpus"], corpus_ids, stored["queries"], query_ids)


def read_npy_pair(
    pair: tuple[Path, Path], corpus_ids: Collection[str], query_ids: Collection[str]
) -> Vectors:
    """Read vectors from two .npy files whose rows are in the order of the ids.

    Parameters
    ----------
    pair : tuple of two Path
        Vectors of the corpus and of the queries.
    corpus_ids, query_ids : collection of str
        Ids in the order of the rows.

    Returns
    -------
    Vectors
        float32 or float64 vectors and ids as text.

    Raises
    ------
    InvalidValueError
        If a file holds no plain array, or has more or fewer rows than there are ids.
    """
    arrays = []
    for path in pair:
        array = _load(path)
        if not isinstance(array, np.ndarray):
            raise InvalidValueError(f"{path.name} must hold a single array, got an archive")
        arrays.append(array)
    name = " and ".join(path.name for path in pair)
    return _checked(name, arrays[0], np.array([*corpus_ids]), arrays[1], np.array([*query_ids]))


def read_vectors(
    chosen: Path | tuple[Path, Path],
    documents: Collection[str] | None,
    questions: Collection[str] | None,
) -> Vectors:
    """Read the vectors that `choose_vectors` has found.

    Parameters
    ----------
    chosen : Path or pair of Path
        An .npz, or two .npy files.
    documents, questions : collection of str or None
        Ids of ``corpus.jsonl`` and ``queries.jsonl`` in their order, None without the file;
        rows of .npy files follow them.

    Returns
    -------
    Vectors
        float32 or float64 vectors and ids as text.

    Raises
    ------
    InvalidValueError
        If there are no ids that rows could follow, or as `read_npz` and `read_npy_pair`.
    """
    if isinstance(chosen, Path):
        return read_npz(chosen)
    if documents is None or questions is None:
        missing = "corpus.jsonl" if documents is None else "queries.jsonl"
        raise InvalidValueError(
            f"folder must hold corpus.jsonl and queries.jsonl, whose ids the rows of "
            f"{chosen[0].name} and {chosen[1].name} follow, got no {missing}"
        )
    return read_npy_pair(chosen, documents, questions)


def _only_one(folder: Path) -> Path | tuple[Path, Path]:
    found: list[Path | tuple[Path, Path]] = [*sorted(folder.glob("*.npz"))]
    pair = folder / _PAIR[0], folder / _PAIR[1]
    if all(path.is_file() for path in pair):
        found.append(pair)
    if len(found) == 1:
        return found[0]
    if not found:
        raise InvalidValueError(
            f"folder must hold vectors, one .npz or {' and '.join(_PAIR)}, got none in {folder}"
        )
    raise InvalidValueError(
        f"vectors must choose from what is in {folder}, {_listed(folder)}, got None"
    )


def _listed(folder: Path) -> str:
    """Return what can be asked for, in words for an error."""
    found = [repr(path.stem) for path in sorted(folder.glob("*.npz"))]
    if all((folder / name).is_file() for name in _PAIR):
        found.append(repr(_PAIR))
    return ", ".join(found) or "none"


def _load(path: Path) -> np.ndarray | dict[str, np.ndarray]:
    """Return the array of an .npy, or those arrays of an .npz that have a meaning here."""
    try:
        # An open file, as np.load does not close what turns out to be broken.
        with path.open("rb") as file:
            stored = np.load(file, allow_pickle=False)
            if isinstance(stored, np.ndarray):
                return stored
            return {key: stored[key] for key in _KEYS if key in stored.files}
    except (ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise InvalidValueError(
            f"{path.name} must be a file of plain NumPy arrays, got {error}"
        ) from error


def _checked(
    name: str,
    corpus: np.ndarray,
    corpus_ids: np.ndarray,
    queries: np.ndarray,
    query_ids: np.ndarray,
) -> Vectors:
    corpus = check_embeddings(corpus, f"corpus of {name}")
    queries = check_embeddings(queries, f"queries of {name}", n_features=corpus.shape[1])
    index_ids(corpus_ids, len(corpus), f"corpus_ids of {name}")
    index_ids(query_ids, len(queries), f"query_ids of {name}")
    return Vectors(corpus, corpus_ids, queries, query_ids)
