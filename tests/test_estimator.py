"""What a fitted adaptor does with rows: forward, back, both sides, score, dtypes, layouts."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from madapt import InvalidValueError, MatryoshkaAdaptor
from madapt.baselines import SVDRotation

D = 24


def clustered(n, seed, dtype=np.float64):
    """Rows around 40 centres on 12 factors, with a common offset."""
    generator = np.random.default_rng(0)
    centres = generator.standard_normal((40, 12)) * np.linspace(2.0, 0.7, 12)
    basis = np.linalg.qr(generator.standard_normal((D, D)))[0]
    generator = np.random.default_rng(seed)
    factors = centres[generator.integers(40, size=n)] + 0.35 * generator.standard_normal((n, 12))
    rows = factors @ basis[:12] + 0.15 * generator.standard_normal((n, D)) + 0.3
    rows = rows.astype(dtype)
    rows.setflags(write=False)
    return rows


X, OTHERS, Q = clustered(200, 1), clustered(50, 2), clustered(40, 3) + 1.0
TRAINED = {"max_iter": 10, "guard": False, "early_stopping": False, "random_state": 0}
WITH_MLP = {**TRAINED, "rotation": "svd", "hidden_dim": 16, "dim_weights": None}


def trained(rows=X, queries=None, **parameters):
    return MatryoshkaAdaptor(**{**TRAINED, **parameters}).fit(rows, queries=queries)


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def cosines(rows):
    rows = unit(rows.astype(np.float64))
    return rows @ rows.T


MODELS = {
    (kind, normalize, np.dtype(dtype)): trained(X.astype(dtype), normalize=normalize, **parameters)
    for kind, parameters in {"rotation": {}, "mlp": WITH_MLP}.items()
    for normalize in (True, False)
    for dtype in (np.float32, np.float64)
}


@pytest.mark.parametrize(("kind", "normalize", "dtype"), MODELS)
@given(m=st.integers(1, D), n=st.integers(1, 50), double=st.booleans())
@settings(max_examples=20)
def test_each_dim_is_a_prefix_of_the_full_transform(kind, normalize, dtype, m, n, double):
    model = MODELS[kind, normalize, dtype]
    rows = OTHERS[:n].astype(np.float64 if double else np.float32)
    prefix, full = model.transform(rows, dim=m), model.transform(rows)
    assert prefix.shape == (n, m)
    assert full.shape == (n, D)
    assert prefix.dtype == rows.dtype
    wanted = unit(full[:, :m]) if normalize else full[:, :m]
    assert_allclose(prefix, wanted, atol=1e-12 if double else 2e-5)
    if normalize:
        assert_allclose(np.linalg.norm(prefix, axis=1), 1, rtol=1e-6)


@pytest.mark.parametrize("normalize", [True, False])
def test_full_dim_of_a_model_with_an_mlp_is_its_formula(normalize):
    model = MODELS["mlp", normalize, np.dtype(float)]
    a = model.adaptor_
    U = (unit(OTHERS) if normalize else OTHERS) @ model.rotation_.T
    Y = U + np.maximum(U @ a.W1 + a.b1, 0) @ a.W2 + a.b2
    assert np.abs(Y - U).max() > 1e-3
    assert_allclose(model.transform(OTHERS), unit(Y) if normalize else Y, atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("rotation_dims", ["auto", None, 6])
def test_without_queries_every_cosine_at_full_dim_stays(rotation_dims, normalize, dtype):
    dims = (4, 8, 16, D)
    model = trained(X.astype(dtype), dims=dims, normalize=normalize, rotation_dims=rotation_dims)
    start = SVDRotation(normalize=normalize).fit(X)
    assert np.abs(model.rotation_ - start.rotation_).max() > 1e-2
    rows = OTHERS.astype(dtype)
    assert_allclose(cosines(model.transform(rows)), cosines(rows), atol=1e-5)
    lengths = np.linalg.norm(model.transform(rows), axis=1)
    assert_allclose(lengths, 1 if normalize else np.linalg.norm(rows, axis=1), rtol=1e-5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("parameters", [{}, {"rotation": "svd", "hidden_dim": None}])
def test_the_rotation_is_orthogonal(parameters, dtype):
    R = trained(X.astype(dtype), **{"max_iter": 60, **parameters}).rotation_
    assert R.dtype == dtype
    assert_allclose(R @ R.T, np.eye(D), atol=1e-12 if dtype is np.float64 else 2e-6)


@pytest.mark.parametrize("k", [6, 8, 17])
@pytest.mark.parametrize("normalize", [True, False])
def test_prefixes_of_rotation_dims_and_more_keep_the_cosines_of_the_svd(normalize, k):
    model = trained(rotation_dims=k, dims=(4, 8, D), normalize=normalize)
    start = SVDRotation(normalize=normalize).fit(X)
    for m in range(k, D + 1):
        expected = cosines(start.transform(OTHERS, dim=m))
        assert_allclose(cosines(model.transform(OTHERS, dim=m)), expected, atol=1e-10)
    below = cosines(model.transform(OTHERS, dim=4)) - cosines(start.transform(OTHERS, dim=4))
    assert np.abs(below).max() > 1e-3


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-10), (np.float32, 1e-5)])
@pytest.mark.parametrize("max_iter", [3, 10, 60])
def test_the_way_back_is_exact_at_full_dim(max_iter, dtype, tolerance):
    rows = OTHERS.astype(dtype)
    plain = trained(X.astype(dtype), max_iter=max_iter)
    back = plain.inverse_transform(plain.transform(rows))
    assert back.dtype == dtype
    assert_allclose(back, unit(rows), atol=tolerance)
    unscaled = trained(X.astype(dtype), max_iter=max_iter, normalize=False)
    assert_allclose(unscaled.inverse_transform(unscaled.transform(rows)), rows, atol=10 * tolerance)


@pytest.mark.parametrize("side", ["document", "query"])
def test_the_way_back_gives_the_mean_of_its_side_back(side):
    model = trained(queries=Q, center=0.5, normalize=False)
    Z = model.transform(OTHERS, side=side)
    assert_allclose(model.inverse_transform(Z, side=side), OTHERS, atol=1e-10)
    other = {"document": "query", "query": "document"}[side]
    assert np.abs(model.inverse_transform(Z, side=other) - OTHERS).max() > 0.1


@pytest.mark.parametrize("m", [1, 7, D - 1])
def test_the_way_back_from_a_prefix_is_the_least_squares_solution(m):
    model = trained()
    Z = model.transform(OTHERS, dim=m)
    solution, *_ = np.linalg.lstsq(model.rotation_[:m], Z.T, rcond=None)
    assert_allclose(model.inverse_transform(Z), solution.T, atol=1e-10)


def test_there_is_no_way_back_through_an_mlp():
    message = "inverse_transform needs an adaptor without an MLP .* got one with 16 hidden units"
    model = MODELS["mlp", True, np.dtype(float)]
    with pytest.raises(InvalidValueError, match=message):
        model.inverse_transform(model.transform(OTHERS))


@pytest.mark.parametrize("strength", [0.5, 1.0, 0.25])
@pytest.mark.parametrize("normalize", [True, False])
def test_each_side_loses_its_own_mean(normalize, strength):
    model = trained(queries=Q, center=strength, normalize=normalize)
    scaled = unit if normalize else np.asarray
    for row, side, fitted in ((0, "document", X), (1, "query", Q)):
        mean = strength * scaled(fitted).mean(axis=0)
        assert_allclose(model.center_[row], mean, rtol=1e-12)
        expected = scaled((scaled(OTHERS) - mean) @ model.rotation_.T)
        assert_allclose(model.transform(OTHERS, side=side), expected, atol=1e-12)
    assert np.abs(model.transform(Q) - model.transform(Q, side="query")).max() > 0.05


@pytest.mark.parametrize("parameters", [{"center": None}, {"center": 0}, {"center": 0.0}])
def test_without_centring_the_side_does_not_matter(parameters):
    model = trained(queries=Q, **parameters)
    assert model.center_ is None
    assert_array_equal(model.transform(Q, side="query"), model.transform(Q))
    assert model.fingerprint_ != trained().fingerprint_  # the queries are learned from
    alone = trained(queries=Q, query_share=0, **parameters)
    assert alone.fingerprint_ == trained().fingerprint_


def documents_with_hubs(n=200, d=16, seed=0):
    """Documents and queries along one direction, whose longest documents all queries find."""
    generator = np.random.default_rng(seed)
    common = np.zeros(d)
    common[0] = 1
    rows = generator.standard_normal((n, d)) / d**0.5 + generator.gamma(2, 1, (n, 1)) * common
    queries = generator.standard_normal((60, d)) / d**0.5 + 1.5 * common
    return rows, queries


@pytest.mark.parametrize(("n_queries", "centred"), [(None, False), (19, False), (20, True)])
def test_without_labels_centring_needs_enough_queries_and_hubs(n_queries, centred):
    rows, queries = documents_with_hubs()
    queries = None if n_queries is None else queries[:n_queries]
    model = MatryoshkaAdaptor(**TRAINED).fit(rows, queries=queries)
    assert (model.center_ is not None) == centred
    if centred:
        shares = model.center_[1] / unit(queries).mean(axis=0)
        assert_allclose(shares, shares[0], rtol=1e-6)
        assert 0.1 <= shares[0] <= 0.75 + 1e-12


def test_without_hubs_nothing_is_centred():
    generator = np.random.default_rng(1)
    rows, queries = generator.standard_normal((200, 16)), generator.standard_normal((60, 16))
    assert MatryoshkaAdaptor(**TRAINED).fit(rows, queries=queries).center_ is None


@pytest.mark.parametrize(("offset", "strengths"), [(0.0, [0.0]), (3.0, [0.5, 0.75])])
def test_labels_choose_the_strength_of_centring(offset, strengths):
    at = np.random.default_rng(5).permutation(200)[:40]
    away = np.zeros(D)
    away[:3] = offset
    queries = X[at] + away
    model = MatryoshkaAdaptor(**TRAINED, hidden_dim=None)
    model.fit(X, queries=queries, qrels=[{int(j): 1} for j in at])
    found = 0.0 if model.center_ is None else (model.center_[1] / unit(queries).mean(axis=0))[0]
    assert any(abs(found - strength) < 1e-12 for strength in strengths)


def neighbors_by_hand(rows, k=10):
    S = cosines(rows)
    np.fill_diagonal(S, -np.inf)
    return np.argsort(-S, axis=1, kind="stable")[:, :k]


@pytest.mark.parametrize("parameters", [{}, WITH_MLP, {"normalize": False}, {"dims": (3, 9)}])
@pytest.mark.parametrize("dim", [None, 5, D])
def test_score_is_the_mean_overlap_of_ten_neighbours(dim, parameters):
    model = trained(dim=dim, **parameters)
    dims = [m for m in model.dims_ if m < D] if dim is None else [dim]
    true = neighbors_by_hand(OTHERS)
    overlaps = [
        len(set(true[i]) & set(neighbors_by_hand(model.transform(OTHERS, dim=m))[i])) / 10
        for m in dims
        for i in range(50)
    ]
    assert model.score(OTHERS) == pytest.approx(np.mean(overlaps), abs=1e-12)


@pytest.mark.parametrize("n", [2, 5, 10, 11])
def test_few_rows_have_a_score(n):
    assert trained().score(OTHERS[:n]) == 1  # every other row is a neighbour


def test_score_of_the_full_dim_is_one():
    assert trained(dims=(D,)).score(OTHERS) == 1


@pytest.mark.parametrize(
    ("d", "dims", "expected"),
    [
        (D, None, (8, 16, 24)),
        (16, None, (8, 16)),
        (15, None, (1, 2, 4, 8, 15)),
        (1, None, (1,)),
        (D, (3, 5), (3, 5)),
        (D, np.array([2, 24]), (2, 24)),
        (D, range(1, 4), (1, 2, 3)),
    ],
)
def test_dims(d, dims, expected):
    model = MatryoshkaAdaptor(dims=dims, max_iter=1).fit(X[:, :d])
    assert model.dims_ == expected
    assert all(type(m) is int for m in model.dims_)


def test_the_constructor_s_dim_is_the_default():
    model = trained(dim=5)
    assert_array_equal(model.transform(OTHERS), trained().transform(OTHERS, dim=5))
    assert model.transform(OTHERS, dim=9).shape == (50, 9)
    with pytest.raises(InvalidValueError, match="dim must lie in 1..24, got 0"):
        model.set_params(dim=0).transform(OTHERS)


@pytest.mark.parametrize("normalize", [True, False])
def test_rows_are_scaled_as_they_were_at_the_fit(normalize):
    model = trained(normalize=normalize)
    before = [model.transform(3 * OTHERS, 5), model.transform(OTHERS, 5, precision="int8")]
    model.set_params(normalize=not normalize)
    after = [model.transform(3 * OTHERS, 5), model.transform(OTHERS, 5, precision="int8")]
    for one, other in zip(before, after, strict=True):
        assert_array_equal(one, other)
    assert model.fingerprint_ == trained(normalize=normalize).fingerprint_
    assert model.fit(X).fingerprint_ == trained(normalize=not normalize).fingerprint_


@pytest.mark.parametrize("came", ["float64", "float32", "float16", "int32", "int8", "bool"])
def test_dtypes_that_come_and_go(came):
    rows = (40 * X).astype(came) if came != "bool" else X > 0
    wanted = np.float64 if came == "float64" else np.float32
    model = trained(rows)
    assert model.adaptor_.P.dtype == wanted
    assert model.transform(rows).dtype == wanted
    assert model.transform(rows.astype(np.float64)).dtype == np.float64
    assert model.fingerprint_ == trained(rows.astype(wanted)).fingerprint_
    assert model.inverse_transform(model.transform(rows)).dtype == wanted


def test_queries_of_another_dtype():
    qrels = [{i: 1} for i in range(40)]
    model = MatryoshkaAdaptor(**TRAINED, hidden_dim=4)
    one = model.fit(X.astype(np.float32), queries=Q, qrels=qrels)
    assert {array.dtype for array in one.adaptor_.parameters.values()} == {np.dtype(np.float32)}
    assert one.center_ is None or one.center_.dtype == np.float32


def layouts(rows, folder):
    wide = np.zeros((2 * len(rows), 2 * rows.shape[1]), rows.dtype)
    wide[::2, ::2] = rows
    mapped = np.memmap(folder / "rows", rows.dtype, "w+", shape=rows.shape)
    mapped[:] = rows
    mapped.flush()
    return {
        "fortran": np.asfortranarray(rows),
        "read-only": rows.view(),
        "strided": wide[::2, ::2],
        "reversed": rows[::-1, ::-1].copy()[::-1, ::-1],
        "big-endian": rows.astype(rows.dtype.newbyteorder(">")),
        "memmap": np.memmap(folder / "rows", rows.dtype, "r", shape=rows.shape),
    }


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_layout_in_memory_changes_no_digit(tmp_path, dtype):
    rows, queries = X.astype(dtype), Q.astype(dtype)
    (tmp_path / "x").mkdir(), (tmp_path / "q").mkdir()
    qrels = [{i: 1} for i in range(40)]
    model = MatryoshkaAdaptor(**TRAINED, hidden_dim=4, center=0.5)
    expected = model.fit(rows, queries=queries, qrels=qrels).fingerprint_
    Z = model.transform(rows, dim=5)
    as_queries = layouts(queries, tmp_path / "q")
    for name, same in layouts(rows, tmp_path / "x").items():
        assert_array_equal(model.transform(same, dim=5), Z, err_msg=name)
        again = MatryoshkaAdaptor(**model.get_params())
        again.fit(same, queries=as_queries[name], qrels=qrels)
        assert again.fingerprint_ == expected, name


def test_rows_that_come_in_stay_as_they_are():
    rows, queries = X.copy(), Q.copy()
    model = MatryoshkaAdaptor(**TRAINED, hidden_dim=4, normalize=False, center=0.5)
    model.fit(rows, queries=queries, qrels=[{i: 1} for i in range(40)])
    model.transform(rows)[:] = 0
    model.score(rows)
    assert_array_equal(rows, X)
    assert_array_equal(queries, Q)
