"""A corpus that cross-validation hands on whole, and the check that it did."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from madapt.exceptions import InvalidTypeError, InvalidValueError

__all__ = ["Corpus", "check_uncut", "n_rows", "unwrap"]


class Corpus(tuple[Any, ...]):
    """Hold a corpus that no cross-validation cuts.

    scikit-learn's model selection splits whatever is as long as X. That is right for weights of
    samples, and wrong for a corpus that happens to hold as many documents as there are queries.
    Where it does, wrap it.

    Parameters
    ----------
    vectors : array-like of shape (n_docs, d)
        The documents, as the first step takes them: embeddings, or texts where the first step
        of a pipeline embeds them.

    Raises
    ------
    TypeError
        If vectors is nothing that has rows.

    See Also
    --------
    madapt.RetrievalScorer : Takes it, as `madapt.MatryoshkaAdaptor.fit` does.

    Notes
    -----
    It is a tuple of one entry. Model selection compares lengths, and one is not that of X; and a
    `Pipeline` with ``transform_input=["corpus"]`` transforms the entries of a tuple one by one,
    so that the corpus arrives at the last step transformed, and whole.

    Examples
    --------
    >>> import numpy as np
    >>> from madapt import Corpus, MatryoshkaAdaptor
    >>> from scipy.sparse import csr_array
    >>> X = np.random.default_rng(0).standard_normal((30, 8))
    >>> Corpus(X)
    Corpus of 30 rows
    >>> queries, qrels = X + 0.1, csr_array(np.eye(30))
    >>> model = MatryoshkaAdaptor(max_iter=2, random_state=0)
    >>> model.fit(queries, qrels, corpus=Corpus(X)).n_features_in_
    8
    """

    __slots__ = ()

    def __new__(cls, vectors: Any) -> Self:
        """Wrap the documents."""
        if isinstance(vectors, Corpus):
            vectors = vectors.vectors
        if isinstance(vectors, str | bytes) or n_rows(vectors) is None:
            raise InvalidTypeError(
                f"vectors must be an array or a sequence of documents, got {vectors!r}"
            )
        return super().__new__(cls, (vectors,))

    def __getnewargs__(self) -> tuple[Any]:
        return (self.vectors,)

    def __repr__(self) -> str:
        return f"Corpus of {n_rows(self.vectors)} rows"

    @property
    def vectors(self) -> Any:
        """The documents as they were given."""
        return self[0]


def n_rows(X: Any) -> int | None:
    """Return the number of rows of an array, frame, sparse array or sequence; None if none."""
    shape = getattr(X, "shape", None)
    if shape is not None:
        return int(shape[0]) if len(shape) else None
    return len(X) if hasattr(X, "__len__") else None


def unwrap(corpus: Any) -> tuple[Any, bool]:
    """Return the documents, and whether they are known to be whole.

    Parameters
    ----------
    corpus : Corpus, tuple of one 2-D array, or array-like
        The tuple is what a pipeline makes of a `Corpus`.
    """
    if isinstance(corpus, Corpus):
        return corpus.vectors, True
    if isinstance(corpus, tuple) and len(corpus) == 1 and len(np.shape(corpus[0])) == 2:
        return corpus[0], True
    return corpus, False


def check_uncut(corpus: Any, y: Any, n_queries: int, *, whole: bool) -> None:
    """Raise where cross-validation cut the corpus, or may have done so unseen.

    Parameters
    ----------
    corpus : array-like of shape (n_docs, d)
        The documents.
    y : sparse array of shape (n_queries, n_docs), list of dicts, or object
        The judgments.
    n_queries : int
        Rows of X. An array that was cut with X has as many.
    whole : bool
        The corpus came in a `Corpus`.

    Raises
    ------
    InvalidValueError
        If the corpus is as long as X and y has another number of columns, or none to compare.
    """
    n_docs = n_rows(corpus)
    if whole or n_docs != n_queries or y is None or isinstance(y, dict):
        return
    why = "cross-validation cuts what is as long as X: wrap it, corpus=madapt.Corpus(corpus)"
    shape: tuple[int, ...] = getattr(y, "shape", ())
    if len(shape) != 2:
        raise InvalidValueError(
            f"corpus must be a madapt.Corpus where it is as long as X and y is a list of dicts, "
            f"got {n_docs} rows of a {type(corpus).__name__}, which may not be all; {why}"
        )
    if shape[1] != n_docs:
        raise InvalidValueError(
            f"corpus must have a row for each of the {shape[1]} columns of y, got {n_docs}; {why}"
        )
