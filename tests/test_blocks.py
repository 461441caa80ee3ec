"""Block by block gives what all at once gives, in bounded memory."""

import tracemalloc

import numpy as np
import pytest

from madapt._activations import ACTIVATIONS
from madapt._blocks import transform_blocks
from madapt._rows import unit_rows
from madapt.adaptor import ResidualAdaptor
from madapt.exceptions import InvalidTypeError, InvalidValueError

N, D, H = 103, 24, 10
#: So small that the rows above are more than ten blocks.
SMALL = 8 * 4 * (D + 2 * (D + H))


def drawn(dtype=np.float32, *, mlp=False, rotation=True, activation="relu", seed=0):
    """Return rows of very different lengths, an adaptor and a mean."""
    generator = np.random.default_rng(seed)
    shapes = {"W1": (D, H), "b1": (H,), "W2": (H, D), "b2": (D,)}
    arrays = {name: generator.standard_normal(shape) / 4 for name, shape in shapes.items()}
    arrays["P"] = np.linalg.qr(generator.standard_normal((D, D)))[0]
    kept = ("P",) * rotation + ("W1", "b1", "W2", "b2") * mlp
    adaptor = ResidualAdaptor(
        **{name: arrays[name].astype(dtype) for name in kept}, activation=activation
    )
    X = generator.standard_normal((N, D)) * 2.0 ** generator.integers(-6, 6, (N, 1))
    return X.astype(dtype), adaptor, (generator.standard_normal(D) / 10).astype(dtype)


def at_once(adaptor, X, m, mean=None, normalize=True):
    """Return the definition: unit rows, mean, adaptor, unit rows."""
    X = unit_rows(X) if normalize else X
    X = X if mean is None else X - mean
    Z = adaptor.transform(X, m)
    return unit_rows(Z) if normalize else Z


class Sliced:
    """Rows by slice and nothing else."""

    def __init__(self, array):
        self.array, self.shape, self.dtype = array, array.shape, array.dtype

    def __getitem__(self, rows):
        assert isinstance(rows, slice)
        return self.array[rows]


every_form = pytest.mark.parametrize(
    ("rotation", "mlp"),
    [(True, True), (True, False), (False, True), (False, False)],
    ids=["both", "rotation", "mlp", "neither"],
)


@every_form
@pytest.mark.parametrize("centred", [True, False])
@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 1e-6), (np.float64, 1e-14)])
@pytest.mark.parametrize("m", [1, 7, D])
def test_the_same_as_all_at_once(rotation, mlp, centred, normalize, dtype, tolerance, m):
    X, adaptor, mean = drawn(dtype, mlp=mlp, rotation=rotation)
    X[5] = 0
    mean = mean if centred else None
    Z = transform_blocks(adaptor, X, m, mean=mean, normalize=normalize, block_bytes=SMALL)
    expected = at_once(adaptor, X, m, mean, normalize)
    assert Z.dtype == dtype
    # Rounding is that of the whole row, however little of it the prefix holds.
    unit = unit_rows(X) - (0 if mean is None else mean)
    held = np.linalg.norm(adaptor.transform(unit, m), axis=1, keepdims=True)
    weight = held if normalize else 1 / (1 + np.linalg.norm(X, axis=1, keepdims=True))
    assert (np.abs(Z - expected) * np.minimum(weight, 1)).max() < tolerance
    assert mlp or centred or not Z[5].any()


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation(activation):
    X, adaptor, mean = drawn(mlp=True, activation=activation)
    Z = transform_blocks(adaptor, X, 9, mean=mean, block_bytes=SMALL)
    np.testing.assert_allclose(Z, at_once(adaptor, X, 9, mean), rtol=0, atol=2e-6)


@pytest.mark.parametrize("form", ["rotation", "centred", "mlp"])
@pytest.mark.parametrize("scale", [1e-38, 1e-30, 1e-12, 1e15, 1e30, 1e36])
def test_rows_of_any_length(form, scale):
    X, adaptor, mean = drawn(mlp=form == "mlp")
    X[::3] *= np.float32(scale)
    X[1::3] = 0
    assert np.isfinite(X).all()
    mean = mean if form == "centred" else None
    before = X.copy()
    Z = transform_blocks(adaptor, X, 11, mean=mean, block_bytes=SMALL)
    np.testing.assert_array_equal(X, before)
    np.testing.assert_allclose(Z, at_once(adaptor, X, 11, mean), rtol=0, atol=2e-6)
    assert form != "rotation" or not Z[1::3].any()


