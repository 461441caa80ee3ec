"""The cosines of prefixes against those of whole vectors, as a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.utils import check_random_state

from madapt._checks import check_dim, check_embeddings, check_integer
from madapt.evaluation._curves import axes_for
from madapt.evaluation._steps import Steps
from madapt.exceptions import InvalidValueError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import PolyCollection
    from matplotlib.colorbar import Colorbar
    from matplotlib.figure import Figure, SubFigure
    from matplotlib.lines import Line2D
    from matplotlib.text import Text

__all__ = ["SimilarityDisplay"]

#: Numbers of one block of pairs that are multiplied.
_BLOCK_ENTRIES = 2**21
_GRID = 48


class SimilarityDisplay:
    """Draw the cosines of pairs in a prefix against those of the whole embedding.

    Where a prefix keeps what the embedding says, the pairs lie along the dashed line. Make one
    with `from_estimator` or `from_vectors`; what they draw can be drawn again with `plot`.

    Parameters
    ----------
    full : ndarray of shape (n_pairs,)
        Cosines of the pairs, by the whole embedding.
    prefix : ndarray of shape (n_pairs,)
        Those of the same pairs, by the prefix.
    dim : int or None, default=None
        Length of the prefix, for the label of its axis.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        Where the pairs are drawn.
    figure_ : matplotlib.figure.Figure
        The figure around it.
    hexbin_ : matplotlib.collections.PolyCollection
        The counts, on a logarithmic scale.
    colorbar_ : matplotlib.colorbar.Colorbar
        What the colours count.
    line_ : matplotlib.lines.Line2D
        Where both cosines are equal.
    text_ : matplotlib.text.Text
        The correlation and the mean distance from the line.
    """

    ax_: Axes
    figure_: Figure | SubFigure
    hexbin_: PolyCollection
    colorbar_: Colorbar
    line_: Line2D
    text_: Text

    def __init__(self, full: np.ndarray, prefix: np.ndarray, *, dim: int | None = None) -> None:
        self.full = full
        self.prefix = prefix
        self.dim = dim

    @property
    def correlation(self) -> float:
        """Pearson's correlation of both cosines; NaN where one of them does not vary."""
        if not np.ptp(self.full) or not np.ptp(self.prefix):
            return float("nan")
        return float(np.corrcoef(self.full, self.prefix)[0, 1])

    @property
    def mean_error(self) -> float:
        """Mean distance of both cosines."""
        return float(np.abs(self.full - self.prefix).mean())

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        *,
        dim: int | None = None,
        n_pairs: int = 20_000,
        random_state: int | np.random.RandomState | None = None,
        ax: Axes | None = None,
    ) -> Self:
        """Transform rows, and draw the cosines of pairs of them before and after.

        Parameters
        ----------
        estimator : object
            Fitted, with ``transform(X, dim=)``, as a `MatryoshkaAdaptor` or a baseline, or a
            `Pipeline` of such.
        X : array-like of shape (n, d)
            Embeddings of documents, at least two. ``full`` are their own cosines.
        dim : int or None, default=None
            Length of the prefix, in 1..d. None is what the estimator returns unasked.
        n_pairs : int, default=20_000
            Pairs of different rows to draw, at most; where there are no more than that, all.
        random_state : int, RandomState or None, default=None
            Chooses the pairs.
        ax : matplotlib.axes.Axes or None, default=None
            Where to draw; None makes a new figure.

        Returns
        -------
        SimilarityDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If X has fewer than two rows, or dim or n_pairs lies outside its range.
        TypeError
            If the estimator has no transform, or dim is given and nothing takes it.
        ImportError
            If Matplotlib is not installed.

        Notes
        -----
        Only the rows of pairs are transformed; an embedding that has been centred has other
        cosines at full dim, too.

        Examples
        --------
        >>> from madapt.baselines import SVDRotation, Truncation
        >>> from madapt.datasets import load_cranfield
        >>> from madapt.evaluation import SimilarityDisplay
        >>> corpus = load_cranfield().corpus
        >>> for method in (Truncation(), SVDRotation()):
        ...     display = SimilarityDisplay.from_estimator(
        ...         method.fit(corpus), corpus, dim=64, random_state=0
        ...     )
        ...     print(f"{type(method).__name__:11} {display.correlation:.2f}")
        Truncation  0.82
        SVDRotation 0.99
        """
        X = check_embeddings(X, "X")
        m = None if dim is None else check_dim(dim, X.shape[1])
        pairs = _pairs_of(len(X), n_pairs, random_state, "X")
        used, places = np.unique(pairs, return_inverse=True)
        rows, pairs = X[used], places.reshape(pairs.shape)
        (Z,) = Steps(estimator, None if m is None else [m]).transform(rows, "document")
        Z = check_embeddings(Z, "what estimator.transform returns")
        return cls(_cosines(rows, pairs), _cosines(Z, pairs), dim=Z.shape[1]).plot(ax)

    @classmethod
    def from_vectors(
        cls,
        full: Any,
        prefix: Any,
        *,
        n_pairs: int = 20_000,
        random_state: int | np.random.RandomState | None = None,
        ax: Axes | None = None,
    ) -> Self:
        """Draw the cosines of pairs of rows in two arrays.

        Parameters
        ----------
        full : array-like of shape (n, d)
            Whole vectors, at least two.
        prefix : array-like of shape (n, m)
            The same rows, shortened in whatever way.
        n_pairs : int, default=20_000
            Pairs of different rows to draw, at most; where there are no more than that, all.
        random_state : int, RandomState or None, default=None
            Chooses the pairs.
        ax : matplotlib.axes.Axes or None, default=None
            Where to draw; None makes a new figure.

        Returns
        -------
        SimilarityDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If there are fewer than two rows, or not as many in both, or n_pairs is below 1.
        ImportError
            If Matplotlib is not installed.
        """
        full, prefix = check_embeddings(full, "full"), check_embeddings(prefix, "prefix")
        if len(full) != len(prefix):
            raise InvalidValueError(
                f"full and prefix must have the same rows, got {len(full)} and {len(prefix)}"
            )
        pairs = _pairs_of(len(full), n_pairs, random_state, "full")
        return cls(_cosines(full, pairs), _cosines(prefix, pairs), dim=prefix.shape[1]).plot(ax)

    def plot(self, ax: Axes | None = None) -> Self:
        """Draw the pairs.

        Parameters
        ----------
        ax : matplotlib.axes.Axes or None, default=None
            Where to draw; None makes a new figure.

        Returns
        -------
        SimilarityDisplay
            This display, with ``ax_``, ``figure_`` and what is drawn.

        Raises
        ------
        ImportError
            If Matplotlib is not installed.
        """
        self.ax_ = ax = axes_for(self, ax, figsize=(6.0, 4.8))
        self.figure_ = ax.figure
        low = float(min(self.full.min(), self.prefix.min()))
        high = float(max(self.full.max(), self.prefix.max()))
        margin = 0.03 * max(high - low, 1e-3)
        low, high = low - margin, high + margin
        self.hexbin_ = ax.hexbin(
            self.full,
            self.prefix,
            gridsize=(_GRID, round(_GRID / 3**0.5)),  # hexagons as high as they are wide
            extent=(low, high, low, high),
            bins="log",
            mincnt=1,
            cmap="viridis_r",
            linewidths=0.2,
            edgecolors="face",
        )
        (self.line_,) = ax.plot(
            [low, high], [low, high], color="#333333", linestyle=(0, (5, 3)), linewidth=1.3
        )
        from matplotlib.patheffects import withStroke

        # Visible on dark hexagons, too.
        self.line_.set_path_effects([withStroke(linewidth=3, foreground="white")])
        self._dress(low, high)
        return self

    def _dress(self, low: float, high: float) -> None:
        """Set the axes, the grid, the colour bar and the text."""
        ax = self.ax_
        ax.set(xlim=(low, high), ylim=(low, high), aspect="equal", xlabel="cosine, all dims")
        ax.set_ylabel("cosine, prefix" if self.dim is None else f"cosine, {self.dim} dims")
        ax.grid(True, color="#DDDDDD", linewidth=0.7)
        ax.set_axisbelow(True)
        for side in ("top", "right"):
            ax.spines[side].set_visible(False)
        self.colorbar_ = self.figure_.colorbar(self.hexbin_, ax=ax, label="pairs", aspect=30)
        self.colorbar_.outline.set_visible(False)
        self.text_ = ax.text(
            0.03,
            0.97,
            f"correlation {self.correlation:.3f}\nmean difference {self.mean_error:.3f}",
            transform=ax.transAxes,
            verticalalignment="top",
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8},
        )


