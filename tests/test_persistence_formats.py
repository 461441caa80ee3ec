"""pickle, joblib and skops keep a model, too; the fingerprint is that of the numbers."""

import pickle
from dataclasses import replace

import joblib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from madapt import InvalidTypeError, InvalidValueError, MatryoshkaAdaptor
from madapt._fingerprint import fingerprint
from madapt._first_codes import quantizer_of_format_1
from madapt.adaptor import ResidualAdaptor
from madapt.quantization import PRECISIONS, Quantizer

D = 16
generator = np.random.default_rng(0)
X = generator.standard_normal((120, 6)) @ generator.standard_normal((6, D))
X = (X + 0.3 * generator.standard_normal((120, D))).astype(np.float32)
Q = X[:40] + np.float32(0.3) * generator.standard_normal((40, D), dtype=np.float32) - 1


def fitted(**parameters):
    chosen = {"rotation": "svd", "hidden_dim": 8, "center": 0.5, "max_iter": 3, "random_state": 0}
    return MatryoshkaAdaptor(**{**chosen, **parameters}).fit(X, queries=Q)


MODELS = {"guard": fitted(hidden_dim=None), "mlp": fitted(guard=False)}
MODEL = MODELS["mlp"]


def in_safetensors(model, folder):
    model.save(folder / "model")
    return MatryoshkaAdaptor.load(folder / "model")


def in_pickle(model, folder):
    for protocol in range(pickle.HIGHEST_PROTOCOL):
        assert pickle.loads(pickle.dumps(model, protocol)).fingerprint_ == model.fingerprint_
    return pickle.loads(pickle.dumps(model))


def in_joblib(model, folder):
    joblib.dump(model, folder / "model.joblib")
    return joblib.load(folder / "model.joblib")


def in_joblib_compressed(model, folder):
    joblib.dump(model, folder / "model.joblib.gz", compress=3)
    return joblib.load(folder / "model.joblib.gz")


def in_a_memory_map(model, folder):
    joblib.dump(model, folder / "model.joblib")
    mapped = joblib.load(folder / "model.joblib", mmap_mode="r")
    assert isinstance(mapped.adaptor_.P, np.memmap)
    assert not mapped.adaptor_.P.flags.writeable
    return mapped


def in_a_saved_memory_map(model, folder):
    return in_safetensors(in_a_memory_map(model, folder), folder)


def in_skops(model, folder):
    skops = pytest.importorskip("skops.io")
    data = skops.dumps(model)
    types = skops.get_untrusted_types(data=data)
    assert all(name.startswith("madapt.") for name in types)
    return skops.loads(data, trusted=types)


FORMATS = [
    in_safetensors,
    in_pickle,
    in_joblib,
    in_joblib_compressed,
    in_a_memory_map,
    in_a_saved_memory_map,
    in_skops,
]


def print_of(model):
    return fingerprint(model.adaptor_, model.center_, model.normalize, model.quantizer_)


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("there_and_back", FORMATS)
def test_every_format_keeps_every_bit(tmp_path, there_and_back, kind):
    model = MODELS[kind]
    other = there_and_back(model, tmp_path)
    assert other.fingerprint_ == print_of(other) == model.fingerprint_
    assert other.dims_ == model.dims_
    assert other.validation_scores_ == model.validation_scores_
    if model.held_out_ is not None:
        assert other.recommend_dim(0.9) == model.recommend_dim(0.9)
    for m in range(1, D + 1):
        for precision in (None, *PRECISIONS):
            Z = other.transform(Q, m, "query", precision=precision)
            assert_array_equal(Z, model.transform(Q, m, "query", precision=precision))
            if precision:
                assert_array_equal(
                    other.dequantize(Z, precision, m), model.dequantize(Z, precision, m)
                )
    assert other.score(X) == model.score(X)


