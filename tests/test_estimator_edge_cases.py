"""Odd inputs give finite output, without a NaN and without a warning (each would be an error)."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from madapt import InvalidValueError, MatryoshkaAdaptor
from madapt._rows import unit_rows

D = 16


def rows_with_factors(n, d=D, dtype=np.float32):
    generator = np.random.default_rng(0)
    factors = generator.standard_normal((n, 6)) * np.linspace(3, 1, 6)
    rows = factors @ generator.standard_normal((6, d)) + 0.3 * generator.standard_normal((n, d))
    return (rows + 0.5).astype(dtype)


def scaled(*scales):
    """Rows whose lengths take turns among the scales."""
    return rows_with_factors(60) * np.resize(np.float32(scales), 60)[:, None]


SMALL = {
    "n < d": rows_with_factors(10, 32),
    "one row": rows_with_factors(1),
    "two rows": rows_with_factors(2),
    "three rows": rows_with_factors(3),
    "d = 1": rows_with_factors(40, 1),
    "d = 2": rows_with_factors(40, 2),
    "duplicates": np.repeat(rows_with_factors(5), 20, axis=0),
    "all zero": np.zeros((40, D), np.float32),
    "some zero": rows_with_factors(60) * (np.arange(60) % 3 > 0)[:, None].astype(np.float32),
    "1e-30": scaled(1e-30),
    "subnormal": scaled(1e-42),
    "constant": np.full((60, D), 3, np.float32),
    "constant, negative": np.full((60, D), -0.1, np.float32),
    "two values": np.resize(np.float32([[1, 0], [0, 1]]), (60, 2)),
    "one hot": np.eye(40, D, dtype=np.float32),
    "1e-300": rows_with_factors(60, dtype=np.float64) * 1e-300,
}
LARGE = {
    "1e30": scaled(1e30),
    "1e-30 and 1e30": scaled(1e-30, 1e30),
    "0, 1e-30, 1 and 1e30": scaled(0, 1e-30, 1, 1e30),
    "1e300": rows_with_factors(60, dtype=np.float64) * 1e300,
}
#: Losses of the paper.
ALL_LOSSES = {
    "listwise_weight": 1.0,
    "topk_weight": 1.0,
    "pairwise_weight": 1.0,
    "reconstruction_weight": 1.0,
}
ROTATION = {
    "defaults": {},
    "no guard": {"guard": False},
    "all losses": {**ALL_LOSSES, "guard": False, "early_stopping": False},
}
MLP = {
    "svd": {"rotation": "svd", "guard": False, "dim_weights": None},
    "identity": {"rotation": "identity", **ALL_LOSSES},
    "paper": {"rotation": "identity", **ALL_LOSSES, "init_scale": (0.58, 0.02), "guard": False},
}
LABELS = {
    "labels": {},
    "labels, no guard": {"guard": False},
    "labels, logistic": {"ranking_loss": "logistic", **ALL_LOSSES, "guard": False},
}


def cases(*tables):
    merged = {name: value for table in tables for name, value in table.items()}
    return [pytest.param(value, id=name) for name, value in merged.items()]


def fitted(rows, queries=None, qrels=None, **parameters):
    model = MatryoshkaAdaptor(**{"max_iter": 4, "hidden_dim": 8, "random_state": 0, **parameters})
    return model.fit(rows, queries=queries, qrels=qrels)


def judged(rows):
    n = len(rows)
    queries = rows[::-1][: min(n, 25)].copy()
    return queries, [{i % n: 1, (i * i) % n: 2} for i in range(len(queries))]


def assert_sound(model, rows, normalize):
    d = rows.shape[1]
    for m in {1, (d + 1) // 2, d}:
        for side in ("document", "query"):
            Z = model.transform(rows, dim=m, side=side)
            assert np.isfinite(Z).all()
            if normalize:
                lengths = np.linalg.norm(Z.astype(np.float64), axis=1)
                assert (np.isclose(lengths, 1, atol=1e-5) | (lengths == 0)).all()
    P = model.rotation_
    assert_allclose(P @ P.T, np.eye(d), atol=1e-5)
    assert np.isfinite(model.loss_curve_).all()
    assert np.isfinite(np.hstack([model.validation_scores_.get("adaptor", [])])).all()
    for array in model.adaptor_.parameters.values():
        assert np.isfinite(array).all()
    if len(rows) > 1:
        assert 0 <= model.score(rows) <= 1
    if not model.adaptor_.has_mlp:
        assert np.isfinite(model.inverse_transform(model.transform(rows))).all()


@pytest.mark.parametrize("parameters", cases(ROTATION))
@pytest.mark.parametrize("rows", cases(SMALL, LARGE))
@pytest.mark.parametrize("normalize", [True, False])
def test_a_rotation(normalize, rows, parameters):
    assert_sound(fitted(rows, normalize=normalize, **parameters), rows, normalize)


@pytest.mark.parametrize("parameters", cases(MLP))
@pytest.mark.parametrize("rows", cases(SMALL, LARGE))
def test_an_mlp(rows, parameters):
    assert_sound(fitted(rows, **parameters), rows, True)


@pytest.mark.parametrize("parameters", cases(MLP))
@pytest.mark.parametrize("rows", cases(SMALL))
def test_an_mlp_on_rows_as_they_are(rows, parameters):
    assert_sound(fitted(rows, normalize=False, **parameters), rows, False)


@pytest.mark.parametrize("parameters", cases(LABELS))
@pytest.mark.parametrize("rows", cases(SMALL, LARGE))
def test_judgments(rows, parameters):
    assert_sound(fitted(rows, *judged(rows), **parameters), rows, True)


@pytest.mark.parametrize("parameters", cases(LABELS))
@pytest.mark.parametrize("rows", cases(SMALL))
def test_judgments_of_rows_as_they_are(rows, parameters):
    assert_sound(fitted(rows, *judged(rows), normalize=False, **parameters), rows, False)


@pytest.mark.parametrize("rows", cases(LARGE))
def test_an_mlp_on_huge_rows_as_they_are_is_refused(rows):
    message = r"normalize must be True where an MLP is trained on float\d\d entries above"
    with pytest.raises(InvalidValueError, match=message):
        fitted(rows, normalize=False, rotation="svd")


@pytest.mark.parametrize("rows", cases({"1e-15": scaled(1e-15), "1e13": scaled(1e13)}))
def test_an_mlp_on_large_rows_as_they_are(rows):
    assert_sound(fitted(rows, normalize=False, **MLP["svd"]), rows, False)


@pytest.mark.parametrize("normalize", [True, False])
def test_zero_rows_stay_zero(normalize):
    rows = rows_with_factors(60)
    rows[::4] = 0
    model = fitted(rows, normalize=normalize, guard=False)
    zero = (model.transform(rows, dim=3) == 0).all(axis=1)
    assert_array_equal(zero, np.arange(60) % 4 == 0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_length_of_rows_is_nothing_to_a_normalised_rotation(dtype):
    rows = rows_with_factors(60, dtype=dtype)
    powers = np.resize(np.array([2.0**-90, 1.0, 2.0**90], dtype), 60)[:, None]
    one, other = (fitted(X, guard=False, early_stopping=False) for X in (rows, rows * powers))
    assert_array_equal(other.transform(rows * powers), one.transform(rows))
    assert other.fingerprint_ == one.fingerprint_
    # Without normalisation the cosines that are trained on do not know the lengths either,
    # but long rows rule the SVD rotation.
    third = fitted(rows * powers, normalize=False, guard=False)
    assert_allclose(
        unit_rows(third.inverse_transform(third.transform(rows))), unit_rows(rows), atol=1e-5
    )


def test_huge_queries_of_double_precision_against_single_documents():
    rows = rows_with_factors(60)
    queries = rows[:25].astype(np.float64) * 1e200
    model = fitted(rows, queries, center=0.5)
    expected = fitted(rows, rows[:25], center=0.5)
    assert_allclose(model.center_, expected.center_, atol=1e-6)


def test_one_document_with_judged_queries_has_nothing_to_learn():
    rows = rows_with_factors(4)
    for guard in (True, False):
        model = fitted(rows[:1], rows[1:], [{0: 1}] * 3, guard=guard)
        assert not model.adaptor_.has_mlp


def test_more_queries_than_documents():
    queries, rows = rows_with_factors(60), rows_with_factors(12)[::-1].copy()
    model = fitted(rows, queries, [{i % 12: 1} for i in range(60)])
    assert_sound(model, rows, True)


@pytest.mark.parametrize("n_neighbors", [1, 10, 1000])
@pytest.mark.parametrize("batch_size", [2, 5, 1000])
@pytest.mark.parametrize("support_size", [None, 2, 1000])
def test_sizes_beyond_the_data(support_size, batch_size, n_neighbors):
    rows = rows_with_factors(30)
    sizes = {"support_size": support_size, "batch_size": batch_size, "n_neighbors": n_neighbors}
    model = fitted(rows, *judged(rows), guard=False, max_iter=2, topk_weight=1.0, **sizes)
    assert_sound(model, rows, True)
