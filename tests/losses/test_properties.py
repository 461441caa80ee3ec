"""Laws that every loss obeys, whatever the rows."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from madapt._rows import unit_rows
from madapt.losses import (
    Objective,
    graded_listwise_loss,
    listwise_loss,
    pairwise_loss,
    ranking_loss,
    reconstruction_loss,
    topk_loss,
)


class Batch(NamedTuple):
    """Rows Y (B, d) against columns Z (n, d), or against themselves where Z is None."""

    Y: np.ndarray
    Z: np.ndarray | None
    S: np.ndarray  # targets, (B, n)
    marks: np.ndarray  # neighbours, or pairs that count, (B, n)
    grades: np.ndarray  # (B, n)

    def permuted(self, rows, columns):
        """Return the same batch in another order; one order for both in the square form."""
        if self.Z is None:
            columns = rows
        at = np.ix_(rows, columns)
        Z = None if self.Z is None else self.Z[columns]
        return Batch(self.Y[rows], Z, self.S[at], self.marks[at], self.grades[at])

    def scaled(self, row_factors, column_factors):
        Z = None if self.Z is None else self.Z * column_factors[:, None]
        return self._replace(Y=self.Y * row_factors[:, None], Z=Z)

    def astype(self, dtype):
        floats = {name: getattr(self, name) for name in ("Y", "Z", "S", "grades")}
        return self._replace(
            **{name: None if a is None else a.astype(dtype) for name, a in floats.items()}
        )


Loss = Callable[..., tuple[float, object]]


def objective(dims, weights):
    return Objective(
        dims, listwise_weight=0.6, topk_weight=1.5, pairwise_weight=0.3, weights=weights
    )


#: Losses among documents, square or rectangular: (batch, dims, weights) -> value, gradient.
DOCUMENTS: dict[str, Loss] = {
    "pairwise": lambda b, dims, w=None: pairwise_loss(b.Y, b.S, dims, columns=b.Z, weights=w),
    "topk": lambda b, dims, w=None: topk_loss(b.Y, b.S, b.marks, dims, columns=b.Z, weights=w),
    "listwise": lambda b, dims, w=None: listwise_loss(
        b.Y, b.S, dims, columns=b.Z, pairs=b.marks, temperature=0.2, weights=w
    ),
    "objective": lambda b, dims, w=None: objective(dims, w).documents(
        b.Y, b.S, neighbors=b.marks, columns=b.Z
    ),
}
#: Losses of queries against documents.
QUERIES: dict[str, Loss] = {
    "ranking": lambda b, dims, w=None: ranking_loss(b.Y, b.Z, b.grades, dims, weights=w),
    "graded": lambda b, dims, w=None: graded_listwise_loss(
        b.Y, b.Z, b.grades, dims, pairs=b.marks, weights=w
    ),
    "queries": lambda b, dims, w=None: objective(dims, w).queries(b.Y, b.Z, b.grades),
}
LOSSES = [(DOCUMENTS[name], square) for name in DOCUMENTS for square in (True, False)]
LOSSES += [(loss, False) for loss in QUERIES.values()]
NAMES = [f"{name}, {form}" for name in DOCUMENTS for form in ("square", "rectangular")]
every_loss = pytest.mark.parametrize(("loss", "square"), LOSSES, ids=[*NAMES, *QUERIES])
seeds = st.integers(0, 2**32 - 1)


def drawn(seed, square):
    """Return a random batch of random size, its dims with weights, and the generator."""
    generator = np.random.default_rng(seed)
    B, n, d = generator.integers(1, 8), generator.integers(1, 9), generator.integers(1, 9)
    n = B if square else n
    Y, Z = generator.standard_normal((B, d)), generator.standard_normal((n, d))
    S = generator.uniform(-1, 1, (B, n))
    S = (S + S.T) / 2 if square else S
    batch = Batch(
        Y,
        None if square else Z,
        S,
        generator.random((B, n)) < 0.6,
        generator.integers(0, 3, (B, n)).astype(float),
    )
    count = generator.integers(1, d + 1)
    dims = tuple(int(m) for m in np.sort(generator.permutation(d)[:count] + 1))
    return batch, dims, tuple(generator.uniform(0.1, 2, count)), generator


def as_pair(gradient, square):
    return (gradient, gradient) if square else gradient


def assert_close(actual, expected, tolerance=1e-10):
    scale = max(1.0, np.abs(expected).max(initial=0.0))
    np.testing.assert_allclose(actual, expected, rtol=0, atol=tolerance * scale)


@every_loss
@given(seed=seeds)
def test_order_does_not_matter(loss, square, seed):
    batch, dims, weights, generator = drawn(seed, square)
    rows, columns = (generator.permutation(size) for size in batch.S.shape)
    value, gradient = loss(batch, dims, weights)
    value_permuted, gradient_permuted = loss(batch.permuted(rows, columns), dims, weights)
    assert value_permuted == pytest.approx(value, rel=1e-10, abs=1e-12)
    order = (rows, rows) if square else (rows, columns)
    pairs = zip(as_pair(gradient_permuted, square), as_pair(gradient, square), order, strict=True)
    for actual, expected, at in pairs:
        assert_close(actual, expected[at])


@every_loss
@given(seed=seeds)
def test_lengths_of_rows_do_not_matter(loss, square, seed):
    batch, dims, weights, generator = drawn(seed, square)
    factors = [np.exp(generator.uniform(-5, 5, size)) for size in batch.S.shape]
    factors = factors[:1] * 2 if square else factors
    value, gradient = loss(batch, dims, weights)
    value_scaled, gradient_scaled = loss(batch.scaled(*factors), dims, weights)
    assert value_scaled == pytest.approx(value, rel=1e-10, abs=1e-12)
    pairs = zip(as_pair(gradient_scaled, square), as_pair(gradient, square), factors, strict=True)
    for actual, expected, factor in pairs:
        assert_close(actual * factor[:, None], expected)


@every_loss
@given(seed=seeds)
def test_gradient_is_orthogonal_to_the_prefix(loss, square, seed):
    batch, dims, _, _ = drawn(seed, square)
    for m in dims:
        _, gradient = loss(batch, (m,))
        for rows, d_rows in zip((batch.Y, batch.Z), as_pair(gradient, square), strict=True):
            if rows is not None:
                assert_close(np.sum(rows[:, :m] * d_rows[:, :m], axis=1), 0.0)
                assert (d_rows[:, m:] == 0).all()


@every_loss
@given(seed=seeds)
def test_dims_are_averaged(loss, square, seed):
    batch, dims, weights, _ = drawn(seed, square)
    for given_weights, fractions in (
        (None, np.full(len(dims), 1 / len(dims))),
        (weights, np.array(weights) / sum(weights)),
    ):
        value, gradient = loss(batch, dims, given_weights)
        single = [loss(batch, (m,)) for m in dims]
        assert value == pytest.approx(fractions @ [one for one, _ in single], rel=1e-10)
        for side in (0, 1):
            expected = sum(
                fraction * as_pair(d_single, square)[side]
                for fraction, (_, d_single) in zip(fractions, single, strict=True)
            )
            assert_close(as_pair(gradient, square)[side], expected)


@every_loss
@given(seed=seeds)
def test_values_are_finite_and_not_negative(loss, square, seed):
    batch, dims, weights, _ = drawn(seed, square)
    for dtype in (np.float32, np.float64):
        value, gradient = loss(batch.astype(dtype), dims, weights)
        assert np.isfinite(value)
        assert value >= -10 * np.finfo(dtype).eps  # a divergence of 0 is rounded
        for part in as_pair(gradient, square):
            assert part.dtype == dtype
            assert np.isfinite(part).all()


@every_loss
@given(seed=seeds)
def test_float32_agrees_with_float64(loss, square, seed):
    batch, dims, weights, _ = drawn(seed, square)
    # Short prefixes and |S - C| near its kink are ill-conditioned: keep away from both.
    batch = batch._replace(
        Y=np.sign(batch.Y) + batch.Y,
        Z=None if square else np.sign(batch.Z) + batch.Z,
        S=0.25 * batch.S + np.where(batch.S > 0, 1.25, -1.25),
    )
    single = batch.astype(np.float32)
    double = single.astype(np.float64)
    value, gradient = loss(single, dims, weights)
    expected_value, expected = loss(double, dims, weights)
    assert value == pytest.approx(expected_value, rel=1e-5, abs=1e-6)
    for actual, wanted in zip(as_pair(gradient, square), as_pair(expected, square), strict=True):
        assert_close(actual, wanted, 1e-5)


@pytest.mark.parametrize("square", [True, False])
@pytest.mark.parametrize("name", DOCUMENTS)
@given(seed=seeds)
def test_full_length_of_the_originals_is_a_stationary_zero(name, square, seed):
    batch, *_ = drawn(seed, square)
    d = batch.Y.shape[1]
    for dtype in (np.float32, np.float64):
        Y = unit_rows(batch.Y.astype(dtype))
        Z = None if square else unit_rows(batch.Z.astype(dtype))
        originals = batch._replace(Y=Y, Z=Z, S=Y @ (Y if square else Z).T)
        value, gradient = DOCUMENTS[name](originals, (d,))
        # Targets and cosines differ by rounding, which the temperature of 0.1 enlarges.
        tolerance = 100 * np.finfo(dtype).eps
        assert abs(value) < tolerance
        for part in as_pair(gradient, square):
            assert np.abs(part).max() < tolerance


@given(seed=seeds)
def test_reconstruction(seed):
    batch, *_, generator = drawn(seed, True)
    Y, U = batch.Y, generator.standard_normal(batch.Y.shape)
    value, gradient = reconstruction_loss(Y, U)
    assert value == pytest.approx(np.abs(Y - U).sum() / len(Y), rel=1e-12)
    np.testing.assert_array_equal(gradient, np.sign(Y - U) / len(Y))
    order = generator.permutation(len(Y))
    value_permuted, gradient_permuted = reconstruction_loss(Y[order], U[order])
    assert value_permuted == pytest.approx(value, rel=1e-12)
    np.testing.assert_array_equal(gradient_permuted, gradient[order])
    for same in (Y, Y * (1 + np.finfo(float).eps)):  # nothing, or rounding, was added
        value, gradient = reconstruction_loss(same, Y)
        assert 0 <= value < 1e-13
        assert not gradient.any()


@given(seed=seeds)
def test_ranking_falls_along_its_gradient(seed):
    batch, dims, _, _ = drawn(seed, False)
    value, (dQ, dD) = ranking_loss(batch.Y, batch.Z, batch.grades, dims)
    step = 1e-6 / max(1.0, np.abs(dQ).max(), np.abs(dD).max())
    after, _ = ranking_loss(batch.Y - step * dQ, batch.Z - step * dD, batch.grades, dims)
    assert after <= value + 1e-15
