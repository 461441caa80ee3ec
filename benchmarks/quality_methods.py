"""What the quality study compares, each as a function that fits it on a case."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from inspect import signature
from typing import Any

import numpy as np
from quality_data import Case

from madapt import MatryoshkaAdaptor
from madapt._linalg import svd_rotation
from madapt._rows import unit_rows
from madapt.adaptor import ResidualAdaptor
from madapt.baselines import PCAReducer, RandomRotation, SVDRotation, Truncation

FREE = "madapt fit(X)"
WITH_QUERIES = "madapt fit(X, queries)"
NOT_CENTRED = "madapt fit(X, queries), center=None"
JUDGED = "madapt fit(X, queries, qrels)"
PAPER = "from_paper()"
#: The paper's reconstruction loss is a sum over coordinates; this reads it as a mean.
PAPER_MEAN = "from_paper(), reconstruction / d"
CENTRED = {f"centred frozen, c = {strength}": strength for strength in (0.5, 0.75, 1.0)}
#: Rivals that live elsewhere: name -> (module, class).
PUBLISHED = {
    "SearchAdaptor": ("madapt.baselines", "SearchAdaptor"),
    "SMEC": ("peers_smec", "SMEC"),
    "DIVE": ("peers_dive", "DIVE"),
}
ROTATIONS = {"OPQ (faiss)": "OPQMatrix", "ITQ (faiss)": "ITQMatrix"}
#: One fit is as good as five: nothing is drawn.
DETERMINISTIC = ("frozen", "truncation", "PCA", "SVD", *CENTRED, *ROTATIONS)
#: Methods against which a gain is counted.
LINEAR = ("truncation", "PCA", "SVD")
#: Parts that OPQ cuts a vector into, one codebook each.
_OPQ_PARTS = 8
#: Rows that faiss wants to see for each code.
_ROWS_PER_CODE = 39


def fitted(name: str, case: Case, seed: int, quick: bool) -> Any:
    """Fit a method; the result has transform(X, dim=), or is "frozen"."""
    if name in CENTRED:
        return Centred(case, CENTRED[name])
    if name in ROTATIONS:
        return Rotated(case, ROTATIONS[name])
    if name in PUBLISHED:
        return _published(name, case, seed, quick)
    if name in _BASELINES:
        method = _BASELINES[name](seed)
        return method if name == "frozen" else method.fit(case.corpus)
    return _madapt(name, case, seed, quick)


def why_missing(name: str) -> str | None:
    """Say why a method cannot run here, None if it can."""
    elsewhere = PUBLISHED | {name: ("faiss", kind) for name, kind in ROTATIONS.items()}
    if name not in elsewhere:
        return None
    module, wanted = elsewhere[name]
    try:
        getattr(import_module(module), wanted)
    except (ImportError, AttributeError) as error:
        return str(error)
    return None


_BASELINES: dict[str, Callable[[int], Any]] = {
    "frozen": lambda seed: "frozen",
    "truncation": lambda seed: Truncation(),
    "random rotation": lambda seed: RandomRotation(random_state=seed),
    "PCA": lambda seed: PCAReducer(),
    "SVD": lambda seed: SVDRotation(),
}


def _madapt(name: str, case: Case, seed: int, quick: bool) -> MatryoshkaAdaptor:
    parameters: dict[str, Any] = {"random_state": seed} | ({"max_iter": 2} if quick else {})
    labels = {"queries": case.seen, "qrels": case.seen_qrels}
    if name in (PAPER, PAPER_MEAN):
        if name == PAPER_MEAN:
            parameters["reconstruction_weight"] = 1.0 / case.corpus.shape[1]
        return MatryoshkaAdaptor.from_paper(**parameters).fit(case.corpus, **labels)
    if name == NOT_CENTRED:
        parameters["center"] = None
    seen = {
        FREE: {},
        WITH_QUERIES: {"queries": case.seen},
        NOT_CENTRED: {"queries": case.seen},
        JUDGED: labels,
    }
    return MatryoshkaAdaptor(**parameters).fit(case.corpus, **seen[name])


def _published(name: str, case: Case, seed: int, quick: bool) -> Any:
    module, wanted = PUBLISHED[name]
    method = getattr(import_module(module), wanted)
    known = signature(method).parameters
    parameters: dict[str, Any] = {"dims": case.dims, "random_state": seed}
    if quick:
        parameters |= dict.fromkeys(
            ("max_iter", "n_steps", "steps", "max_steps", "epochs", "n_epochs"), 2
        )
    parameters = {key: value for key, value in parameters.items() if key in known}
    return method(**parameters).fit(case.corpus, queries=case.seen, qrels=case.seen_qrels)


class Start:
    """The SVD rotation that an adaptor started at, after the same centring."""

    def __init__(self, adaptor: MatryoshkaAdaptor, corpus: np.ndarray) -> None:
        self._center = adaptor.center_
        self._adaptor = ResidualAdaptor(svd_rotation(self._entering(corpus, "document")).T)

    def _entering(self, X: np.ndarray, side: str) -> np.ndarray:
        X = unit_rows(X)
        return X if self._center is None else X - self._center[1 if side == "query" else 0]

    def transform(self, X: np.ndarray, dim: int, side: str = "document") -> np.ndarray:
        """Return the first coordinates of rows that belong to one side."""
        return self._adaptor.transform(self._entering(X, side))[:, :dim]


class Centred:
    """The whole vector, each side less a share of its own mean, whatever dim is asked."""

    def __init__(self, case: Case, strength: float) -> None:
        rows = {"document": unit_rows(case.corpus), "query": unit_rows(case.seen)}
        self._means = {side: strength * sample.mean(axis=0) for side, sample in rows.items()}

    def transform(self, X: np.ndarray, dim: int, side: str = "document") -> np.ndarray:
        """Return all coordinates of rows that belong to one side."""
        return unit_rows(X) - self._means[side]


class Rotated:
    """A prefix after a rotation that faiss learns for the sake of short codes."""

    def __init__(self, case: Case, kind: str) -> None:
        import faiss

        n, d = case.corpus.shape
        if kind == "OPQMatrix":
            self._rotation = faiss.OPQMatrix(d, parts := _largest_divisor(d, _OPQ_PARTS))
            # No more codes than the corpus can show; the quantizer lives as long as this does.
            bits = int(np.clip(np.log2(n / _ROWS_PER_CODE), 1, 8))
            self._quantizer = faiss.ProductQuantizer(d, parts, bits)
            self._rotation.pq = self._quantizer
        else:
            self._rotation = faiss.ITQMatrix(d)
        rows = np.ascontiguousarray(unit_rows(case.corpus), dtype=np.float32)
        self._rotation.train(rows)

    def transform(self, X: np.ndarray, dim: int) -> np.ndarray:
        """Return the first coordinates of the rotated rows."""
        rows = np.ascontiguousarray(unit_rows(X), dtype=np.float32)
        return self._rotation.apply(rows)[:, :dim]


def _largest_divisor(d: int, most: int) -> int:
    return next(n for n in range(min(most, d), 0, -1) if d % n == 0)
