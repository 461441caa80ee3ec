"""Relevance judgments in any common shape become one sparse matrix."""

from __future__ import annotations

import numbers
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from scipy import sparse

from madapt.exceptions import InvalidTypeError, InvalidValueError

__all__ = ["as_qrels", "index_ids"]

# Rows, columns and grades, one of each for every judgment.
_Triplets = tuple[np.ndarray, np.ndarray, np.ndarray]


def as_qrels(
    qrels: Any,
    n_queries: int,
    n_documents: int,
    *,
    query_ids: Sequence[Hashable] | np.ndarray | None = None,
    corpus_ids: Sequence[Hashable] | np.ndarray | None = None,
    name: str = "qrels",
) -> sparse.csr_array:
    """Return judgments as a CSR array with one row a query and one column a document.

    A stored zero is a document that was judged and found not relevant; a pair that is not
    stored was never judged. Both survive. Only the BSR and DIA formats cannot tell a stored
    zero from padding, so their zeros count as never judged.

    Parameters
    ----------
    qrels : sparse array or matrix, list of dicts, or dict of dicts
        The grades, finite and at least 0, with at least one above 0:

        - sparse, any format, of shape (n_queries, n_documents);
        - one dict a query, document to grade, in the order of the queries;
        - ``{query: {document: grade}}`` as BEIR has it; a query that is left out has no
          judgments.
    n_queries : int
        Number of queries, the rows of the result.
    n_documents : int
        Number of documents, the columns of the result.
    query_ids : sequence of length n_queries or None, default=None
        What the queries of a dict of dicts are called. None: its keys are row numbers.
    corpus_ids : sequence of length n_documents or None, default=None
        What the documents of the dicts are called. None: their keys are row numbers of the
        corpus.
    name : str, default="qrels"
        The argument's name, for the error.

    Returns
    -------
    csr_array of shape (n_queries, n_documents), float32
        A new array with sorted indices and every judgment stored once.

    Raises
    ------
    InvalidValueError
        If the shape or the number of dicts is another, a query or document is not there, a
        pair is judged twice, a grade is negative or not finite, or no grade is above 0.
    InvalidTypeError
        If the judgments are dense or of another type, or a grade is no number.

    Examples
    --------
    >>> from madapt._qrels import as_qrels
    >>> judged = {"q1": {"d2": 2, "d3": 0}}
    >>> qrels = as_qrels(judged, 1, 3, query_ids=["q1"], corpus_ids=["d1", "d2", "d3"])
    >>> qrels.toarray()
    array([[0., 2., 0.]], dtype=float32)
    >>> qrels.nnz
    2
    """
    shape = (n_queries, n_documents)
    query_rows = index_ids(query_ids, n_queries, "query_ids")
    document_rows = index_ids(corpus_ids, n_documents, "corpus_ids")
    if sparse.issparse(qrels):
        triplets = _from_sparse(qrels, shape, name)
    elif isinstance(qrels, Mapping):
        triplets = _from_dicts(qrels.items(), shape, query_rows, document_rows, name)
    elif _is_row_list(qrels, name):
        if len(qrels) != n_queries:
            raise InvalidValueError(
                f"{name} must hold one dict for each of the {n_queries} queries, got {len(qrels)}"
            )
        triplets = _from_dicts(enumerate(qrels), shape, None, document_rows, name)
    else:
        raise InvalidTypeError(
            f"{name} must be sparse, a list of dicts or a dict of dicts, got {type(qrels).__name__}"
        )
    return _assemble(triplets, shape, name)


def index_ids(
    ids: Sequence[Hashable] | np.ndarray | None, n: int, name: str
) -> dict[Hashable, int] | None:
    """Return each id's position; None stays None.

    Parameters
    ----------
    ids : sequence of length n or None
        Distinct ids.
    n : int
        The number of ids that is wanted.
    name : str
        The argument's name, for the error.

    Returns
    -------
    dict or None
        From id to position.

    Raises
    ------
    InvalidValueError
        If there are more or fewer than n ids, or one comes twice.
    InvalidTypeError
        If ids is not a sequence of things that can be looked up.
    """
    if ids is None:
        return None
    if isinstance(ids, str | bytes) or not np.iterable(ids):
        raise InvalidTypeError(f"{name} must be a sequence of ids, got {ids!r}")
    # Native Python objects: their hashes agree with those of NumPy scalars, and print better.
    listed = ids.tolist() if isinstance(ids, np.ndarray) else list(ids)
    if len(listed) != n:
        raise InvalidValueError(f"{name} must hold {n} ids, one a row, got {len(listed)}")
    positions: dict[Hashable, int] = {}
    for position, one in enumerate(listed):
        if not isinstance(one, Hashable):
            raise InvalidTypeError(f"{name} must hold text or numbers, got {one!r}")
        if positions.setdefault(one, position) != position:
            raise InvalidValueError(f"{name} must be distinct, got {one!r} twice")
    return positions


