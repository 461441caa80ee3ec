"""The wrapper that keeps a corpus whole."""

import copy
import pickle

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy.sparse import csr_array

from madapt import Corpus, MatryoshkaAdaptor
from madapt._corpus import n_rows, unwrap

X = np.random.default_rng(0).standard_normal((24, 6)).astype(np.float32)
R = csr_array(np.eye(24))


def adaptor():
    return MatryoshkaAdaptor(rotation="svd", hidden_dim=None, random_state=0)


def test_it_holds_what_it_was_given():
    one = Corpus(X)
    assert one.vectors is X
    assert Corpus(one).vectors is X
    assert repr(one) == "Corpus of 24 rows"
    assert repr(Corpus(["a", "b"])) == "Corpus of 2 rows"


def test_copies_and_pickles():
    for other in (pickle.loads(pickle.dumps(Corpus(X))), copy.deepcopy(Corpus(X))):
        assert type(other) is Corpus
        assert_array_equal(other.vectors, X)


@pytest.mark.parametrize("vectors", [None, 3, "abc", b"abc", np.float32(3)])
def test_what_has_no_rows_is_refused(vectors):
    with pytest.raises(TypeError, match="vectors must be an array or a sequence of documents, got"):
        Corpus(vectors)


@pytest.mark.parametrize("corpus", [Corpus(X), (X,), Corpus(Corpus(X))])
def test_fit_learns_the_same_from_it(corpus):
    queries = X[:10] + np.float32(0.3)
    expected = adaptor().fit(queries, R[:10, :24], corpus=X).fingerprint_
    assert adaptor().fit(queries, R[:10, :24], corpus=corpus).fingerprint_ == expected


def test_what_is_in_it_is_checked_under_the_name_of_the_argument():
    wrong = X.copy()
    wrong[3, 2] = np.nan
    with pytest.raises(ValueError, match="corpus must be .* got nan in row 3, column 2"):
        adaptor().fit(X[:10], R[:10], corpus=Corpus(wrong))
    with pytest.raises(ValueError, match="corpus must have 6 columns"):
        adaptor().fit(X[:10], R[:10], corpus=Corpus(X[:, :5]))


def test_a_corpus_as_long_as_the_queries():
    dicts = [{i: 1} for i in range(24)]
    expected = adaptor().fit(X, R, corpus=X).fingerprint_
    assert adaptor().fit(X, R, corpus=Corpus(X)).fingerprint_ == expected
    assert adaptor().fit(X, dicts, corpus=Corpus(X)).fingerprint_ == expected
    # Nothing cuts a dict of dicts.
    by_id = dict(enumerate(dicts))
    assert adaptor().fit(X, by_id, corpus=X).fingerprint_ == expected
    with pytest.raises(ValueError, match=r"24 rows of a ndarray, which may not be all"):
        adaptor().fit(X, dicts, corpus=X)
    with pytest.raises(ValueError, match=r"each of the 30 columns of y, got 24; .*madapt.Corpus"):
        adaptor().fit(X, csr_array((24, 30)), corpus=X)


@pytest.mark.parametrize(
    ("X", "n"), [(X, 24), ([1, 2], 2), (csr_array((5, 3)), 5), (np.array(3), None), (None, None)]
)
def test_number_of_rows(X, n):
    assert n_rows(X) == n


def test_only_a_tuple_of_one_array_is_taken_for_a_whole_corpus():
    found, whole = unwrap((X,))
    assert found is X
    assert whole
    for rows in ((X[0],), (X, X), [X], X):
        found, whole = unwrap(rows)
        assert found is rows
        assert not whole
