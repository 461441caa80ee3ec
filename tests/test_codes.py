"""Codes from a fitted estimator: every precision, every kind of input, and the way back."""

import pickle

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from madapt import MatryoshkaAdaptor
from madapt.exceptions import InvalidTypeError, InvalidValueError
from madapt.quantization import PRECISIONS, bytes_per_vector

N, D = 300, 16
GENERATOR = np.random.default_rng(0)
X = (GENERATOR.standard_normal((N, D)) / np.arange(1, D + 1)).astype(np.float32)
X = X @ np.linalg.qr(GENERATOR.standard_normal((D, D)))[0].astype(np.float32)
Q = X[:40] + np.float32(0.01)
DTYPES = {"float32": "float32", "float16": "float16", "int8": "int8"}
PACKED = ["int4", "int2", "binary"]
every_precision = pytest.mark.parametrize("precision", list(PRECISIONS))


class Sliced:
    """Rows by slice and nothing else."""

    def __init__(self, array):
        self.array, self.shape, self.dtype = array, array.shape, array.dtype

    def __getitem__(self, rows):
        assert isinstance(rows, slice)
        return self.array[rows]


def fitted(**parameters):
    return MatryoshkaAdaptor(max_iter=3, random_state=0, **parameters).fit(X, queries=Q)


@pytest.fixture(scope="module")
def model():
    return fitted()


def kept(m, precision):
    """Return the width and dtype of what is kept of m coordinates."""
    dtype = DTYPES.get(precision, "uint8")
    return bytes_per_vector(m, precision) // np.dtype(dtype).itemsize, np.dtype(dtype)


@every_precision
@pytest.mark.parametrize("m", [1, 5, 8, D])
def test_codes_take_what_bytes_per_vector_says(model, precision, m):
    codes = model.transform(X, dim=m, precision=precision)
    width, dtype = kept(m, precision)
    assert codes.shape == (N, width)
    assert codes.dtype == dtype
    assert codes.nbytes == N * bytes_per_vector(m, precision)
    decoded = model.dequantize(codes, precision, dim=m)
    assert decoded.shape == (N, m)
    assert decoded.dtype == np.float32


def test_without_precision_nothing_changes(model):
    for rows in (X, X.astype(np.float64)):
        assert model.transform(rows, dim=8).dtype == rows.dtype
    Z = model.transform(X, dim=8)
    np.testing.assert_array_equal(model.transform(X, dim=8, precision="float32"), Z)
    halves = model.transform(X, dim=8, precision="float16")
    np.testing.assert_array_equal(halves, Z.astype(np.float16))
    wide = model.transform(X.astype(np.float64), dim=8, precision="float32")
    assert wide.dtype == np.float32


@pytest.mark.parametrize("side", ["document", "query"])
def test_codes_are_those_of_the_adapted_rows_of_that_side(model, side):
    Z = model.transform(X, dim=8, side=side)
    for precision in ("int8", *PACKED):
        codes = model.transform(X, dim=8, side=side, precision=precision)
        np.testing.assert_array_equal(codes, model.quantizer_.encode(Z, precision))


@every_precision
def test_decoded_documents_lie_near_what_was_coded(model, precision):
    Z = model.transform(X, precision="float32")
    decoded = model.dequantize(model.transform(X, precision=precision), precision)
    lengths = np.linalg.norm(decoded, axis=1) * np.linalg.norm(Z, axis=1)
    cosines = (decoded * Z).sum(axis=1) / lengths
    least = {"float32": 0.9999, "float16": 0.9999, "int8": 0.99, "int4": 0.9, "int2": 0.75}
    assert cosines.mean() > least.get(precision, 0.6)


@every_precision
def test_rows_by_slice_and_block_by_block(model, precision, monkeypatch):
    expected = model.transform(X, dim=7, precision=precision)
    monkeypatch.setattr("madapt._blocks.BLOCK_BYTES", 4 * 4 * D)
    for rows in (Sliced(X), X.copy()):
        found = model.transform(rows, dim=7, precision=precision)
        assert found.dtype == expected.dtype
        if precision in ("float32", "float16"):
            # BLAS may add up four rows' products in another order than three hundred rows'.
            digit = np.finfo(precision).eps
            np.testing.assert_allclose(found, expected, rtol=0, atol=8 * float(digit))
        else:  # a coordinate may lie on the edge between two levels
            assert np.mean(found != expected) <= 0.001


@every_precision
def test_out_takes_the_codes(model, precision, tmp_path):
    width, dtype = kept(7, precision)
    expected = model.transform(X, dim=7, precision=precision)
    mapped = np.lib.format.open_memmap(tmp_path / "codes.npy", "w+", dtype, (N, width))
    for out in (np.empty((N, width), dtype), mapped, np.empty((N, width), dtype, order="F")):
        assert model.transform(X, dim=7, precision=precision, out=out) is out
        np.testing.assert_array_equal(out, expected)


