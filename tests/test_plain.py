"""Values come back as they were: type, digits, order in memory."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.testing import assert_array_equal

from madapt import InvalidTypeError
from madapt._plain import Decoder, Encoder
from madapt.adaptor import ResidualAdaptor

CLASSES = {"ResidualAdaptor": ResidualAdaptor}
DTYPES = ["?", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8"]


def there_and_back(value):
    encoder = Encoder(CLASSES)
    text = json.dumps(encoder(value, "value"), allow_nan=False)
    return Decoder(CLASSES, encoder.arrays)(json.loads(text))


def assert_same(one, other):
    assert type(one) is type(other)
    if isinstance(one, np.ndarray):
        assert one.dtype == other.dtype
        assert one.shape == other.shape
        assert one.flags.c_contiguous == other.flags.c_contiguous
        assert_array_equal(one, other)
    elif isinstance(one, dict):
        assert list(one) == list(other)
        assert [type(key) for key in one] == [type(key) for key in other]
        for key in one:
            assert_same(one[key], other[key])
    elif isinstance(one, list | tuple):
        assert len(one) == len(other)
        for a, b in zip(one, other, strict=True):
            assert_same(a, b)
    else:
        assert one == other or (one != one and other != other)
        assert repr(one) == repr(other)


arrays = st.sampled_from(DTYPES).flatmap(
    lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0))
)
leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.builds(range, st.integers(-9, 9), st.integers(-9, 9), st.integers(1, 3))
    | st.text().map(np.str_)
    | st.sampled_from(DTYPES).flatmap(lambda dtype: hnp.from_dtype(np.dtype(dtype)))
    | arrays
    | arrays.map(np.asfortranarray)
)

keys = st.text() | st.integers() | st.sampled_from(["$array", "$tuple", "$"])
values = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(keys, inner, max_size=3)
    ),
    max_leaves=8,
)


@given(values)
def test_values_come_back(value):
    assert_same(there_and_back(value), value)


def test_arrays_in_any_layout_come_back_as_they_are_used():
    base = np.arange(24.0).reshape(4, 6)
    big = base.astype(">f4")
    assert_same(there_and_back(base.T), base.T)
    assert_array_equal(there_and_back(base[::-1, ::2]), base[::-1, ::2])
    assert_same(there_and_back(big), big.astype("f4"))


def test_what_comes_back_is_its_own():
    value = np.zeros((2, 3))
    other = there_and_back(value)
    assert other.flags.writeable
    assert not np.shares_memory(other, value)


@pytest.mark.parametrize("dtype", [object, "U5", ">U5"])
def test_text(dtype):
    value = np.array([["a", "bc"], ["", "é\0x"]], dtype=dtype)
    native = value.astype(value.dtype.newbyteorder("="))
    assert_same(there_and_back(value), native)


def test_a_random_state_goes_on_where_it_was():
    state = np.random.RandomState(3)
    state.standard_normal(3)
    other = there_and_back(state)
    assert_array_equal(other.standard_normal(5), state.standard_normal(5))
    assert_array_equal(other.randint(9, size=700), state.randint(9, size=700))


def test_dataclasses_that_are_named():
    adaptor = ResidualAdaptor(np.eye(3)[::-1], activation="tanh")
    other = there_and_back({"of": adaptor})["of"]
    assert type(other) is ResidualAdaptor
    assert other.activation == "tanh"
    assert other.W1 is None
    assert_array_equal(other.P, adaptor.P)


class Text(str):
    __slots__ = ()


@pytest.mark.parametrize(
    "value",
    [
        print,
        object(),
        {1, 2},
        1j,
        np.complex64(1),
        np.longdouble(1),
        np.datetime64("2020-01-01"),
        np.array([1j]),
        np.array([None]),
        np.matrix([[1]]),
        np.ma.array([1]),
        Text("a"),
        np.random.default_rng(0),
        np.random.RandomState(np.random.PCG64(0)),
        b"bytes",
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_cannot_be_held_exactly_is_refused_by_name(value):
    for nested in (value, [value], {"a": (value,)}, {3: value}):
        with pytest.raises(InvalidTypeError, match=r"^random_state\S* cannot be saved: .* got "):
            Encoder(CLASSES)(nested, "random_state")


@pytest.mark.parametrize(
    "plain",
    [
        {"$nothing": 1},
        {"$os.system": "true"},
        {"$array": "missing"},
        {"$scalar": ["object", 1]},
        {"$scalar": ["float32"]},
        {"$text": [[1], [1], "O"]},
        {"$text": [["a"], [2], "O"]},
        {"$text": [["a"], [1], "f8"]},
        {"$ResidualAdaptor": {"code": "x"}},
        {"$tuple": [1], "$array": "x"},
        {"$dict": [[1]]},
        {"$dict": [[{"$dict": []}, 1]]},
    ],
    ids=str,
)
def test_what_no_encoder_made_is_refused(plain):
    with pytest.raises((LookupError, TypeError, ValueError)):
        Decoder(CLASSES, {})(plain)