def _is_row_list(qrels: Any, name: str) -> bool:
    """Tell whether this is a list of rows; dense matrices are turned away with advice."""
    shape = getattr(qrels, "shape", None)
    nested = isinstance(qrels, list | tuple) and any(isinstance(row, list | tuple) for row in qrels)
    if nested or (shape is not None and len(shape) == 2):
        came = "nested lists" if nested else f"a dense array of shape {tuple(shape or ())}"
        raise InvalidTypeError(
            f"{name} must be sparse: wrap it in scipy.sparse.csr_array, got {came}"
        )
    return isinstance(qrels, list | tuple) or (
        isinstance(qrels, np.ndarray) and qrels.ndim == 1 and qrels.dtype == object
    )


def _from_sparse(qrels: Any, shape: tuple[int, int], name: str) -> _Triplets:
    if tuple(qrels.shape) != shape:
        raise InvalidValueError(
            f"{name} must have shape {shape}, queries by documents, got {tuple(qrels.shape)}"
        )
    if qrels.dtype.kind not in "buif":
        raise InvalidTypeError(f"{name} must hold real numbers, got dtype {qrels.dtype}")
    entries = qrels.tocoo()
    rows, columns, grades = entries.row, entries.col, entries.data
    if qrels.format == "bsr":  # its blocks are padded with zeros that nobody judged
        judged = grades != 0
        rows, columns, grades = rows[judged], columns[judged], grades[judged]
    return rows, columns, grades


def _from_dicts(
    pairs: Iterable[tuple[Any, Any]],
    shape: tuple[int, int],
    query_rows: dict[Hashable, int] | None,
    document_rows: dict[Hashable, int] | None,
    name: str,
) -> _Triplets:
    rows: list[int] = []
    columns: list[int] = []
    grades: list[float] = []
    for query, judged in pairs:
        row = _row_of(query, query_rows, shape[0], name, ("queries", "query_ids"))
        if not isinstance(judged, Mapping):
            raise InvalidTypeError(
                f"{name} must hold a dict, document to grade, for each query, "
                f"got {judged!r} for query {query!r}"
            )
        for document, grade in judged.items():
            if not isinstance(grade, numbers.Real | np.bool_):
                raise InvalidTypeError(
                    f"{name} must hold numbers as grades, "
                    f"got {grade!r} for query {query!r}, document {document!r}"
                )
            rows.append(row)
            columns.append(
                _row_of(document, document_rows, shape[1], name, ("documents", "corpus_ids"))
            )
            grades.append(float(grade))
    return np.array(rows, dtype=np.int64), np.array(columns, dtype=np.int64), np.array(grades)


def _row_of(
    key: Any, positions: dict[Hashable, int] | None, n: int, name: str, words: tuple[str, str]
) -> int:
    """Return the row that a key of a dict stands for; words: (the plural, the ids' name)."""
    what, ids_name = words
    if positions is not None:
        if key not in positions:
            raise InvalidValueError(f"{name} must name {what} of {ids_name}, got {key!r}")
        return positions[key]
    if isinstance(key, bool | np.bool_) or not isinstance(key, numbers.Integral):
        raise InvalidTypeError(
            f"{name} must name {what} by row number when {ids_name} is None, got {key!r}"
        )
    row = int(key)
    if not 0 <= row < n:
        raise InvalidValueError(f"{name} must name {what} in 0..{n - 1}, got {row}")
    return row


def _assemble(triplets: _Triplets, shape: tuple[int, int], name: str) -> sparse.csr_array:
    rows, columns, given = triplets
    with np.errstate(over="ignore"):  # what overflows is infinite, and named below
        grades = np.asarray(given).astype(np.float32)
    wrong = ~(np.isfinite(grades) & (grades >= 0))
    if wrong.any():
        first = int(np.flatnonzero(wrong)[0])
        raise InvalidValueError(
            f"{name} must hold finite grades of at least 0, "
            f"got {given[first]} (query {rows[first]}, document {columns[first]})"
        )
    if not (grades > 0).any():
        raise InvalidValueError(
            f"{name} must hold at least one grade above 0, got none in {len(grades)} judgments"
        )
    # 32-bit indices: not every consumer of CSR takes 64 bits, and no corpus here needs them.
    narrow = np.int32 if max(*shape, len(grades)) < 2**31 else np.int64
    coordinates = (rows.astype(narrow), columns.astype(narrow))
    matrix = sparse.csr_array((grades, coordinates), shape=shape, dtype=np.float32)
    if matrix.nnz != len(grades):  # CSR has added up what came twice
        _, firsts = np.unique(rows.astype(np.int64) * shape[1] + columns, return_index=True)
        again = np.setdiff1d(np.arange(len(grades)), firsts)[0]
        raise InvalidValueError(
            f"{name} must judge a pair once, "
            f"got query {rows[again]}, document {columns[again]} twice"
        )
    matrix.sort_indices()
    return matrix
