"""What a report says, as numbers: curves, the dim to take, bytes, cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from madapt._checks import check_number
from madapt._commands.report.hurt import Hurt
from madapt.baselines import Truncation
from madapt.estimator import MatryoshkaAdaptor
from madapt.exceptions import InvalidValueError
from madapt.neighbors import top_k
from madapt.quantization import bytes_per_vector
from madapt.training.guard import neighbor_overlap

__all__ = [
    "Choice",
    "Curve",
    "Price",
    "Report",
    "Size",
    "chosen_dim",
    "held_out_curve",
    "neighbor_curve",
    "sizes_of",
]

#: Rows whose neighbours are compared at most, and how many neighbours.
MOST_ROWS, N_NEIGHBORS = 5000, 10
NEIGHBORS_KEPT = f"share of the {N_NEIGHBORS} nearest neighbours kept"
#: Vectors, and bytes of a GB, that costs are given for.
MILLION, GB = 10**6, 10**9


@dataclass(frozen=True)
class Curve:
    """Scores by the number of dims kept.

    Parameters
    ----------
    metric : str
        What was measured.
    dims : list of L int
    full : list of L float, or None
        Of the embedding as it is, at all dims; None where that is 1 by what is measured.
    methods : dict of str to list of L float
    n_rows : int
        Queries or rows that the means are over.
    main : str, default="adaptor"
        Which method the model is.
    """

    metric: str
    dims: list[int]
    full: list[float] | None
    methods: dict[str, list[float]]
    n_rows: int
    main: str = "adaptor"

    @property
    def shares(self) -> list[float] | None:
        """The model's scores over those of the embedding as it is."""
        if self.full is None:
            return None
        pairs = zip(self.methods[self.main], self.full, strict=True)
        return [score / full if full else 0.0 for score, full in pairs]


@dataclass(frozen=True)
class Choice:
    """The dim to take, and why.

    Parameters
    ----------
    dim : int
    target, share : float
        The share of full quality that was asked for, and that of the dim.
    interval : tuple of two floats, or None
        Of the share, at 95 %.
    basis : str
        What the share was measured on.
    shares : dict of int to float
        By dim.
    """

    dim: int
    target: float
    share: float
    interval: tuple[float, float] | None
    basis: str
    shares: dict[int, float]

    @property
    def is_reached(self) -> bool:
        """Whether the dim keeps as much as was asked for."""
        return self.share >= self.target


@dataclass(frozen=True)
class Price:
    """What a GB (10^9 bytes) costs for a month.

    Parameters
    ----------
    amount : float
    currency : str
    """

    amount: float
    currency: str

    def __post_init__(self) -> None:
        """Refuse what is no price."""
        check_number(self.amount, "price", low=0)
        if not self.currency.strip():
            raise InvalidValueError("currency must be a text, got none")


@dataclass(frozen=True)
class Size:
    """What vectors of one dim take.

    Parameters
    ----------
    dim : int
    float32, int8, binary : int
        Bytes a vector.
    of_full : float
        Share of the whole vector's bytes.
    corpus_bytes : int
        Of all documents, in float32.
    gb_per_million : float
        Of a million vectors, in float32.
    cost : float or None
        Of a million vectors for a month, in float32; None without a price.
    """

    dim: int
    float32: int
    int8: int
    binary: int
    of_full: float
    corpus_bytes: int
    gb_per_million: float
    cost: float | None


@dataclass(frozen=True)
class Report:
    """All that the page says.

    Parameters
    ----------
    data : dict
        Counts of the collection, where it lies, and whether its vectors look like the model's.
    model : dict
        As `madapt info` says it.
    curve : Curve or None
        Measured on the collection; None where it has fewer than two rows.
    held_out : Curve or None
        Measured by `fit`.
    choice : Choice or None
    no_choice : str
        Why there is none.
    sizes : list of Size
    price : Price or None
    hurt : Hurt or None
        The queries hurt most, where there are judgments.
    made : dict of str to str
        The day, versions and the command.
    """

    data: dict[str, Any]
    model: dict[str, Any]
    curve: Curve | None
    held_out: Curve | None
    choice: Choice | None
    no_choice: str
    sizes: list[Size]
    price: Price | None
    hurt: Hurt | None
    made: dict[str, str]


