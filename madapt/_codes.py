"""What a fitted estimator does with codes: name them, turn them back."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from madapt._checks import check_dim, check_one_of
from madapt._output import PrefixTransformerMixin
from madapt.quantization import PRECISIONS, Quantizer, bytes_per_vector, check_codes

__all__ = ["CodesMixin"]


class CodesMixin(PrefixTransformerMixin):
    """The methods of codes; the estimator has `transform`, which makes them."""

    quantizer_: Quantizer
    fingerprint_: str
    n_features_in_: int

    def dequantize(self, codes: Any, precision: str, dim: int | None = None) -> np.ndarray:
        """Turn codes of `transform` into floats to be ranked by float queries.

        Parameters
        ----------
        codes : ndarray of shape (n, w) and the dtype that `transform` gave
            Codes of documents or queries, any number of rows.
        precision : {"float32", "float16", "int8", "int4", "int2", "binary"}
            What they were made with.
        dim : int or None, default=None
            What they were made with. None: the constructor's `dim`, else d.

        Returns
        -------
        ndarray of shape (n, dim), float32
            In the coordinates of ``transform(Q, dim, side="query")``, to be compared by the
            cosine: length says nothing.

        Raises
        ------
        ValueError, TypeError
            If codes do not have the width and dtype of this dim and precision, or those are
            not one of the above.

        Examples
        --------
        >>> from madapt import MatryoshkaAdaptor
        >>> from madapt.datasets import load_cranfield
        >>> from madapt.evaluation import retrieval_scores
        >>> data = load_cranfield("test")
        >>> adaptor = MatryoshkaAdaptor(max_iter=1, random_state=0).fit(data.corpus)
        >>> codes = adaptor.transform(data.corpus, dim=128, precision="binary")
        >>> codes.shape, codes.dtype
        ((1400, 16), dtype('uint8'))
        >>> documents = adaptor.dequantize(codes, "binary", dim=128)
        >>> queries = adaptor.transform(data.queries, dim=128, side="query")
        >>> scores = retrieval_scores(queries, documents, data.qrels)
        >>> scores["ndcg@10"] > 0.29  # 16 bytes; all 1,536 bytes: .339
        True
        """
        check_is_fitted(self, "adaptor_")
        check_one_of(precision, "precision", tuple(PRECISIONS))
        m = check_dim(self._n_features_out if dim is None else dim, self.n_features_in_)
        checked = check_codes(codes, precision, m)
        if PRECISIONS[precision] > 8:
            return checked.astype(np.float32)
        return self.quantizer_.decode(checked, m, precision)

    def get_feature_names_out(
        self, input_features: Any = None, *, dim: int | None = None, precision: str | None = None
    ) -> np.ndarray:
        """Return the names of the columns that `transform` gives.

        Parameters
        ----------
        input_features : ignored
            Not used, there by scikit-learn's convention.
        dim : int or None, default=None
            As in `transform`.
        precision : str or None, default=None
            As in `transform`.

        Returns
        -------
        ndarray of object
            ``matryoshkaadaptor0``, ... one a coordinate. A byte that holds several is called
            after the precision, ``matryoshkaadaptor_binary0``.

        Raises
        ------
        ValueError, TypeError
            If dim or precision is not one that `transform` takes.
        """
        check_is_fitted(self, "adaptor_")
        check_one_of(precision, "precision", (None, *PRECISIONS))
        m = check_dim(self._n_features_out if dim is None else dim, self.n_features_in_)
        name = type(self).__name__.lower()
        if precision is not None and PRECISIONS[precision] < 8:
            name, m = f"{name}_{precision}", bytes_per_vector(m, precision)
        return np.asarray([f"{name}{i}" for i in range(m)], dtype=object)

    def stamp(self, dim: int | None = None, *, precision: str | None = None) -> str:
        """Return a name for what `transform` gives, to be kept beside its vectors.

        Vectors with the same stamp can be compared; with another they cannot.

        Parameters
        ----------
        dim : int or None, default=None
            As in `transform`.
        precision : str or None, default=None
            As in `transform`; floats of any size have the same stamp.

        Returns
        -------
        str
            ``madapt:<fingerprint>@<dim>``, and ``/<precision>`` for codes.

        Raises
        ------
        ValueError, TypeError
            If dim or precision is not one that `transform` takes.

        Examples
        --------
        >>> from madapt import MatryoshkaAdaptor
        >>> from madapt.datasets import load_cranfield
        >>> corpus = load_cranfield().corpus
        >>> adaptor = MatryoshkaAdaptor(max_iter=1, random_state=0).fit(corpus)
        >>> adaptor.stamp(64, precision="int8")
        'madapt:...@64/int8'
        """
        check_is_fitted(self, "adaptor_")
        check_one_of(precision, "precision", (None, *PRECISIONS))
        m = check_dim(self._n_features_out if dim is None else dim, self.n_features_in_)
        codes = precision is not None and PRECISIONS[precision] <= 8
        return f"madapt:{self.fingerprint_}@{m}" + (f"/{precision}" if codes else "")