def test_arrays_of_the_other_byte_order_are_the_same_numbers(tmp_path):
    """As a pickle from a machine of the other kind brings them."""
    other = pickle.loads(pickle.dumps(MODEL))

    def swapped(array):
        return array.astype(array.dtype.newbyteorder("S"))

    arrays = {name: swapped(array) for name, array in other.adaptor_.parameters.items()}
    turns = {
        m: tuple(swapped(R) for R in blocks) for m, blocks in MODEL.quantizer_.rotations.items()
    }
    other.adaptor_ = other.adaptor_.replace(**arrays)
    other.center_ = swapped(other.center_)
    other.quantizer_ = replace(
        other.quantizer_,
        mean=swapped(other.quantizer_.mean),
        deviations=swapped(other.quantizer_.deviations),
        largest=swapped(other.quantizer_.largest),
        rotations=turns,
    )
    assert print_of(other) == MODEL.fingerprint_
    saved = in_safetensors(other, tmp_path)
    assert saved.adaptor_.P.dtype.isnative
    assert print_of(saved) == MODEL.fingerprint_
    for precision in (None, *PRECISIONS):
        Z = MODEL.transform(X, 12, precision=precision)
        assert_array_equal(other.transform(X, 12, precision=precision), Z)
        assert_array_equal(saved.transform(X, 12, precision=precision), Z)


def in_other_layouts(array):
    """Yield the same numbers, placed otherwise in memory."""
    yield np.asfortranarray(array)
    yield np.repeat(array, 2, axis=0)[::2]
    yield array[::-1].copy()[::-1]
    room = bytearray(array.nbytes + 1)
    off = np.frombuffer(room, array.dtype, array.size, offset=1).reshape(array.shape)
    off[...] = array
    off.setflags(write=False)
    yield off


def test_a_fingerprint_does_not_depend_on_the_layout_in_memory():
    for name, array in MODEL.adaptor_.parameters.items():
        for other in in_other_layouts(array):
            changed = MODEL.adaptor_.replace(**{name: other})
            found = fingerprint(changed, MODEL.center_, True, MODEL.quantizer_)
            assert found == MODEL.fingerprint_
    quantizer = replace(
        MODEL.quantizer_, rotations=dict(reversed(MODEL.quantizer_.rotations.items()))
    )
    assert fingerprint(MODEL.adaptor_, MODEL.center_, True, quantizer) == MODEL.fingerprint_


@given(data=st.data())
def test_a_fingerprint_changes_with_any_bit_of_any_weight(data):
    other = pickle.loads(pickle.dumps(MODEL))
    quantizer = other.quantizer_.arrays
    arrays = other.adaptor_.parameters | {"center": other.center_} | quantizer
    array = arrays[data.draw(st.sampled_from(sorted(arrays)))]
    place = data.draw(st.integers(0, array.nbytes - 1))
    array.view(np.uint8).reshape(-1)[place] ^= 1 << data.draw(st.integers(0, 7))
    assert print_of(other) != MODEL.fingerprint_


def test_a_fingerprint_is_the_same_today_as_yesterday():
    P = np.arange(9, dtype=np.float32).reshape(3, 3)
    turns = {2: (np.eye(2, dtype=np.float32),)}
    first = quantizer_of_format_1(np.ones(3), np.ones(3), turns, True)
    assert fingerprint(ResidualAdaptor(P), None, True, first) == "0e181deb1ae8930a"
    quantizer = Quantizer(np.zeros(3), np.ones(3), np.ones(3), turns, True)
    assert fingerprint(ResidualAdaptor(P), None, True, quantizer) == "382bdada3383372d"


def test_a_stamp_says_what_can_be_compared():
    one = MODEL.fingerprint_
    assert MODEL.stamp() == f"madapt:{one}@16"
    assert MODEL.stamp(4) == MODEL.stamp(np.int64(4), precision="float16") == f"madapt:{one}@4"
    assert MODEL.stamp(4, precision="binary") == f"madapt:{one}@4/binary"
    assert pickle.loads(pickle.dumps(MODEL)).set_params(dim=8).stamp() == f"madapt:{one}@8"
    with pytest.raises(InvalidValueError, match="dim must lie in 1..16, got 17"):
        MODEL.stamp(17)
    with pytest.raises(InvalidTypeError, match="dim must be an integer"):
        MODEL.stamp("4")
    with pytest.raises(InvalidValueError, match="precision must be one of"):
        MODEL.stamp(4, precision="int3")
