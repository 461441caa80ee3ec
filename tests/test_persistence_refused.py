"""Files that are foreign, cut, altered or of the future are refused, each with its reason."""

import json
import pickle
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save as safetensors_save

from madapt import InvalidFileError, MatryoshkaAdaptor, persistence
from madapt.persistence import FORMAT

X = np.random.default_rng(0).standard_normal((60, 8)).astype(np.float32)
MODEL = {"max_iter": 2, "rotation": "svd", "hidden_dim": 4, "guard": False, "random_state": 0}


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """The file of a model."""
    path = tmp_path_factory.mktemp("saved") / "model.safetensors"
    MatryoshkaAdaptor(**MODEL).fit(X).save(path)
    return path


def refused(path, data, reason=None):
    path.write_bytes(data)
    with pytest.raises(InvalidFileError, match=reason) as caught:
        MatryoshkaAdaptor.load(path)
    assert str(caught.value).startswith(f"{path} cannot be loaded: ")


def test_foreign_files_are_refused(tmp_path):
    path = tmp_path / "file"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a", "b")
    foreign = {
        "empty": b"",
        "text": b"Once upon a time there was a file of text.\n" * 9,
        "pickle": pickle.dumps(MatryoshkaAdaptor(**MODEL).fit(X)),
        "zip": path.read_bytes(),
        "zeros": bytes(1000),
        "ones": b"\xff" * 1000,
        "deep": (200_000).to_bytes(8, "little") + b'{"a":' * 40_000,
        "brackets": (200_001).to_bytes(8, "little") + b"{" + b"[" * 200_000,
        "safetensors": safetensors_save({"weight": np.ones(3)}),
        "of another": safetensors_save({"weight": np.ones(3)}, {"format": "pt"}),
        "nearly": safetensors_save({"weight": np.ones(3)}, {"madapt": "[]"}),
    }
    for data in foreign.values():
        refused(path, data, "safetensors file|madapt did not write it")


def test_every_truncation_is_refused(saved, tmp_path):
    data = saved.read_bytes()
    for length in {*range(0, len(data), 37), *range(12), len(data) - 1}:
        refused(tmp_path / "file", data[:length], "safetensors file|checksum")
    refused(tmp_path / "file", data + b"\0", "checksum")


def test_every_byte_of_the_header_counts(saved, tmp_path):
    data = saved.read_bytes()
    n = int.from_bytes(data[:8], "little")
    for place in range(8 + n):
        altered = bytearray(data)
        altered[place] ^= 1 << place % 8
        refused(tmp_path / "file", altered)


@given(data=st.data())
def test_any_altered_byte_is_found(saved, data):
    altered = bytearray(saved.read_bytes())
    for place in data.draw(st.sets(st.integers(0, len(altered) - 1), min_size=1, max_size=5)):
        altered[place] ^= data.draw(st.integers(1, 255))
    refused(saved.with_name("altered"), altered)


def changed(path, **changes):
    """Return a file with another content and the right checksum, as only an adversary writes."""
    content, decoder = persistence._unpacked(path)
    text = json.dumps({**content, **changes, "checksum": "sha256:" + "0" * 64}, separators=",:")
    data = safetensors_save(decoder.arrays, {"madapt": text})
    quoted, digest = persistence._quoted, persistence.hashlib.sha256(data).hexdigest()
    return data.replace(quoted("0" * 64), quoted(digest), 1)


def test_a_file_of_the_future_is_refused(saved, tmp_path):
    future = changed(saved, format=FORMAT + 1, madapt="7.1")
    reason = (
        rf"format {FORMAT + 1}, written by madapt 7\.1; this madapt reads formats up to {FORMAT}, "
    )
    refused(tmp_path / "file", future, reason)
    for number in (0, -1, "1", None, 1.5, True):
        data = changed(saved, format=number)
        refused(tmp_path / "file", data, "format must be a number from 1 on")


def test_a_file_sets_nothing_but_parameters_and_attributes(saved, tmp_path):
    for attributes in (
        {"transform": "x"},
        {"rotation_": 1},
        {"_private": 1},
        {"__class__": "x"},
        {"adaptor_": {"$os.system": "true"}},
        {"adaptor_": {"$array": "missing"}},
        [1],
        None,
    ):
        data = changed(saved, attributes=attributes)
        refused(tmp_path / "file", data, "it holds what no|whose .* the MatryoshkaAdaptor here")
    data = changed(saved, parameters={"dims": None, "speed": 3})
    refused(tmp_path / "file", data, "whose speed the MatryoshkaAdaptor here does not have")