def _pairs_of(n: int, n_pairs: Any, random_state: Any, name: str) -> np.ndarray:
    """Return distinct pairs of different rows i > j, shape (2, at most n_pairs)."""
    n_pairs = check_integer(n_pairs, "n_pairs", low=1)
    if n < 2:
        raise InvalidValueError(f"{name} must have at least 2 rows to make pairs, got {n}")
    total = n * (n - 1) // 2
    if total <= n_pairs:
        numbers = np.arange(total)
    else:
        generator = check_random_state(random_state)
        # Drawn with repetition, which takes no array of all pairs, until there are enough.
        numbers = np.unique(generator.randint(0, total, n_pairs, dtype=np.int64))
        while len(numbers) < n_pairs:
            more = generator.randint(0, total, n_pairs - len(numbers), dtype=np.int64)
            numbers = np.union1d(numbers, more)
    # Pair number t of (1, 0), (2, 0), (2, 1), (3, 0), ...: row i begins at i (i - 1) / 2.
    i = ((1 + np.sqrt(1 + 8 * numbers.astype(np.float64))) / 2).astype(np.int64)
    i -= i * (i - 1) // 2 > numbers
    i += i * (i + 1) // 2 <= numbers
    return np.stack([i, numbers - i * (i - 1) // 2])


def _cosines(X: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Return the cosine of each pair of rows, 0 where a row is zero."""
    largest = np.abs(X).max(axis=1, keepdims=True)
    X = X / np.where(largest > 0, largest, 1)
    lengths = np.linalg.norm(X, axis=1)
    X = X / np.where(lengths > 0, lengths, 1)[:, None]
    step = max(1, _BLOCK_ENTRIES // X.shape[1])
    blocks = [pairs[:, at : at + step] for at in range(0, pairs.shape[1], step)]
    products = [np.einsum("ij,ij->i", X[i], X[j], dtype=np.float64) for i, j in blocks]
    cosines: np.ndarray = np.concatenate(products)
    return cosines.clip(-1, 1)
