"""DaskMatryoshkaAdaptor: the estimator on Dask arrays."""

from __future__ import annotations

import inspect
import os
from typing import Any, Self, TypeVar

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from madapt._checks import check_dim, check_one_of
from madapt.dask._blockwise import BlockModel, adapted_block, leading
from madapt.dask._fit import DaskFitMixin
from madapt.dask._reading import drawn_rows, rows_at, within_blocks
from madapt.dask._work import (
    Work,
    blocks_of,
    check_dask_rows,
    check_not_a_frame,
    is_dask_array,
    lengths_of,
)
from madapt.estimator import Ids, MatryoshkaAdaptor
from madapt.exceptions import InvalidValueError
from madapt.quantization import PRECISIONS

__all__ = ["DaskMatryoshkaAdaptor"]

#: Rows of a Dask array that `score` compares.
SCORED_ROWS = 10_000
Adaptor = TypeVar("Adaptor", bound=MatryoshkaAdaptor)
_OUTPUT = "_sklearn_output_config"


class DaskMatryoshkaAdaptor(DaskFitMixin, MatryoshkaAdaptor):
    """`MatryoshkaAdaptor` that takes Dask arrays: lazy `transform`, `fit` in one pass.

    Anything but a Dask array it treats as `MatryoshkaAdaptor` does, whose other parameters and
    fitted attributes it has, too.

    Parameters
    ----------
    dims, dim : object
        As in `MatryoshkaAdaptor`.
    client : distributed.Client or None, default=None
        Whose workers `fit` and `score` use. None: the client that is active in this process;
        without one, Dask's scheduler in this process. What `transform` returns is computed
        wherever the caller computes it.
    n_shards : int or None, default=None
        None trains the first stage in this process, on a sample of `max_fit_rows`, as
        `MatryoshkaAdaptor` does. A number trains it on workers, on so many samples of
        `max_fit_rows`, each of successive blocks; what they learn is averaged.
    n_rounds : int, default=10
        How often that is averaged during the training.

    Notes
    -----
    The SVD rotation is exact: that of all rows, from one sum of X^T X by a tree, in the same order
    every time. Neighbours are learned from a sample. Tasks depend on the blocks of X and on
    `random_state` alone, so a worker that dies costs time and changes nothing.

    Examples
    --------
    >>> import pytest
    >>> da = pytest.importorskip("dask.array")
    >>> from madapt.dask import DaskMatryoshkaAdaptor
    >>> from madapt.datasets import load_cranfield
    >>> X = da.from_array(load_cranfield().corpus, chunks=(500, -1))
    >>> adaptor = DaskMatryoshkaAdaptor(max_iter=20, random_state=0).fit(X)
    >>> Z = adaptor.transform(X, dim=32)
    >>> Z.chunks, Z.dtype
    (((500, 500, 400), (32,)), dtype('float32'))
    >>> Z.compute().shape
    (1400, 32)
    """

    def __init__(
        self,
        dims: Any = None,
        dim: int | None = None,
        *,
        client: Any = None,
        n_shards: int | None = None,
        n_rounds: int = 10,
        **parameters: Any,
    ) -> None:
        super().__init__(dims, dim, **parameters)
        self.client = client
        self.n_shards = n_shards
        self.n_rounds = n_rounds

    @classmethod
    def from_local(
        cls, local: MatryoshkaAdaptor, *, client: Any = None, n_shards: int | None = None
    ) -> Self:
        """Return one with the parameters and fitted attributes of a local estimator.

        Parameters
        ----------
        local : MatryoshkaAdaptor
            Fitted or not.
        client : distributed.Client or None, default=None
            As in the constructor.
        n_shards : int or None, default=None
            As in the constructor.
        """
        found = cls(**local.get_params(deep=False), client=client, n_shards=n_shards)
        return _with_state(found, local)

    def to_local(self) -> MatryoshkaAdaptor:
        """Return a `MatryoshkaAdaptor` with the same parameters and fitted attributes."""
        local = MatryoshkaAdaptor(
            **{name: getattr(self, name) for name in MatryoshkaAdaptor._get_param_names()}
        )
        return _with_state(local, self)

    def fit(
        self,
        X: Any,
        y: Any = None,
        *,
        queries: Any = None,
        qrels: Any = None,
        corpus: Any = None,
        query_ids: Ids = None,
        corpus_ids: Ids = None,
    ) -> Self:
        """Learn the adaptor from a Dask array of documents; others as `MatryoshkaAdaptor` does.

        Parameters
        ----------
        X : dask.array.Array of shape (n, d), or array-like
            Embedded documents, read once; twice where sizes of chunks are unknown. With
            `n_shards` the shards' rows stay on the workers meanwhile.
        y : ignored
            There for scikit-learn.
        queries : array-like or dask.array.Array of shape (n_queries, d) or None, default=None
            Embedded queries, which are computed.
        qrels : sparse array (n_queries, n), list of dicts, dict of dicts or None
            As in `MatryoshkaAdaptor.fit`; judged documents are gathered first.
        corpus : None
            With a Dask array write ``fit(X, queries=..., qrels=...)``.
        query_ids, corpus_ids : sequences or None, default=None
            Names of the queries' and the documents' rows in `qrels`.

        Returns
        -------
        DaskMatryoshkaAdaptor
            self.

        Raises
        ------
        ValueError, TypeError
            If an argument or a parameter cannot be used. A number that is not finite is found
            when its block is read.
        """
        check_not_a_frame(X, "X")
        given = {"queries": queries, "qrels": qrels, "query_ids": query_ids}
        given["corpus_ids"] = corpus_ids
        if is_dask_array(corpus) or (corpus is not None and is_dask_array(X)):
            raise InvalidValueError(
                "corpus must be None with Dask arrays: write fit(X, queries=queries, qrels=qrels), "
                f"got a {type(corpus).__name__}"
            )
        if is_dask_array(X):
            self._fit_blocks(X, y, **given)
        else:
            super().fit(X, y, corpus=corpus, **given)
        return self

    def transform(
        self,
        X: Any,
        dim: int | None = None,
        side: str = "document",
        *,
        precision: str | None = None,
        out: np.ndarray | None = None,
    ) -> Any:
        """Return the first `dim` coordinates of the adapted rows, lazily for a Dask array.

        Parameters
        ----------
        X : dask.array.Array of shape (n, d), or array-like
            Embeddings. Sizes of chunks may be unknown; chunks of columns are merged.
        dim : int or None, default=None
            As in `MatryoshkaAdaptor.transform`, like `side` and `precision`.
        side : {"document", "query"}, default="document"
            Which mean is taken away.
        precision : {"float32", "float16", "int8", "int4", "int2", "binary"} or None
            What a coordinate is stored in.
        out : None
            For a Dask array; what is returned has `store` and its like.

        Returns
        -------
        dask.array.Array of shape (n, dim), or what `MatryoshkaAdaptor.transform` returns
            In the row chunks of X and one chunk of columns, whatever `set_output` says. It holds
            the model as it was at this call.

        Raises
        ------
        ValueError, TypeError
            If X does not fit, or dim, side, precision or out is not one of the above. A number
            that is not finite is found when its block is computed.
        """
        check_not_a_frame(X, "X")
        if not is_dask_array(X):
            return super().transform(X, dim, side, precision=precision, out=out)
        check_is_fitted(self, "adaptor_")
        check_one_of(side, "side", ("document", "query"))
        check_one_of(precision, "precision", (None, *PRECISIONS))
        if out is not None:
            raise InvalidValueError(
                "out must be None for a Dask array, whose result is lazy: store it with "
                f"dask.array.store; got a {type(out).__name__}"
            )
        m = check_dim(self._n_features_out if dim is None else dim, self.n_features_in_)
        rows = check_dask_rows(X, "X", self.n_features_in_)
        return self._lazily(rows, m, side, precision)

    def score(self, X: Any, y: Any = None) -> float:
        """Mean share of the 10 nearest neighbours that prefixes keep.

        Parameters
        ----------
        X : dask.array.Array of shape (n, d), or array-like
            Of a Dask array up to 10,000 rows are drawn by `random_state`, and are
            neighbours of one another: the more rows, the harder. Compare scores of the same rows.
        y : ignored
            As in `MatryoshkaAdaptor.score`.

        Returns
        -------
        float
            Between 0 and 1, higher is better.

        Raises
        ------
        ValueError
            If X does not fit or has fewer than two rows.
        """
        check_not_a_frame(X, "X")
        if not is_dask_array(X):
            return super().score(X, y)
        check_is_fitted(self, "adaptor_")
        rows, work = check_dask_rows(X, "X", self.n_features_in_), Work(self.client)
        blocks = blocks_of(rows)
        lengths = lengths_of(rows, blocks, work)
        seed = check_random_state(self.random_state).randint(np.iinfo(np.int32).max)
        generator = np.random.default_rng(seed)
        at = drawn_rows(int(lengths.sum()), SCORED_ROWS, np.arange(0), generator)
        return super().score(rows_of(blocks, at, lengths, work), y)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the file that `to_local().save` writes; `MatryoshkaAdaptor.load` reads it, too.

        Parameters
        ----------
        path : str or path
            As in `MatryoshkaAdaptor.save`. `client`, `n_shards` and `n_rounds` are not written.
        """
        self.to_local().save(path)

    def _lazily(self, rows: Any, m: int, side: str, precision: str | None) -> Any:
        """Return a Dask array of adapted rows; the model is one task of its graph."""
        from dask import delayed
        from dask.base import tokenize

        quantizer = None if precision is None else self.quantizer_
        unit = self.quantizer_.unit
        model = BlockModel(
            leading(self.adaptor_, m), m, self._mean(side), unit, quantizer, precision
        )
        token = tokenize(self.fingerprint_, m, side, precision)
        width, dtype = model.kept(rows)
        return rows.map_blocks(
            adapted_block,
            # Not scattered: data that were can be lost with a worker, a task is done again.
            model=delayed(model, name=f"madapt-model-{token}", traverse=False),
            chunks=(rows.chunks[0], (width,)),
            dtype=dtype,
            meta=np.empty((0, 0), dtype),
        )

    def __sklearn_clone__(self) -> Self:
        client, self.client = self.client, None
        try:
            found: Self = super().__sklearn_clone__()
        finally:
            self.client = client
        found.client = client
        return found

    def __getstate__(self) -> dict[str, Any]:
        # A client is a connection of this process.
        state: dict[str, Any] = {**super().__getstate__(), "client": None}
        return state


def rows_of(blocks: list[Any], at: np.ndarray, lengths: np.ndarray, work: Work) -> np.ndarray:
    """Return rows of all blocks by their rising indices."""
    from dask import delayed

    within = enumerate(within_blocks(at, lengths))
    return np.concatenate(
        work.compute([delayed(rows_at)(blocks[i], i, index) for i, index in within])
    )


def _with_state(found: Adaptor, other: MatryoshkaAdaptor) -> Adaptor:
    """Return an estimator with another's fitted attributes."""
    parameters = set(other.get_params(deep=False))
    for name, value in vars(other).items():
        if name not in parameters and (name == _OUTPUT or not name.startswith("_")):
            setattr(found, name, value)
    return found


def _signature() -> inspect.Signature:
    """Return the constructor's, with all parameters, as scikit-learn asks for it."""
    own = dict(inspect.signature(DaskMatryoshkaAdaptor.__init__).parameters)
    del own["parameters"]
    others = inspect.signature(MatryoshkaAdaptor.__init__).parameters
    return inspect.Signature([*(own | {k: v for k, v in others.items() if k not in own}).values()])


DaskMatryoshkaAdaptor.__init__.__signature__ = _signature()  # type: ignore[attr-defined]