@pytest.mark.parametrize("form", ["rotation", "centred", "mlp"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_powers_of_two_change_no_digit(form, dtype):
    X, adaptor, mean = drawn(dtype, mlp=form == "mlp")
    mean = mean if form == "centred" else None
    powers = np.resize(np.array([2.0**-90, 1, 2.0**90, 2.0**-3], dtype), N)[:, None]
    one, other = (
        transform_blocks(adaptor, rows, 11, mean=mean, block_bytes=SMALL)
        for rows in (X, X * powers)
    )
    np.testing.assert_array_equal(other, one)


def test_a_prefix_that_holds_nothing_of_a_row_is_zero():
    X = np.array([[0, 3.0], [4.0, 0]], np.float32)
    Z = transform_blocks(ResidualAdaptor(np.eye(2, dtype=np.float32)), X, 1)
    np.testing.assert_array_equal(Z, [[0], [1]])


@pytest.mark.parametrize("stored", ["float16", ">f2", ">f4", "int8", "uint8", ">f8"])
def test_what_is_stored_is_converted_block_by_block(stored):
    X, adaptor, _ = drawn()
    X = np.clip(X * 10, 0 if stored == "uint8" else -100, 100).astype(stored)
    wanted = np.float64 if stored == ">f8" else np.float32
    Z = transform_blocks(adaptor, Sliced(X), 5, block_bytes=SMALL)
    assert Z.dtype == wanted
    expected = at_once(adaptor, X.astype(np.float32), 5)
    np.testing.assert_allclose(Z, expected, rtol=0, atol=2e-6)


def test_the_order_in_memory_changes_no_digit():
    X, adaptor, _ = drawn()
    Z = transform_blocks(adaptor, X, 5, block_bytes=SMALL)
    wide = np.repeat(X, 2, axis=1)
    for same in (np.asfortranarray(X), wide[:, ::2], Sliced(np.asfortranarray(X))):
        again = transform_blocks(adaptor, same, 5, block_bytes=SMALL)
        np.testing.assert_array_equal(again, Z)


@pytest.mark.parametrize("stored", [np.float16, np.float32])
def test_memory_is_bounded_whatever_the_number_of_rows(tmp_path, stored):
    n, d, m = 20_000, 256, 16
    generator = np.random.default_rng(0)
    X = np.lib.format.open_memmap(tmp_path / "X.npy", "w+", stored, (n, d))
    for start in range(0, n, 1000):
        X[start : start + 1000] = generator.standard_normal((1000, d))
    out = np.lib.format.open_memmap(tmp_path / "Z.npy", "w+", np.float32, (n, m))
    P = np.linalg.qr(generator.standard_normal((d, d)))[0].astype(np.float32)
    tracemalloc.start()
    try:
        transform_blocks(ResidualAdaptor(P), X, m, out=out, block_bytes=2**19)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # A thirtieth of the rows in float32: the scratch, the weights, and some 100 kB of the rest.
    assert peak < 2**19 + P[:, :m].nbytes + 150_000
    expected = at_once(ResidualAdaptor(P), np.asarray(X[-500:], np.float32), m)
    np.testing.assert_allclose(out[-500:], expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("strided", [True, False])
def test_out(dtype, strided):
    X, adaptor, _ = drawn()
    room = np.full((2 * N, 12), 9, dtype)
    out = room[::2, 2:7] if strided else np.empty((N, 5), dtype)
    assert transform_blocks(adaptor, X, 5, out=out, block_bytes=SMALL) is out
    atol = 1e-3 if dtype == np.float16 else 1e-6
    np.testing.assert_allclose(out, at_once(adaptor, X, 5), rtol=0, atol=atol)
    assert (room[1::2] == 9).all()
    assert (room[:, :2] == 9).all()


def test_out_that_does_not_fit():
    X, adaptor, _ = drawn()
    read_only = np.empty((N, 5), np.float32)
    read_only.flags.writeable = False
    refused = [
        (np.empty((N, 6), np.float32), "out must have shape (103, 5), got (103, 6)"),
        (np.empty(N * 5, np.float32), "out must have shape (103, 5), got (515,)"),
        (np.empty((N, 5), np.int32), "out must be float16, float32 or float64, got dtype int32"),
        (read_only, "out must be writeable, got a read-only array"),
        (X[:, 3:8], "out must lie apart from X in memory, got arrays that overlap"),
    ]
    before = X.copy()
    for out, message in refused:
        with pytest.raises(InvalidValueError) as caught:
            transform_blocks(adaptor, X, 5, out=out)
        assert str(caught.value) == message
    with pytest.raises(InvalidTypeError, match="out must be an ndarray or a memory map, got list"):
        transform_blocks(adaptor, X, 5, out=[[0.0] * 5] * N)
    np.testing.assert_array_equal(X, before)


def test_out_in_the_file_of_the_input(tmp_path):
    X, adaptor, _ = drawn()
    path = tmp_path / "X.f32"
    X.tofile(path)
    read = np.memmap(path, np.float32, "r", shape=X.shape)
    write = np.memmap(path, np.float32, "r+", shape=(N, 5))
    with pytest.raises(InvalidValueError, match="out must be another file than X"):
        transform_blocks(adaptor, read, 5, out=write)
    np.testing.assert_array_equal(np.fromfile(path, np.float32).reshape(X.shape), X)


@pytest.mark.parametrize("form", ["rotation", "neither", "centred", "mlp"])
@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("stored", [np.float16, ">f2", np.float32, np.float64])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_not_finite_in_the_last_block(form, normalize, stored, value):
    X, adaptor, mean = drawn(rotation=form != "neither", mlp=form == "mlp")
    X = X.astype(stored)
    X[N - 2, D - 1] = value
    message = f"X must be a 2-D array of finite real numbers, got {value} in row 101, column 23"
    for source in (X, Sliced(X)):
        with pytest.raises(InvalidValueError) as caught:
            transform_blocks(
                adaptor,
                source,
                5,
                mean=mean if form == "centred" else None,
                normalize=normalize,
                block_bytes=SMALL,
            )
        assert str(caught.value) == message


@pytest.mark.parametrize("shape", [(0, D), (3, 0), (3,), (2, 3, D)])
def test_shapes_that_are_no_rows(shape):
    _, adaptor, _ = drawn()
    with pytest.raises(InvalidValueError, match="X must be 2-D and not empty, got shape"):
        transform_blocks(adaptor, np.ones(shape, np.float32), 5)


def test_another_number_of_columns():
    _, adaptor, _ = drawn()
    with pytest.raises(InvalidValueError) as caught:
        transform_blocks(adaptor, np.ones((3, D + 1), np.float32), 5)
    assert str(caught.value) == "X must have 24 columns, got shape (3, 25)"
