"""The embedded collection is what its documentation says."""

import hashlib
import subprocess
import sys

import numpy as np
import pytest

from madapt.datasets import load_cranfield
from madapt.exceptions import InvalidValueError

TRAIN = "d7a751dd7fa3216135624b0e1d36cb89c7b86d4f77bce5a43df4602557cde941"
TEST = "7674a3d1b9e972a7308315893cebc540ccbb58acda11a27e176343c68c268813"
QRELS = "ac6fc3072aac7fac413d4702e422bd032c324f0b54c8d7d44d2b66ec62df368a"
CORPUS = "9c8bf3c90658d24049889cb1a7d226d2748e90f58413318cbeea72fa51bf750e"
QUERIES = "063c3fa83cf004e38c0d0863167f84fb18686db3df39c12176931f5523e4d73e"


@pytest.fixture(scope="module")
def data():
    return load_cranfield()


def sha256(array):
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def test_shapes_and_dtypes(data):
    assert data.corpus.shape == (1400, 384)
    assert data.queries.shape == (225, 384)
    assert data.corpus.dtype == data.queries.dtype == data.qrels.dtype == np.float32
    assert data.qrels.shape == (225, 1400)
    assert data.corpus_ids.tolist() == [str(i) for i in range(1, 1401)]
    assert data.query_ids.tolist() == [str(i) for i in range(1, 226)]
    assert len(data.titles) == 1400
    assert len(data.query_texts) == 225
    assert data.texts is None


def test_vectors_have_unit_length(data):
    for vectors in (data.corpus, data.queries):
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=2e-4)


def test_grades_are_those_of_the_description(data):
    grades, counts = np.unique(data.qrels.data, return_counts=True)
    assert dict(zip(grades.tolist(), counts.tolist(), strict=True)) == {
        1: 363,
        2: 734,
        3: 387,
        4: 128,
    }
    assert data.qrels.nnz == 1612
    assert data.qrels.has_canonical_format
    assert (np.diff(data.qrels.indptr) >= 1).all()
    for count in ("1,400", "225", "1,612", "128", "387", "734", "363"):
        assert count in data.DESCR


def test_known_judgments(data):
    # The first lines of the original file: query 1, documents 184, 29, 31, 12.
    assert data.qrels[[0, 0, 0, 0], [183, 28, 30, 11]].tolist() == [3, 3, 3, 2]


def test_texts(data):
    assert data.titles[0] == (
        "experimental investigation of the aerodynamics of a wing in a slipstream ."
    )
    assert data.query_texts[2].startswith("what problems of heat conduction in composite slabs")
    assert [i for i, title in enumerate(data.titles) if not title] == [470, 994]
    np.testing.assert_array_equal(data.corpus[470], data.corpus[994])
    assert all(text == text.strip() for text in (*data.titles, *data.query_texts))


def test_vectors_fit_texts_and_judgments(data):
    # Far above what shuffled rows would give: chance is 10 * 7 / 1400 = 0.05 relevant in ten.
    best = np.argsort(-data.queries @ data.corpus.T, axis=1)[:, :10]
    relevant = np.take_along_axis(data.qrels.toarray() > 0, best, axis=1)
    assert relevant.sum(axis=1).mean() > 2


def test_split_is_disjoint_and_complete(data):
    assert len(data.train) == 125
    assert len(data.test) == 100
    assert sorted([*data.train, *data.test]) == list(range(225))
    assert (np.diff(data.train) > 0).all()
    assert (np.diff(data.test) > 0).all()


def test_split_and_judgments_never_change(data):
    # Results are reported on this split: a change here breaks every one of them.
    assert sha256(data.train.astype("<i4")) == TRAIN
    assert sha256(data.test.astype("<i4")) == TEST
    assert sha256(data.qrels.toarray().astype("<f4")) == QRELS
    assert sha256(data.corpus.astype("<f2")) == CORPUS
    assert sha256(data.queries.astype("<f2")) == QUERIES


def test_split_shares_documents_as_described(data):
    in_train = np.asarray((data.qrels[data.train] > 0).sum(axis=0)).ravel() > 0
    share = in_train[data.qrels[data.test].indices].mean()
    assert f"{share:.0%}".replace("%", " %") in data.DESCR


@pytest.mark.parametrize("split", ["train", "test"])
def test_one_split_is_a_part_of_the_whole(data, split):
    part, rows = load_cranfield(split), data[split]
    np.testing.assert_array_equal(part.queries, data.queries[rows])
    np.testing.assert_array_equal(part.qrels.toarray(), data.qrels[rows].toarray())
    np.testing.assert_array_equal(part.query_ids, data.query_ids[rows])
    np.testing.assert_array_equal(part.query_texts, data.query_texts[rows])
    np.testing.assert_array_equal(part.corpus, data.corpus)
    assert "train" not in part
    assert "test" not in part


@pytest.mark.parametrize("split", ["dev", "", 1, ["train"]])
def test_an_unknown_split_is_named(split):
    with pytest.raises(InvalidValueError, match="^split must be one of None, 'train', 'test', got"):
        load_cranfield(split)


def test_every_call_returns_arrays_of_its_own(data):
    other = load_cranfield()
    other.corpus[:] = 0
    assert data.corpus.any()
    assert load_cranfield().corpus.any()


def test_loading_opens_no_connection():
    code = (
        "import socket, sys\n"
        "def refuse(*arguments, **named): raise AssertionError('network')\n"
        "socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse\n"
        "from madapt.datasets import load_cranfield\n"
        "assert load_cranfield().corpus.shape == (1400, 384)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
