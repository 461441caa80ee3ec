"""Codes: their layout, what they keep, and the calibration behind them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from madapt._balance import BLOCK, WHOLE, balancing_rotations, calibrated_dims, rotate
from madapt._packing import pack, unpack
from madapt.exceptions import InvalidTypeError, InvalidValueError
from madapt.quantization import PRECISIONS, Quantizer, bytes_per_vector, check_codes, spread_rows

D = 24
CODED = ["int8", "int4", "int2", "binary"]
GENERATOR = np.random.default_rng(0)
#: Coordinates of falling size, as those of adapted rows.
ROWS = (GENERATOR.standard_normal((400, D)) / np.arange(1, D + 1) ** 0.7).astype(np.float32)


def unit(Z):
    return Z / np.linalg.norm(Z, axis=1, keepdims=True)


@pytest.fixture(scope="module")
def quantizer():
    return Quantizer.fit(unit(ROWS), (8, 16, 24))


@pytest.mark.parametrize(
    ("precision", "sizes"),
    [
        ("float32", [4, 32, 36]),
        ("float16", [2, 16, 18]),
        ("int8", [1, 8, 9]),
        ("int4", [1, 4, 5]),
        ("int2", [1, 2, 3]),
        ("binary", [1, 1, 2]),
    ],
)
def test_bytes_per_vector(precision, sizes):
    assert [bytes_per_vector(m, precision) for m in (1, 8, 9)] == sizes


def test_four_bit_codes_begin_with_the_low_half_and_two_bit_codes_with_the_lowest_bits():
    assert pack(np.array([[1, 2, 3]], np.uint8), 4).tolist() == [[0x21, 0x03]]
    assert pack(np.array([[1, 2, 3, 0, 2]], np.uint8), 2).tolist() == [[0b00_11_10_01, 0b10]]


@given(st.sampled_from([2, 4]), st.integers(1, 19), st.integers(1, 4), st.integers(0, 99))
def test_packing_loses_nothing(bits, m, n, seed):
    codes = np.random.default_rng(seed).integers(0, 2**bits, (n, m)).astype(np.uint8)
    packed = pack(codes, bits)
    assert packed.shape == (n, -(-m * bits // 8))
    np.testing.assert_array_equal(unpack(packed, m, bits), codes)


def test_four_bit_layout_is_that_of_faiss():
    faiss = pytest.importorskip("faiss")
    scalar = faiss.ScalarQuantizer(4, faiss.ScalarQuantizer.QT_4bit_uniform)
    rows = np.array([[0, 1, 2, 3], [15, 14, 13, 12]], np.float32)
    scalar.train(rows)
    np.testing.assert_array_equal(scalar.compute_codes(rows), pack(rows.astype(np.uint8), 4))


@pytest.mark.parametrize("precision", CODED)
@pytest.mark.parametrize("m", [1, 7, 8, 13, 24])
def test_codes_have_their_dtype_and_width_and_come_back_in_shape(quantizer, precision, m):
    codes = quantizer.encode(unit(ROWS[:, :m]), precision)
    assert codes.dtype == (np.int8 if precision == "int8" else np.uint8)
    assert codes.shape == (400, bytes_per_vector(m, precision))
    decoded = quantizer.decode(codes, m, precision)
    assert decoded.shape == (400, m)
    assert decoded.dtype == np.float32
    assert np.isfinite(decoded).all()


def cosines(A, B):
    return unit(A) @ unit(B).T


def error_of(quantizer, Z, precision):
    """How far the cosines of float rows to decoded ones are from those to what was coded."""
    m = Z.shape[1]
    decoded = quantizer.decode(quantizer.encode(Z, precision), m, precision)
    return np.abs(cosines(Z, decoded) - cosines(Z, Z)).mean()


def test_each_bit_more_brings_scores_nearer_to_those_of_what_was_coded(quantizer):
    errors = [error_of(quantizer, unit(ROWS), name) for name in CODED]
    assert errors[0] < 0.002
    assert errors[1] < 0.02
    assert errors == sorted(errors)
    assert errors[-1] < 0.1


@pytest.mark.parametrize("precision", CODED[1:])
def test_what_all_rows_share_takes_no_bits(precision):
    Z = ROWS / np.linalg.norm(ROWS, axis=1).mean()
    shared = np.zeros(D, np.float32)
    shared[0] = 4
    # Cosines of rows that share much differ by less: errors of the differences are what counts.
    codes = [
        Quantizer.fit(rows, (D,), unit=False).encode(rows, precision) for rows in (Z, Z + shared)
    ]
    assert (codes[0] != codes[1]).mean() < 0.01


@pytest.mark.parametrize("precision", CODED[1:])
@pytest.mark.parametrize("unit_rows", [True, False])
def test_documents_that_are_all_the_same_leave_codes_to_others(precision, unit_rows):
    rows = unit(ROWS)
    for known in (rows[:1], np.repeat(rows[:1], 50, axis=0)):
        quantizer = Quantizer.fit(known, (8, D), unit=unit_rows)
        codes = quantizer.encode(rows, precision)
        similar = (unit(quantizer.decode(codes, D, precision)) * rows).sum(axis=1)
        assert similar.mean() > {"int4": 0.7, "int2": 0.6, "binary": 0.5}[precision]


def test_coordinates_beyond_the_rotated_ones_have_a_scale_of_their_own(quantizer):
    # 13 coordinates: the first 12 are turned.
    assert set(quantizer.rotations) == {8, 12, 16, 24}
    Z = unit(ROWS[:, :13])
    last = quantizer.decode(quantizer.encode(Z, "int4"), 13, "int4")[:, 12]
    assert np.corrcoef(last, Z[:, 12])[0, 1] > 0.99
    assert np.abs(last - Z[:, 12]).max() < Z[:, 12].std()


def test_cosines_of_int8_codes_are_those_of_the_vectors(quantizer):
    Z = unit(ROWS[:, :16])
    codes = quantizer.encode(Z, "int8").astype(np.float32)
    np.testing.assert_allclose(cosines(codes, codes), cosines(Z, Z), atol=0.02)
    # No row that calibrated is clipped, and one of them fills the range.
    assert np.abs(codes).max() == 127


def test_rotations_keep_cosines_and_go_back(quantizer):
    for m, blocks in quantizer.rotations.items():
        W = ROWS[:, :m]
        turned = rotate(W, blocks)
        np.testing.assert_allclose(cosines(turned, turned), cosines(W, W), atol=1e-5)
        np.testing.assert_allclose(rotate(turned, blocks, back=True), W, atol=1e-5)


def test_a_balancing_rotation_lies_nearer_to_signs_than_the_rows_did(quantizer):
    W = unit(ROWS) - quantizer.mean
    turned = rotate(W.astype(np.float32), quantizer.rotations[D])
    assert np.abs(turned).mean() > 1.02 * np.abs(W).mean()


def test_long_prefixes_turn_in_interleaved_blocks():
    m = WHOLE + 2
    W = GENERATOR.standard_normal((20, m)).astype(np.float32)
    blocks = balancing_rotations(W)
    assert len(blocks) == 2
    assert max(len(R) for R in blocks) <= BLOCK
    np.testing.assert_allclose(rotate(W, blocks)[:, 1::2], W[:, 1::2] @ blocks[1], atol=1e-5)
    # What is beyond the rotations' prefix stays.
    longer = np.hstack([W, W[:, :3]])
    np.testing.assert_array_equal(rotate(longer, blocks)[:, m:], W[:, :3])
    np.testing.assert_allclose(rotate(rotate(longer, blocks), blocks, back=True), longer, atol=1e-4)


def test_dims_and_half_as_much_again_are_calibrated():
    assert calibrated_dims((1, 8, 16, 24), 24) == (8, 12, 16, 24)


def test_calibration_is_the_same_twice_and_looks_at_5000_rows():
    Z = unit(np.tile(ROWS, (15, 1)))
    one, other = Quantizer.fit(Z, (8, 24)), Quantizer.fit(Z, (8, 24))
    assert one.arrays.keys() == other.arrays.keys()
    for name, array in one.arrays.items():
        np.testing.assert_array_equal(array, other.arrays[name])
    assert len(spread_rows(Z)) == 5000
    assert spread_rows(ROWS) is ROWS


@pytest.mark.parametrize("precision", CODED)
@pytest.mark.parametrize("unit_rows", [True, False])
def test_zero_rows_and_zero_coordinates_are_safe(precision, unit_rows):
    Z = unit(ROWS).copy()
    Z[3], Z[:, 20:] = 0, 0
    for rows in (Z, np.zeros_like(Z), 1e30 * Z, 1e-30 * Z):
        with np.errstate(all="raise", under="ignore"):
            quantizer = Quantizer.fit(rows, (8, D), unit=unit_rows)
            codes = quantizer.encode(rows, precision)
            decoded = quantizer.decode(codes, D, precision)
        assert np.isfinite(decoded).all()
        if precision == "int8":
            assert not decoded[3].any()


@pytest.mark.parametrize("factor", [4.0, 2.0**990, 2.0**-990])
@pytest.mark.parametrize("precision", CODED)
def test_the_scale_of_rows_that_are_not_of_unit_length_changes_no_code(precision, factor):
    rows = ROWS.astype(np.float64)
    one, other = (
        Quantizer.fit(scaled, (8, D), unit=False).encode(scaled, precision)
        for scaled in (rows, factor * rows)
    )
    # Where rounding moves a code at all, it moves one in a thousand.
    assert (one != other).mean() < 1e-3


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((0, "int8"), InvalidValueError, "dim must be at least 1, got 0"),
        ((8.0, "int8"), InvalidTypeError, "dim must be an integer, got 8.0"),
        ((8, "int3"), InvalidValueError, "precision must be one of 'float32', .*, got 'int3'"),
        ((8, None), InvalidValueError, "precision must be one of 'float32', .*, got None"),
    ],
)
def test_bad_arguments_of_bytes_per_vector(arguments, error, message):
    with pytest.raises(error, match=message):
        bytes_per_vector(*arguments)


@pytest.mark.parametrize("precision", list(PRECISIONS))
def test_codes_of_another_dtype_or_width_are_refused(precision):
    wanted = {"float32": "float32", "float16": "float16", "int8": "int8"}.get(precision, "uint8")
    width = 16 if PRECISIONS[precision] >= 8 else bytes_per_vector(16, precision)
    good = np.zeros((3, width), wanted)
    assert check_codes(good, precision, 16) is good
    with pytest.raises(InvalidTypeError, match=f"codes must be {wanted} for precision"):
        check_codes(good.astype(np.int64), precision, 16)
    for wrong in (good[0], good[:, 1:], good[None]):
        with pytest.raises(InvalidValueError, match=rf"codes must have shape \(n, {width}\)"):
            check_codes(wrong, precision, 16)
