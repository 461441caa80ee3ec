"""Text of options becomes what the estimator takes, and JSON has no NaN."""

import json

import numpy as np
import pytest

from madapt._commands.printing import count_bytes, say_json, table
from madapt._commands.values import parsed_settings, whole_numbers


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a=1", 1),
        ("a=0.5", 0.5),
        ("a=None", None),
        ("a=False", False),
        ("a=true", True),
        ("a=auto", "auto"),
        ("a=[8, 16]", (8, 16)),
        ("a=x=y", "x=y"),
    ],
)
def test_settings(text, value):
    found = parsed_settings([text])["a"]
    assert found == value
    assert type(found) is type(value)


def test_whole_numbers():
    assert whole_numbers("8, 16,32", "--dims") == [8, 16, 32]


def test_json_of_arrays_and_of_what_is_not_finite(capsys):
    say_json({"a": np.float32(0.5), "b": [np.nan, np.int64(3)], "c": {8: np.arange(2)}, "d": None})
    found = json.loads(capsys.readouterr().out)
    assert found == {"a": 0.5, "b": [None, 3], "c": {"8": [0, 1]}, "d": None}


def test_tables_are_flush_right():
    shown = table({"dims": [8, 1024], "score": [0.25, 1.0]})
    assert shown == " dims  score\n    8  0.250\n1,024  1.000"


@pytest.mark.parametrize(
    ("n", "words"), [(5, "5 bytes"), (2048, "2.0 KiB"), (3 * 2**30, "3.0 GiB")]
)
def test_bytes_in_words(n, words):
    assert count_bytes(n) == words