def held_out_curve(model: MatryoshkaAdaptor) -> Curve | None:
    """Return what `fit` measured on held-out rows, None where it did not."""
    scores = model.validation_scores_
    held_out = model.held_out_
    if not scores or held_out is None:
        return None
    methods = {
        name: [float(one) for one in column]
        for name, column in scores.items()
        if name not in ("dim", "kept", "metric", "frozen")
    }
    full = [float(one) for one in scores["frozen"]] if "frozen" in scores else None
    dims = [int(m) for m in scores["dim"]]
    n_rows, kept = held_out.scores.shape[1], scores["kept"][0]
    return Curve(scores["metric"][0], dims, full, methods, n_rows, kept)


def neighbor_curve(
    model: MatryoshkaAdaptor, documents: np.ndarray, dims: list[int]
) -> Curve | None:
    """Return the share of the nearest neighbours that prefixes keep among the documents.

    Parameters
    ----------
    model : MatryoshkaAdaptor
    documents : ndarray of shape (n, d)
        Of more than 5,000, that many, evenly spread, are compared with one another.
    dims : list of int

    Returns
    -------
    Curve or None
        As `MatryoshkaAdaptor.score` measures it, by dims; None of fewer than two documents.
    """
    rows = documents
    if len(documents) > MOST_ROWS:
        rows = documents[np.linspace(0, len(documents) - 1, MOST_ROWS).astype(np.int64)]
    if len(rows) < 2:
        return None
    nearest, _ = top_k(rows, rows, N_NEIGHBORS, exclude_self=True)
    methods: dict[str, list[float]] = {}
    for name, method in (("frozen prefix", Truncation().fit(rows)), ("adaptor", model)):
        Z = np.asarray(method.transform(rows, dim=dims[-1]))
        prefixes = lambda m, Z=Z: (Z[:, :m], Z[:, :m])  # noqa: E731
        kept = neighbor_overlap(nearest, prefixes, dims, exclude_self=True)
        methods[name] = kept.mean(axis=1).tolist()
    return Curve(NEIGHBORS_KEPT, dims, None, methods, len(rows))


def chosen_dim(
    model: MatryoshkaAdaptor, target: float, curve: Curve | None
) -> tuple[Choice | None, str]:
    """Return the dim to take by what `fit` held out, else by judged queries; or why not.

    Parameters
    ----------
    model : MatryoshkaAdaptor
    target : float
        Wanted share of full quality.
    curve : Curve or None
        Measured on the collection.
    """
    if model.held_out_ is not None:
        found = model.recommend_dim(target)
        basis = f"{found.n_held_out:,} held-out {found.basis}"
        if found.basis == "neighbors":
            basis = f"the neighbours of {found.n_held_out:,} held-out rows"
        return Choice(found.dim, target, found.share, found.interval, basis, found.shares), ""
    shares = None if curve is None else curve.shares
    if curve is None or shares is None:
        return None, "nothing was held out when the model was fitted, and there are no judgments"
    reached = [place for place, share in enumerate(shares) if share >= target]
    place = reached[0] if reached else int(np.argmax(shares))
    by_dim = dict(zip(curve.dims, shares, strict=True))
    basis = f"the {curve.n_rows:,} judged queries of this report, without an interval"
    return Choice(curve.dims[place], target, shares[place], None, basis, by_dim), ""


def sizes_of(dims: list[int], d: int, n: int, price: Price | None) -> list[Size]:
    """Return what vectors take and cost at each dim.

    Parameters
    ----------
    dims : list of int
    d, n : int
        Coordinates and number of the documents.
    price : Price or None
    """
    found = []
    for m in dims:
        size, int8, binary = (bytes_per_vector(m, one) for one in ("float32", "int8", "binary"))
        gb = size * MILLION / GB
        cost = None if price is None else gb * price.amount
        found.append(Size(m, size, int8, binary, m / d, size * n, gb, cost))
    return found
