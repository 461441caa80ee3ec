"""`partial_fit`: learn from a stream of batches of documents."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.utils import check_random_state

from madapt._checks import check_bool, check_integer
from madapt._fit_data import gather
from madapt._parameters import check_center, settings_of
from madapt._rows import unit_rows
from madapt._trained import TrainedMixin
from madapt.adaptor import ResidualAdaptor
from madapt.backends import get_backend
from madapt.exceptions import InvalidValueError
from madapt.training import Settings, Stream, learn_from_stream, printer

__all__ = ["StreamMixin"]


class StreamMixin(TrainedMixin):
    """Add `partial_fit` to an estimator."""

    stream_: Stream | None
    rotation: str

    @property
    def n_samples_seen_(self) -> int:
        """Number of documents that `partial_fit` has seen."""
        stream = getattr(self, "stream_", None)
        if stream is None:
            raise AttributeError(f"{type(self).__name__} has no stream: partial_fit begins one")
        return int(stream.n_seen)

    def partial_fit(self, X: Any, y: Any = None) -> Self:
        """Learn from one more batch of documents, without labels.

        This is an algorithm of its own, not a `fit` in pieces: it keeps the second moments of all
        documents seen, which give the SVD rotation of all of them, and a uniform sample of
        `max_fit_rows` of them. On that a first stage is trained, as in `fit`, whenever half as
        many documents again have been seen as the last time, a tenth where the guard refuses
        what there is; in between what was learned is carried along. After each call the
        estimator is fitted and can transform. After a `fit` a new stream begins, which knows
        nothing of what that has learned.

        Parameters
        ----------
        X : array-like of shape (n, d)
            Further documents, at least one.
        y : ignored
            There for scikit-learn.

        Returns
        -------
        self
            After Ctrl-C the batch counts, and the best state so far is kept.

        Raises
        ------
        ValueError, TypeError
            If X has no rows or another number of columns than before, or a parameter cannot be
            used or, like `normalize`, differs from before, or the estimator was fitted with
            labels or centring. The stream is as it was
            before the call.

        Examples
        --------
        >>> from madapt import MatryoshkaAdaptor
        >>> from madapt.datasets import load_cranfield
        >>> corpus = load_cranfield().corpus
        >>> adaptor = MatryoshkaAdaptor(max_iter=20, random_state=0)
        >>> for start in range(0, 1400, 700):
        ...     adaptor = adaptor.partial_fit(corpus[start : start + 700])
        >>> adaptor.n_samples_seen_, adaptor.transform(corpus, dim=32).shape
        (1400, (1400, 32))
        """
        before = getattr(self, "stream_", None)
        with self._columns_kept():
            rows = self._rows(X, reset=not hasattr(self, "adaptor_"))
            nothing = dict.fromkeys(("queries", "qrels", "corpus", "query_ids", "corpus_ids"))
            rows = gather(rows, y, **nothing).documents
            max_rows = check_integer(self.max_fit_rows, "max_fit_rows", low=1)
            # Before any work.
            settings_of(self, rows.shape[1], 0, 0.0, 0, len(rows))
            check_bool(self.warm_start, "warm_start")
            backend = get_backend(self.backend)
            stream = self._begun(rows) if before is None else before
            check_center(self.center, has_queries=False)
            if before is not None and bool(self.normalize) != self.quantizer_.unit:
                raise InvalidValueError(
                    f"normalize must be {self.quantizer_.unit}, as for the rows before, "
                    f"got {self.normalize}"
                )
            stream = stream.followed_by(unit_rows(rows) if self.normalize else rows, max_rows)
            if not np.isfinite(stream.products).all():
                raise InvalidValueError(
                    "normalize must be True where squares of the entries of X overflow, got False"
                )
            settings = self._settings_of_stream(stream)
            fit, stream = learn_from_stream(stream, settings, backend, report=printer(self.verbose))
        if before is not None:
            fit.losses = [*self.loss_curve_, *fit.losses]
        self.stream_, self.checkpoint_ = stream, None
        self._keep(fit, None, settings.dims, stream.rows)
        if fit.interrupted:
            self._warn_interrupted("partial_fit", "the best state so far is kept")
        return self

    def _begun(self, rows: np.ndarray) -> Stream:
        """Return an empty stream; `fit` leaves nothing of its documents to go on with."""
        past: ResidualAdaptor | None = getattr(self, "adaptor_", None)
        if past is not None and (
            self.center_ is not None or (past.has_mlp and self.rotation == "learned")
        ):
            raise InvalidValueError(
                "partial_fit must not follow a fit with labels or centring, which it would throw "
                "away, got an estimator fitted so; take a clone"
            )
        seed = check_random_state(self.random_state).randint(np.iinfo(np.int32).max)
        return Stream.empty(rows, seed)

    def _settings_of_stream(self, stream: Stream) -> Settings:
        n, d = stream.rows.shape
        return settings_of(self, d, 0, 0.0, 0, n)