@every_precision
def test_out_of_another_shape_or_dtype_is_refused_and_stays(model, precision):
    width, dtype = kept(8, precision)
    wrong = np.zeros((N, width + 1), dtype)
    with pytest.raises(InvalidValueError, match=rf"out must have shape \(300, {width}\), got"):
        model.transform(X, dim=8, precision=precision, out=wrong)
    other = np.zeros((N, width), np.int16)
    with pytest.raises(InvalidValueError, match=f"out must be {dtype} for this precision, got"):
        model.transform(X, dim=8, precision=precision, out=other)
    assert not wrong.any()
    assert not other.any()


@every_precision
def test_zero_rows_have_codes(model, precision):
    rows = X.copy()
    rows[[0, 7]] = 0
    without = fitted()
    with np.errstate(all="raise", under="ignore"):
        codes = without.transform(rows, dim=8, precision=precision)
    expected = without.transform(X, dim=8, precision=precision)
    others = np.delete(np.arange(N), [0, 7])
    np.testing.assert_array_equal(codes[others], expected[others])
    np.testing.assert_array_equal(codes[0], codes[7])
    assert np.isfinite(without.dequantize(codes, precision, dim=8)).all()


class Unread:
    """Rows that must not be looked at."""

    shape, dtype = (N, D), np.dtype("float32")

    def __getitem__(self, rows):
        raise AssertionError("read before the arguments were checked")


@pytest.mark.parametrize("precision", ["int3", "", "Binary", 8, True, np.int8, ["int8"]])
def test_an_unknown_precision_is_named_before_any_work(model, precision):
    listed = ", ".join(repr(name) for name in PRECISIONS)
    for call, others in (
        (lambda: model.transform(Unread(), precision=precision), "None, "),
        (lambda: model.get_feature_names_out(precision=precision), "None, "),
        (lambda: model.dequantize(Unread(), precision), ""),
    ):
        with pytest.raises(InvalidValueError) as caught:
            call()
        assert str(caught.value) == f"precision must be one of {others}{listed}, got {precision!r}"


def test_codes_that_do_not_fit_are_refused(model):
    codes = model.transform(X, dim=8, precision="int4")
    with pytest.raises(InvalidValueError, match=r"codes must have shape \(n, 2\) for dim 4"):
        model.dequantize(codes, "int4", dim=4)
    with pytest.raises(InvalidTypeError, match="codes must be int8 for precision 'int8'"):
        model.dequantize(codes, "int8", dim=4)
    with pytest.raises(InvalidValueError, match=r"dim must lie in 1..16, got 17"):
        model.dequantize(codes, "int4", dim=17)


def test_before_fit_there_are_no_codes():
    for call in (
        lambda: MatryoshkaAdaptor().dequantize(np.zeros((1, 8), np.int8), "int8", dim=8),
        lambda: MatryoshkaAdaptor().get_feature_names_out(precision="int8"),
        lambda: MatryoshkaAdaptor().transform(X, precision="int8"),
    ):
        with pytest.raises(NotFittedError):
            call()


@every_precision
@pytest.mark.parametrize("container", ["pandas", "polars"])
def test_frames_and_names_by_precision(precision, container):
    library = pytest.importorskip(container)
    model = fitted().set_output(transform=container)
    frame = model.transform(X, dim=9, precision=precision)
    width, _ = kept(9, precision)
    prefix = "matryoshkaadaptor" + (f"_{precision}" if precision in PACKED else "")
    assert isinstance(frame, library.DataFrame)
    assert [str(name) for name in frame.columns] == [f"{prefix}{i}" for i in range(width)]
    assert list(frame.columns) == model.get_feature_names_out(dim=9, precision=precision).tolist()
    model.set_output(transform="default")
    codes = model.transform(X, dim=9, precision=precision)
    np.testing.assert_array_equal(frame.to_numpy(), codes)
    np.testing.assert_array_equal(
        model.dequantize(frame, precision, dim=9), model.dequantize(codes, precision, dim=9)
    )


def test_the_default_width_is_that_of_the_constructor():
    model = fitted(dim=6)
    codes = model.transform(X, precision="binary")
    assert codes.shape == (N, 1)
    assert model.dequantize(codes, "binary").shape == (N, 6)
    assert model.get_feature_names_out(precision="int4").tolist() == [
        f"matryoshkaadaptor_int4{i}" for i in range(3)
    ]


def test_two_fits_and_a_copy_give_the_same_codes(model):
    copies = [fitted(), pickle.loads(pickle.dumps(model))]
    for other in copies:
        assert other.fingerprint_ == model.fingerprint_
        for precision in PRECISIONS:
            np.testing.assert_array_equal(
                other.transform(X, dim=8, precision=precision),
                model.transform(X, dim=8, precision=precision),
            )


@pytest.mark.parametrize("normalize", [True, False])
def test_codes_do_not_depend_on_the_other_rows(normalize):
    model = fitted(normalize=normalize)
    for precision in PRECISIONS:
        codes = model.transform(X, dim=8, precision=precision)
        some = model.transform(X[10:20], dim=8, precision=precision)
        if precision in ("float32", "float16"):
            np.testing.assert_allclose(some, codes[10:20], atol=1e-3)
        else:
            np.testing.assert_array_equal(some, codes[10:20])
