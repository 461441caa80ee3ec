"""What a fitted adaptor does: transform, go back, and score itself."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils import check_array
from sklearn.utils.validation import check_is_fitted, validate_data

from madapt._blocks import Codec, rows_at_once, transform_blocks
from madapt._checks import check_dim, check_embeddings, check_number, check_one_of
from madapt._codes import CodesMixin
from madapt._fit_data import holds_judgments
from madapt._fitted_on_device import OnDeviceMixin
from madapt._inputs import as_rows, named_errors, names_of, native_numbers
from madapt._on_device import is_on_device
from madapt._row_source import is_row_sliceable, working_dtype
from madapt._streamed import streaming_backend, transform_streamed
from madapt._tensors import is_tensor, like
from madapt.adaptor import ResidualAdaptor
from madapt.exceptions import InvalidValueError
from madapt.neighbors import top_k
from madapt.quantization import PRECISIONS, Quantizer, codec_of, spread_rows
from madapt.recommendation import DimRecommendation, recommend
from madapt.training import HeldOutScores, neighbor_overlap

__all__ = ["FittedAdaptorMixin"]

#: Neighbours whose overlap `score` measures.
N_OVERLAP = 10


class FittedAdaptorMixin(OnDeviceMixin, CodesMixin):
    """The methods that need nothing but what `fit` left: `adaptor_`, `center_`, `dims_`, ..."""

    adaptor_: ResidualAdaptor
    center_: np.ndarray | None
    quantizer_: Quantizer
    held_out_: HeldOutScores | None
    dims_: tuple[int, ...]
    dim: int | None
    normalize: bool

    @property
    def rotation_(self) -> np.ndarray:
        """The learned rotation, shape (d, d), orthogonal; rows are components."""
        rotation: np.ndarray = self.adaptor_.P.T
        return rotation

    def transform(
        self,
        X: Any,
        dim: int | None = None,
        side: str = "document",
        *,
        precision: str | None = None,
        out: np.ndarray | None = None,
    ) -> Any:
        """Return the first `dim` coordinates of the adapted rows; no others are computed.

        Parameters
        ----------
        X : array-like or row-sliceable of shape (n, d)
            Embeddings of the model this was fitted on: an array, a data frame, a column of
            vectors, a tensor (docs/inputs.md). A memory map, a float16 array and whatever has
            shape, dtype and slices of rows (`madapt.io.open_embeddings`, zarr, h5py, Dask) is
            read block by block, never whole. An array on a device (CuPy, PyTorch on CUDA) is
            adapted there, and the result stays there.
        dim : int or None, default=None
            In 1..d, any, not only one of `dims_`. None: the constructor's `dim`, else d.
        side : {"document", "query"}, default="document"
            Which mean is taken away; without centring both are the same.
        precision : {"float32", "float16", "int8", "int4", "int2", "binary"} or None
            What a coordinate is stored in. None, the default, is a float as X has them, or as
            `out` has.
        out : ndarray of shape (n, dim), float16, float32 or float64, or None, default=None
            Where to write, a memory map for instance; None makes a new array. With
            `precision` of the shape and dtype below. For X on a device an array beside it.

        Returns
        -------
        ndarray of shape (n, dim), float32 or float64 as X
            `out` where it is given. Rows of unit length with `normalize`; a zero row stays
            zero. A data frame where `set_output` says so. With `precision`:

            - "float32", "float16": the same in that dtype.
            - "int8": int8, one scale for all coordinates, so that cosines of the codes are
              those of the vectors.
            - "int4": uint8 of shape (n, ceil(dim / 2)), the first coordinate of a byte in its
              lower half.
            - "int2": uint8 of shape (n, ceil(dim / 4)), the first in the lowest two bits.
            - "binary": uint8 of shape (n, ceil(dim / 8)), bits in the order of
              ``np.packbits``. Codes compare by Hamming distance.

            Queries need no codes: rank them as floats (``precision="float32"``) against
            `dequantize` of the documents' codes.

        Raises
        ------
        ValueError, TypeError
            If X or out does not fit, or dim, side or precision is not one of the above. A
            number in a row-sliceable X that is not finite is found when its block is read.

        Warns
        -----
        MadaptWarning
            If X has 20 rows or more and looks like vectors of another model than the one that
            this was fitted on, see `check_vectors`.
        """
        check_is_fitted(self, "adaptor_")
        check_one_of(side, "side", ("document", "query"))
        check_one_of(precision, "precision", (None, *PRECISIONS))
        m = check_dim(self._n_features_out if dim is None else dim, self.n_features_in_)
        codec = None if precision is None else codec_of(self.quantizer_, m, precision)
        if is_on_device(X):
            Z, is_there = self._transformed_on_device(X, m, side, codec, out)
            if is_there:
                return Z
            return self._wrap(Z, Z, lambda: self.get_feature_names_out(dim=m, precision=precision))
        rows = as_rows(X, "X")
        if is_row_sliceable(rows):
            # Names and number of columns; the numbers are checked as they are read.
            validate_data(self, names_of(X, rows), reset=False, skip_check_array=True)
        else:
            rows = self._rows(X)
        self._warn_of_another_model(rows)
        Z = self._adapted(rows, m, side, out, codec)
        origin = Z if out is not None and is_tensor(X) else X
        return self._wrap(Z, origin, lambda: self.get_feature_names_out(dim=m, precision=precision))

    def inverse_transform(self, X: Any, side: str = "document") -> Any:
        """Go back from adapted rows to embeddings.

        Parameters
        ----------
        X : array-like of shape (n, m)
            Adapted rows of any prefix length m in 1..d.
        side : {"document", "query"}, default="document"
            Which mean is given back; only exact for rows whose length was kept.

        Returns
        -------
        ndarray of shape (n, d)
            At m = d the embedding itself, up to the length of its rows, which `normalize`
            takes away; below, the least-squares embedding of that prefix.

        Raises
        ------
        ValueError
            If the adaptor has an MLP, which has no inverse, or m is above d.
        """
        check_is_fitted(self, "adaptor_")
        check_one_of(side, "side", ("document", "query"))
        if self.adaptor_.has_mlp:
            raise InvalidValueError(
                "inverse_transform needs an adaptor without an MLP (fit without labels, or with "
                f"hidden_dim=None), got one with {self.adaptor_.W1.shape[1]} hidden units"
            )
        if is_on_device(X):
            return self._inverse_on_device(X, side)
        numbers = native_numbers(X, "X")
        with named_errors(numbers, "X"):
            Z = check_embeddings(numbers, "X")
        m = Z.shape[1]
        if m > self.n_features_in_:
            raise InvalidValueError(f"X must have 1..{self.n_features_in_} columns, got {m}")
        back = Z @ self.adaptor_.P[:, :m].T.astype(Z.dtype, copy=False)
        mean = self._mean(side)
        return like(back if mean is None else back + mean.astype(Z.dtype, copy=False), X)

    def score(self, X: Any, y: Any = None) -> float:
        """Mean share of the 10 nearest neighbours that prefixes keep.

        Parameters
        ----------
        X : array-like of shape (n, d)
            At least two rows; each is compared with all others, time O(n^2 d).
        y : ignored
            But not judgments, which count with ``scoring=madapt.RetrievalScorer()``.

        Returns
        -------
        float
            Between 0 and 1, higher is better: the overlap of each row's 10 nearest
            neighbours in a prefix with those under the original vectors, mean over rows
            and over `dims_` below d, or at `dim` alone where it is set.

        Raises
        ------
        ValueError
            If X does not fit or has fewer than two rows, or y holds judgments.
        """
        check_is_fitted(self, "adaptor_")
        if holds_judgments(y):
            raise InvalidValueError(
                "y must not hold judgments, which this score does not count: in a search write "
                f"scoring=madapt.RetrievalScorer(); got a {type(y).__name__}"
            )
        rows = self._rows(X)
        if len(rows) < 2:
            raise InvalidValueError(f"X must have at least 2 rows to score, got {len(rows)}")
        d = self.n_features_in_
        dims = [m for m in self.dims_ if m < d] or [d]
        dims = dims if self.dim is None else [check_dim(self.dim, d)]
        nearest, _ = top_k(rows, rows, N_OVERLAP, exclude_self=True)
        Z = self._adapted(rows, dims[-1], "document")
        overlap = neighbor_overlap(nearest, lambda m: (Z[:, :m], Z[:, :m]), dims, exclude_self=True)
        return float(overlap.mean())

    def recommend_dim(self, target: float = 0.98) -> DimRecommendation:
        """Return the smallest dim that keeps a share of the embedding's quality.

        Parameters
        ----------
        target : float, default=0.98
            Wanted share of the frozen embedding's nDCG@10 at full dim, above 0. With labels
            an adaptor can reach more than 1.

        Returns
        -------
        DimRecommendation
            Its `dim`, the estimated share with an interval, and what it was measured on:
            held-out judged queries where labels were given, otherwise the neighbours of
            held-out rows, calibrated against nDCG@10. It can be handed to `transform` as dim.
            Where no dim of `dims_` reaches the target, the best one.

        Raises
        ------
        ValueError
            If target is not a number above 0, or nothing was held out: without a guard, or
            with fewer than twenty rows.

        Examples
        --------
        >>> from madapt import MatryoshkaAdaptor
        >>> from madapt.datasets import load_cranfield
        >>> corpus = load_cranfield().corpus
        >>> adaptor = MatryoshkaAdaptor(max_iter=20, random_state=0).fit(corpus)
        >>> found = adaptor.recommend_dim(target=0.9)
        >>> found.basis, adaptor.transform(corpus, dim=found).shape[1] == found.dim
        ('neighbors', True)
        """
        check_is_fitted(self, "adaptor_")
        target = check_number(target, "target", low=0, open_low=True)
        if self.held_out_ is None:
            raise InvalidValueError(
                "recommend_dim needs held-out rows: fit with guard=True and at least 20 rows, got "
                "an adaptor without"
            )
        return recommend(self.held_out_, target)

    @property
    def _n_features_out(self) -> int:
        d = len(self.rotation_)  # missing until fit
        return d if self.dim is None else self.dim

    def _rows(self, X: Any, *, reset: bool = False) -> np.ndarray:
        """Return checked rows in C order, so that their order in memory changes no digit."""
        numbers = native_numbers(X, "X")
        with named_errors(numbers, "X"):
            checked: np.ndarray = check_array(
                numbers,
                dtype=[np.float32, np.float64],
                order="C",
                input_name="X",
                estimator=self,
            )
        validate_data(self, names_of(X, checked), reset=reset, skip_check_array=True)
        return checked

    def _adapted(
        self,
        rows: Any,
        m: int,
        side: str,
        out: np.ndarray | None = None,
        codec: Codec | None = None,
        normalize: bool | None = None,
    ) -> np.ndarray:
        """Return m coordinates of rows, or what codec keeps of them, block by block.

        Rows are scaled as they were at the fit, whatever `normalize` was set to since.
        """
        options: dict[str, Any] = {
            "mean": self._mean(side),
            "normalize": self._scales_rows if normalize is None else normalize,
            "out": out,
            "codec": codec,
        }
        backend = streaming_backend(getattr(self, "backend", "auto"))
        if backend is not None:
            return transform_streamed(backend, self.adaptor_, rows, m, **options)
        return transform_blocks(self.adaptor_, rows, m, **options)

    @property
    def _scales_rows(self) -> bool:
        """Whether rows got unit length at the fit; while it goes on, whether they are to."""
        calibrated = getattr(self, "quantizer_", None)
        return bool(self.normalize) if calibrated is None else bool(calibrated.unit)

    def _rows_at_once(self, X: Any, m: int, precision: str | None) -> int:
        """Return how many rows of X `transform` takes at once."""
        codec = None if precision is None else codec_of(self.quantizer_, m, precision)
        d = self.n_features_in_
        return rows_at_once(self.adaptor_, d, m, working_dtype(X), codec=codec)

    def _calibrated(self, documents: np.ndarray) -> Quantizer:
        """Return the codes' calibration on some of the documents."""
        unit, d = bool(self.normalize), documents.shape[1]
        Z = self._adapted(spread_rows(documents), d, "document", normalize=unit)
        return Quantizer.fit(Z, self.dims_, unit=unit)

    def _mean(self, side: str) -> np.ndarray | None:
        """Return what a side's rows lose, None without centring."""
        return None if self.center_ is None else self.center_[1 if side == "query" else 0]
