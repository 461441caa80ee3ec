"""Judgments of every shape become one canonical CSR, and wrong ones are named."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from madapt._qrels import as_qrels, index_ids
from madapt.exceptions import InvalidTypeError, InvalidValueError

QUERY_IDS = ["q1", "q2"]
CORPUS_IDS = ["a", "b", "c"]
DENSE = np.array([[0, 2, 0], [1, 0, 0]], dtype=np.float32)


def stored(qrels):
    """Return {(row, column): grade} with the stored zeros."""
    entries = qrels.tocoo()
    return dict(
        zip(
            zip(entries.row.tolist(), entries.col.tolist(), strict=True),
            entries.data.tolist(),
            strict=True,
        )
    )


def assert_canonical(qrels):
    assert isinstance(qrels, sparse.csr_array)
    assert qrels.dtype == np.float32
    assert qrels.indices.dtype == qrels.indptr.dtype == np.int32
    assert qrels.has_sorted_indices
    assert qrels.has_canonical_format


@pytest.mark.parametrize("form", ["csr", "csc", "coo", "lil", "dok", "bsr", "dia"])
@pytest.mark.parametrize("container", [sparse.coo_array, sparse.coo_matrix])
def test_any_sparse_format_is_taken(form, container):
    qrels = as_qrels(container(DENSE).asformat(form), 2, 3)
    assert_canonical(qrels)
    assert stored(qrels) == {(0, 1): 2.0, (1, 0): 1.0}


@pytest.mark.parametrize("dtype", [bool, np.int8, np.uint16, np.int64, np.float32, np.float64])
def test_any_real_dtype_is_taken(dtype):
    qrels = as_qrels(sparse.csr_array(DENSE.astype(bool).astype(dtype)), 2, 3)
    assert_canonical(qrels)
    assert stored(qrels) == {(0, 1): 1.0, (1, 0): 1.0}


@pytest.mark.parametrize(
    "judged",
    [
        pytest.param([{"b": 2, "c": 0}, {"a": 1}], id="list of dicts"),
        pytest.param(({"b": 2, "c": 0}, {"a": 1}), id="tuple of dicts"),
        pytest.param(np.array([{"b": 2, "c": 0}, {"a": 1}], dtype=object), id="object array"),
        pytest.param({"q2": {"a": True}, "q1": {"c": 0, "b": 2.0}}, id="dict of dicts"),
        pytest.param(
            {np.str_("q1"): {"b": np.int64(2), "c": np.float32(0)}, "q2": {"a": np.True_}},
            id="NumPy scalars",
        ),
    ],
)
def test_ids_are_looked_up(judged):
    qrels = as_qrels(judged, 2, 3, query_ids=QUERY_IDS, corpus_ids=np.array(CORPUS_IDS))
    assert_canonical(qrels)
    assert stored(qrels) == {(0, 1): 2.0, (0, 2): 0.0, (1, 0): 1.0}


@pytest.mark.parametrize("judged", [[{1: 2, 2: 0}, {0: 1}], {1: {0: 1}, 0: {2: 0, np.int32(1): 2}}])
def test_without_ids_keys_are_row_numbers(judged):
    assert stored(as_qrels(judged, 2, 3)) == {(0, 1): 2.0, (0, 2): 0.0, (1, 0): 1.0}


def test_with_ids_number_keys_are_ids_and_not_rows():
    qrels = as_qrels({7: {30: 1}}, 2, 3, query_ids=np.array([9, 7]), corpus_ids=[10, 20, 30])
    assert stored(qrels) == {(1, 2): 1.0}


def test_a_query_that_is_left_out_has_no_judgments():
    qrels = as_qrels({"q2": {"a": 1}}, 2, 3, query_ids=QUERY_IDS, corpus_ids=CORPUS_IDS)
    assert np.diff(qrels.indptr).tolist() == [0, 1]


@pytest.mark.parametrize("form", ["csr", "csc", "coo"])
def test_stored_zeros_of_sparse_judgments_are_kept(form):
    given_ = sparse.coo_array(([0.0, 1.0, 0.0], ([0, 1, 1], [2, 0, 1])), shape=(2, 3))
    assert stored(as_qrels(given_.asformat(form), 2, 3)) == {(0, 2): 0, (1, 0): 1, (1, 1): 0}


def test_padding_of_blocks_is_no_judgment():
    blocks = sparse.bsr_array(sparse.csr_array(np.eye(4)[:, [0, 1, 3, 2]]), blocksize=(2, 2))
    assert blocks.nnz > 4
    assert as_qrels(blocks, 4, 4).nnz == 4


def test_the_given_matrix_is_left_alone():
    given_ = sparse.csr_array(DENSE)
    qrels = as_qrels(given_, 2, 3)
    qrels.data[:] = 9
    np.testing.assert_array_equal(given_.toarray(), DENSE)


@settings(deadline=None)
@given(
    st.dictionaries(
        st.tuples(st.integers(0, 4), st.integers(0, 6)), st.integers(0, 5), min_size=1
    ).filter(lambda judged: any(judged.values()))
)
def test_dicts_and_sparse_agree(judged):
    rows, columns = np.array(list(judged)).T
    as_sparse = sparse.coo_array((list(judged.values()), (rows, columns)), shape=(5, 7))
    as_dicts = {}
    for (row, column), grade in judged.items():
        as_dicts.setdefault(row, {})[column] = grade
    from_sparse, from_dicts = as_qrels(as_sparse, 5, 7), as_qrels(as_dicts, 5, 7)
    assert_canonical(from_sparse)
    assert stored(from_sparse) == stored(from_dicts) == judged


def one_grade(grade):
    return sparse.csr_array(([grade], ([0], [1])), shape=(2, 3))


COO_TWICE = sparse.coo_array(([1.0, 1.0], ([0, 0], [2, 2])), shape=(2, 3))
BAD = [
    # judgments, error, words of its message
    (DENSE, InvalidTypeError, r"wrap it in scipy\.sparse\.csr_array, got a dense .*\(2, 3\)"),
    ([[0, 2, 0], [1, 0, 0]], InvalidTypeError, "wrap it in .* got nested lists"),
    (None, InvalidTypeError, "got NoneType"),
    ("q1", InvalidTypeError, "got str"),
    ([1, 2], InvalidTypeError, "hold a dict, .* got 1 for query 0"),
    ({"q1": ["a"]}, InvalidTypeError, r"hold a dict, .* got \['a'\] for query 'q1'"),
    ({"q1": 1}, InvalidTypeError, "hold a dict, .* got 1"),
    (sparse.csr_array(DENSE.T), InvalidValueError, r"have shape \(2, 3\), .* got \(3, 2\)"),
    (sparse.csr_array(DENSE * 1j), InvalidTypeError, "real numbers, got dtype complex64"),
    (COO_TWICE, InvalidValueError, "judge a pair once, got query 0, document 2 twice"),
    (one_grade(-2.0), InvalidValueError, r"at least 0, got -2\.0 \(query 0, document 1\)"),
    (one_grade(np.nan), InvalidValueError, "finite .* got nan"),
    (one_grade(np.inf), InvalidValueError, "finite"),
    (one_grade(1e300), InvalidValueError, "finite"),
    (sparse.csr_array((2, 3)), InvalidValueError, "above 0, got none in 0 judgments"),
    (COO_TWICE * 0, InvalidValueError, "above 0, got none"),
    ([{"a": 1}], InvalidValueError, "each of the 2 queries, got 1"),
    ({}, InvalidValueError, "above 0, got none in 0"),
    ({"q9": {"a": 1}}, InvalidValueError, "queries of query_ids, got 'q9'"),
    ({"q1": {"z": 1}}, InvalidValueError, "documents of corpus_ids, got 'z'"),
    ([{"a": 1}, {0: 1}], InvalidValueError, "documents of corpus_ids, got 0"),
    ({"q1": {"a": "high"}}, InvalidTypeError, "got 'high' for query 'q1', document 'a'"),
    ({"q1": {"a": None}}, InvalidTypeError, "numbers as grades, got None"),
    ({"q1": {"a": float("nan")}}, InvalidValueError, "finite .* got nan"),
    ({"q1": {"a": -1, "b": 1}}, InvalidValueError, "at least 0, got -1"),
    ({"q1": {"a": 0}}, InvalidValueError, "above 0, got none in 1"),
]


@pytest.mark.parametrize(("judged", "error", "words"), BAD)
def test_bad_judgments_are_named(judged, error, words):
    with pytest.raises(error, match=f"^labels must .*{words}"):
        as_qrels(judged, 2, 3, query_ids=QUERY_IDS, corpus_ids=CORPUS_IDS, name="labels")


@pytest.mark.parametrize(
    ("judged", "error", "words"),
    [
        ([{"a": 1}, {}], InvalidTypeError, "row number when corpus_ids is None, got 'a'"),
        ({"q1": {0: 1}}, InvalidTypeError, "row number when query_ids is None, got 'q1'"),
        ([{True: 1}, {}], InvalidTypeError, "row number when corpus_ids is None, got True"),
        ([{1.0: 1}, {}], InvalidTypeError, r"row number when corpus_ids is None, got 1\.0"),
        ([{3: 1}, {}], InvalidValueError, r"documents in 0\.\.2, got 3"),
        ([{-1: 1}, {}], InvalidValueError, r"documents in 0\.\.2, got -1"),
        ({2: {0: 1}}, InvalidValueError, r"queries in 0\.\.1, got 2"),
    ],
)
def test_bad_row_numbers_are_named(judged, error, words):
    with pytest.raises(error, match=f"^qrels must name .*{words}"):
        as_qrels(judged, 2, 3)


@pytest.mark.parametrize(
    ("ids", "error", "words"),
    [
        (["q1"], InvalidValueError, "must hold 2 ids, one a row, got 1"),
        (["q1", "q1"], InvalidValueError, "must be distinct, got 'q1' twice"),
        ("q1", InvalidTypeError, "must be a sequence of ids, got 'q1'"),
        (5, InvalidTypeError, "must be a sequence of ids, got 5"),
        (np.array([["q1"], ["q2"]]), InvalidTypeError, r"must hold text or numbers, got \['q1'\]"),
    ],
)
def test_bad_ids_are_named(ids, error, words):
    with pytest.raises(error, match=f"^query_ids {words}"):
        as_qrels({"q1": {0: 1}}, 2, 3, query_ids=ids)


def test_ids_are_indexed_as_native_objects():
    assert index_ids(np.array([5, 3]), 2, "ids") == {5: 0, 3: 1}
    assert index_ids(None, 2, "ids") is None
