"""Where a fit begins, and what it leaves behind: warm starts, resumed fits, fitted attributes."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from sklearn.utils.validation import validate_data

from madapt._callbacks import CallbackMixin
from madapt._fingerprint import fingerprint
from madapt._fit_data import FitData, checked_or_sliced
from madapt._fitted import FittedAdaptorMixin
from madapt._inputs import names_of
from madapt._row_source import is_row_sliceable, row_blocks, working_dtype
from madapt._vector_check import vector_statistics
from madapt.adaptor import ResidualAdaptor
from madapt.backends import Backend
from madapt.exceptions import InterruptedWarning, InvalidValueError, JudgmentsWarning
from madapt.training import Fit, Settings

__all__ = ["Beginning", "Start", "TrainedMixin", "beginning_of"]

#: What one version of the checkpoint says, another would not understand.
VERSION = 1


@dataclass(frozen=True)
class Beginning:
    """Where a fit begins.

    Parameters
    ----------
    seed : int
        Of everything that is drawn.
    is_further : bool
        Whether the estimator was fitted before and goes on from there.
    past : ResidualAdaptor or None
        What training starts from; None is the start.
    checkpoint : mapping or None
        What an interrupted fit on the same data had found.
    data : FitData
    settings : tuple
        What decides what is learned.
    """

    seed: int
    is_further: bool
    past: ResidualAdaptor | None
    checkpoint: Mapping[str, Any] | None
    data: FitData
    settings: tuple[Any, ...]

    def interrupted(self, found: Mapping[str, Any] | None) -> dict[str, Any]:
        """Return the checkpoint of a fit that was interrupted with such runs."""
        past = None
        if self.past is not None:
            past = {"activation": self.past.activation, **self.past.parameters}
        key = digest(self.data, self.settings)
        return {"version": VERSION, "digest": key, "seed": self.seed, "past": past, **(found or {})}


class Start(NamedTuple):
    """What a training needs beside rows: where it begins, what draws, how and where it is done."""

    begun: Beginning
    generator: np.random.Generator
    settings: Settings
    #: Strength of centring, or that it is chosen by the data.
    center: float | str
    backend: Backend


def beginning_of(
    estimator: Any, seed: int, data: FitData, settings: Settings, *others: Any
) -> Beginning:
    """Return where a fit begins: afresh, at the fit before, or where that was interrupted.

    Parameters
    ----------
    estimator : MatryoshkaAdaptor
    seed : int
        Of a fit that does not go on with an interrupted one.
    data : FitData
    settings : Settings
    *others : object
        What else decides what is learned.

    Raises
    ------
    ValueError
        If the MLP there is does not fit the parameters.
    """
    state = estimator.random_state
    described = (settings, *others, int(state) if isinstance(state, int | np.integer) else None)
    if not estimator.warm_start or not hasattr(estimator, "adaptor_"):
        return Beginning(seed, False, None, None, data, described)
    checkpoint = getattr(estimator, "checkpoint_", None)
    if checkpoint is not None:
        if checkpoint["digest"] == digest(data, described):
            past = checkpoint["past"]
            past = None if past is None else ResidualAdaptor(**past)
            return Beginning(checkpoint["seed"], True, past, checkpoint, data, described)
        warnings.warn(
            "the fit before was interrupted on other data or with other parameters and is not "
            "resumed; training starts from what it had learned",
            InterruptedWarning,
            stacklevel=4,
        )
    past = estimator.adaptor_
    _refuse_other_mlp(past, estimator.hidden_dim, settings)
    return Beginning(seed, True, past, None, data, described)


def digest(data: FitData, settings: tuple[Any, ...]) -> str:
    """Return what changes with any number of the data and with any setting."""
    found = hashlib.blake2b(repr(settings).encode(), digest_size=16)
    arrays = [data.documents, data.queries]
    if data.qrels is not None:
        arrays += [data.qrels.indptr, data.qrels.indices, data.qrels.data]
    for array in arrays:
        if array is None:
            continue
        sliced = is_row_sliceable(array)
        dtype = working_dtype(array) if sliced else array.dtype
        found.update(f"{tuple(array.shape)} {dtype.str}".encode())
        # Of what does not fit in memory the same, block by block.
        blocks = (rows for _, rows in row_blocks(array, 4096, data.name)) if sliced else [array]
        for rows in blocks:
            found.update(np.ascontiguousarray(rows).data)
    return found.hexdigest()


class TrainedMixin(CallbackMixin, FittedAdaptorMixin):
    """Set what a training has left behind."""

    checkpoint_: dict[str, Any] | None

    @contextmanager
    def _columns_kept(self) -> Iterator[None]:
        """Take back what was noted of the columns of a fit that does not come to its end."""
        names = ("n_features_in_", "feature_names_in_")
        state = self.__dict__
        before = {name: state[name] for name in names if name in state}
        try:
            yield
        except BaseException:
            for name in set(names) - set(before):
                state.pop(name, None)
            state.update(before)
            raise

    def _rows_to_fit(self, X: Any, max_rows: int | None, reset: bool) -> Any:
        """Return checked rows, or X to draw a sample of that many from, read by slices."""
        if max_rows is None:
            return self._rows(X, reset=reset)
        rows = checked_or_sliced(X, "X", max_rows, lambda X: self._rows(X, reset=reset))
        if is_row_sliceable(rows):  # columns and their names have not been looked at
            validate_data(self, names_of(X, rows), reset=reset, skip_check_array=True)
        return rows

    def _keep(self, fit: Fit, center: np.ndarray | None, dims: Any, documents: Any) -> None:
        """Set the fitted attributes."""
        self.adaptor_, self.center_ = fit.adaptor, center
        self.dims_ = dims
        self.loss_curve_ = fit.losses
        self.n_iter_ = len(fit.losses)
        self.validation_scores_ = fit.table
        self.held_out_ = fit.held_out
        self.quantizer_ = self._calibrated(documents)
        self.vector_statistics_ = vector_statistics(
            documents, self.rotation_, own_basis=self.rotation == "identity"
        )
        self.fingerprint_ = fingerprint(
            fit.adaptor, self.center_, bool(self.normalize), self.quantizer_
        )

    def _say_refused(self) -> None:
        """Warn that judgments were in vain."""
        warnings.warn(
            "the judgments were not learned from: held-out queries find no more with what they "
            "teach, or are too few to tell (validation_scores_); the result is that without them",
            JudgmentsWarning,
            stacklevel=5,
        )

    def _say_interrupted(self, begun: Beginning, fit: Fit) -> None:
        """Write down what a fit on the same data needs to go on, and warn."""
        self.checkpoint_ = begun.interrupted(fit.checkpoint)
        kept = "the best state so far is kept"
        if begun.is_further and not fit.is_new:
            kept = "nothing was learned and the adaptor is the one before"
        self._warn_interrupted("fit", f"{kept}; warm_start=True goes on from there", stacklevel=6)

    def _warn_interrupted(self, method: str, kept: str, stacklevel: int = 3) -> None:
        warnings.warn(
            f"{method} was interrupted after {self.n_iter_} steps; {kept}",
            InterruptedWarning,
            stacklevel=stacklevel,
        )


def _refuse_other_mlp(past: ResidualAdaptor, hidden_dim: Any, settings: Settings) -> None:
    if not past.has_mlp or settings.hidden_dim is None:
        return
    h = past.W1.shape[1]
    if not isinstance(hidden_dim, str) and settings.hidden_dim != h:
        raise InvalidValueError(
            f"hidden_dim must be {h}, as in the adaptor that warm_start=True starts from, "
            f"got {hidden_dim}"
        )
    if settings.activation != past.activation:
        raise InvalidValueError(
            f"activation must be {past.activation!r}, as in the adaptor that warm_start=True "
            f"starts from, got {settings.activation!r}"
        )
