"""Folders in BEIR's layout are read as they are, and what is wrong in them is named."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest

from madapt.datasets import load_beir
from madapt.exceptions import InvalidTypeError, InvalidValueError

HEADER = "query-id\tcorpus-id\tscore\n"
DOCUMENTS = [("d1", "one", "first text"), ("d2", "", "second"), ("d3", "three", "ünïcode")]
QUERIES = [("q1", "alpha"), ("q2", "beta"), ("q3", "gamma")]
SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
RNG = np.random.default_rng(0)
CORPUS = RNG.standard_normal((3, 4)).astype(np.float16)
ASKED = RNG.standard_normal((3, 4)).astype(np.float16)


def write_texts(folder, documents=DOCUMENTS, queries=QUERIES):
    with (folder / "corpus.jsonl").open("w", encoding="utf-8") as file:
        for one, title, text in documents:
            file.write(json.dumps({"_id": one, "title": title, "text": text}) + "\n")
    with (folder / "queries.jsonl").open("w", encoding="utf-8") as file:
        for one, text in queries:
            file.write(json.dumps({"_id": one, "text": text, "metadata": {}}) + "\n")


def write_qrels(folder, lines="q3\td1\t2\nq1\td3\t1\nq1\td2\t0\n", split="test", header=HEADER):
    (folder / "qrels").mkdir(exist_ok=True)
    (folder / "qrels" / f"{split}.tsv").write_text(header + lines, encoding="utf-8")


def write_npz(folder, name="tiny", **changes):
    arrays = {
        "corpus": CORPUS,
        "corpus_ids": np.array(["d1", "d2", "d3"]),
        "queries": ASKED,
        "query_ids": np.array(["q1", "q2", "q3"]),
    }
    arrays |= changes
    np.savez(folder / f"{name}.npz", **{k: v for k, v in arrays.items() if v is not None})


def write_npy(folder, corpus=CORPUS, queries=ASKED, names=("corpus.npy", "queries.npy")):
    np.save(folder / names[0], corpus)
    np.save(folder / names[1], queries)


@pytest.fixture
def folder(tmp_path):
    """A whole collection with texts and one .npz."""
    write_texts(tmp_path)
    write_qrels(tmp_path)
    write_npz(tmp_path)
    return tmp_path


def assert_whole(data, rows=(0, 2)):
    np.testing.assert_array_equal(data.corpus, CORPUS.astype(np.float32))
    np.testing.assert_array_equal(data.queries, ASKED[list(rows)].astype(np.float32))
    assert data.corpus.dtype == data.queries.dtype == np.float32
    assert data.corpus_ids.tolist() == ["d1", "d2", "d3"]
    assert data.query_ids.tolist() == ["q1", "q3"]
    np.testing.assert_array_equal(data.qrels.toarray(), [[0, 0, 1], [2, 0, 0]])


def test_round_trip_of_an_npz(folder):
    data = load_beir(folder)
    assert_whole(data)
    assert data.titles.tolist() == ["one", "", "three"]
    assert data.texts.tolist() == ["first text", "second", "ünïcode"]
    assert data.query_texts.tolist() == ["alpha", "gamma"]
    assert "split test, vectors tiny.npz: 3 documents, 2 queries, 3 judgments" in data.DESCR


def test_a_zero_score_is_stored(folder):
    qrels = load_beir(folder).qrels
    assert qrels.nnz == 3
    assert qrels.indices[: qrels.indptr[1]].tolist() == [1, 2]
    assert qrels.data[: qrels.indptr[1]].tolist() == [0, 1]


def test_round_trip_of_an_npy_pair(folder):
    (folder / "tiny.npz").unlink()
    write_npy(folder)
    assert_whole(load_beir(str(folder)))


def test_rows_of_an_npy_pair_follow_the_texts(folder):
    write_texts(folder, DOCUMENTS[::-1], QUERIES[::-1])
    write_npy(folder, names=("a.npy", "b.npy"))
    data = load_beir(folder, vectors=("a.npy", folder / "b.npy"))
    assert data.corpus_ids.tolist() == ["d3", "d2", "d1"]
    assert data.query_ids.tolist() == ["q3", "q1"]
    np.testing.assert_array_equal(data.queries, ASKED[[0, 2]].astype(np.float32))
    np.testing.assert_array_equal(data.qrels.toarray(), [[0, 0, 2], [1, 0, 0]])


def test_rows_of_an_npz_follow_its_ids(folder):
    write_texts(folder, DOCUMENTS[::-1], QUERIES[::-1])
    data = load_beir(folder)
    assert_whole(data)
    assert data.titles.tolist() == ["one", "", "three"]
    assert data.query_texts.tolist() == ["alpha", "gamma"]


def test_texts_may_be_absent_beside_an_npz(folder):
    (folder / "corpus.jsonl").unlink()
    (folder / "queries.jsonl").unlink()
    data = load_beir(folder)
    assert_whole(data)
    assert data.titles is data.texts is data.query_texts is None


def test_a_missing_field_is_an_empty_text(folder):
    lines = '{"_id": "d1"}\n\n{"_id": "d2", "title": null}\n{"_id": "d3", "text": "x"}\n'
    (folder / "corpus.jsonl").write_text(lines, encoding="utf-8")
    data = load_beir(folder)
    assert data.titles.tolist() == ["", "", ""]
    assert data.texts.tolist() == ["", "", "x"]


@pytest.mark.parametrize("name", ["tiny", "tiny.npz", Path("tiny"), Path("tiny.npz")])
def test_one_of_several_vectors_is_chosen(folder, name):
    write_npz(folder, "other", corpus=CORPUS[:, :2], queries=ASKED[:, :2])
    write_npy(folder)
    assert_whole(load_beir(folder, vectors=name))


def test_a_stem_may_hold_dots(folder):
    write_npz(folder, "model.v1.5")
    assert_whole(load_beir(folder, vectors="model.v1.5"))


def test_float64_is_kept(folder):
    write_npz(folder, corpus=CORPUS.astype(float), queries=ASKED.astype(float))
    data = load_beir(folder)
    assert data.corpus.dtype == data.queries.dtype == np.float64


def test_number_ids_become_text(folder):
    write_npz(folder, corpus_ids=np.array([7, 8, 9]))
    write_qrels(folder, "q1\t9\t1\n")
    (folder / "corpus.jsonl").unlink()
    data = load_beir(folder)
    assert data.corpus_ids.tolist() == ["7", "8", "9"]
    assert data.qrels.toarray().tolist() == [[0, 0, 1]]


def test_splits_have_their_own_queries(folder):
    write_qrels(folder, "q2\td2\t1\n", split="train")
    assert load_beir(folder, "train").query_ids.tolist() == ["q2"]
    assert load_beir(folder, "test").query_ids.tolist() == ["q1", "q3"]


def test_a_repeated_judgment_counts_once(folder):
    write_qrels(folder, "q1\td1\t1\r\n\nq1\td1\t1.0\n")
    qrels = load_beir(folder).qrels
    assert qrels.toarray().tolist() == [[1, 0, 0]]


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (
            "q1\td1\t1\nq1\td1\t2\n",
            "pair once, got 1 and 2 for query 'q1', document 'd1' in line 3",
        ),
        ("q1\td1\n", r"got 'q1\\td1' in line 2"),
        ("q1\td1\t1\t1\n", "a query, a document and a number a line"),
        ("q1 d1 1\n", "tab-separated, got 'q1 d1 1' in line 2"),
        ("q1\td1\tgood\n", "a number a line"),
        ("q1\td9\t1\n", "name documents of corpus_ids, got 'd9'"),
        ("q9\td1\t1\n", "name queries of query_ids, got 'q9'"),
        ("q1\td1\t1\nq9\td1\t1\n", "name queries of query_ids, got 'q9'"),
        ("q1\td1\t-1\n", "at least 0, got -1"),
        ("q1\td1\tnan\n", "finite grades .* got nan"),
        ("q1\td1\t0\n", "one grade above 0, got none in 1"),
        ("", "one grade above 0, got none in 0"),
    ],
)
def test_bad_judgments_are_named(folder, lines, words):
    write_qrels(folder, lines)
    with pytest.raises(InvalidValueError, match=rf"^qrels/test\.tsv must .*{words}"):
        load_beir(folder)


@pytest.mark.parametrize("header", ["", "query-id corpus-id score\n", "q1\td1\t1\n"])
def test_the_header_of_judgments_is_wanted(folder, header):
    write_qrels(folder, header=header, lines="")
    with pytest.raises(InvalidValueError, match=r"^qrels/test\.tsv must begin with the .* header"):
        load_beir(folder)


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("{\n", "one JSON object a line, got .* in line 1"),
        ('{"_id": "d1"}\n["d2"]\n', "objects with an _id, got none in line 2"),
        ('{"id": "d1"}\n', "objects with an _id, got none in line 1"),
        ('{"_id": "d1"}\n{"_id": "d1"}\n', "each id once, got 'd1' again in line 2"),
        ('{"_id": "d1"}\n{"_id": "d3"}\n', "every id of the vectors, got no 'd2'"),
    ],
)
def test_bad_texts_are_named(folder, lines, words):
    (folder / "corpus.jsonl").write_text(lines, encoding="utf-8")
    with pytest.raises(InvalidValueError, match=rf"^corpus\.jsonl must hold {words}"):
        load_beir(folder)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"corpus_ids": None}, r"tiny\.npz must hold .*, got no corpus_ids"),
        ({"corpus": None, "queries": None}, "got no corpus, queries"),
        ({"corpus_ids": np.array(["d1", "d2"])}, r"corpus_ids of tiny\.npz must hold 3 ids"),
        ({"query_ids": np.array(["q1", "q2", "q2"])}, "must be distinct, got 'q2' twice"),
        ({"corpus_ids": np.array(["d1", "d1", "d3"])}, "must be distinct, got 'd1' twice"),
        (
            {"corpus_ids": np.array(["d1", "d2", "d3"], dtype=object)},
            "must be a file of plain NumPy arrays",
        ),
        (
            {"queries": ASKED[:, :3]},
            r"queries of tiny\.npz must have 4 columns, got shape \(3, 3\)",
        ),
        ({"corpus": CORPUS * np.float16(np.nan)}, r"corpus of tiny\.npz contains NaN"),
    ],
)
def test_bad_vectors_are_named(folder, changes, words):
    write_npz(folder, **changes)
    with pytest.raises(ValueError, match=words):
        load_beir(folder)


class Trap:
    """What unpickling it would do is raise SystemExit."""

    def __reduce__(self):
        return (exit, ("unpickled",))


def test_nothing_is_unpickled(folder):
    write_npz(folder, corpus_ids=np.array([Trap(), Trap(), Trap()], dtype=object))
    with pytest.raises(InvalidValueError, match="plain NumPy arrays"):
        load_beir(folder)
    (folder / "tiny.npz").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(InvalidValueError, match="plain NumPy arrays"):
        load_beir(folder)


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04 broken"])
def test_a_broken_npz_is_named(folder, content):
    (folder / "tiny.npz").write_bytes(content)
    with pytest.raises(InvalidValueError, match=r"^tiny\.npz must be a file of plain NumPy arrays"):
        load_beir(folder)


def test_archives_and_arrays_are_not_mixed_up(folder):
    write_npy(folder)
    (folder / "corpus.npy").rename(folder / "array.npz")
    with pytest.raises(InvalidValueError, match=r"^array\.npz must be an \.npz archive"):
        load_beir(folder, vectors="array")
    with pytest.raises(InvalidValueError, match=r"^tiny\.npz must hold a single array"):
        load_beir(folder, vectors=("tiny.npz", "queries.npy"))


def test_an_npy_pair_needs_texts(folder):
    write_npy(folder)
    (folder / "queries.jsonl").unlink()
    with pytest.raises(InvalidValueError, match=r"whose ids .* got no queries\.jsonl"):
        load_beir(folder, vectors=("corpus.npy", "queries.npy"))


def test_an_npy_pair_has_a_row_for_each_text(folder):
    write_npy(folder, corpus=CORPUS[:2])
    with pytest.raises(InvalidValueError, match="must hold 2 ids, one a row, got 3"):
        load_beir(folder, vectors=("corpus.npy", "queries.npy"))


def test_several_vectors_are_listed(folder):
    write_npz(folder, "other")
    write_npy(folder)
    wanted = r"'other', 'tiny', \('corpus\.npy', 'queries\.npy'\)"
    with pytest.raises(InvalidValueError, match=f"^vectors must choose .*{wanted}, got None"):
        load_beir(folder)
    with pytest.raises(InvalidValueError, match=f"^vectors must name an .*{wanted}, got 'ada'"):
        load_beir(folder, vectors="ada")


def test_no_vectors_at_all(folder):
    (folder / "tiny.npz").unlink()
    np.save(folder / "corpus.npy", CORPUS)
    with pytest.raises(InvalidValueError, match="^folder must hold vectors, .* got none"):
        load_beir(folder)
    with pytest.raises(InvalidValueError, match=r"^vectors must name two .* got no queries\.npy"):
        load_beir(folder, vectors=("corpus.npy", "queries.npy"))


@pytest.mark.parametrize("vectors", [3, ("a.npy",), ("a.npy", 3), ["a", "b", "c"], np.eye(2)])
def test_vectors_of_another_type_are_named(folder, vectors):
    with pytest.raises(InvalidTypeError, match=r"^vectors must be an \.npz's name, a pair of"):
        load_beir(folder, vectors=vectors)


@pytest.mark.parametrize("split", ["dev", "../qrels/test", "test.tsv", ""])
def test_an_unknown_split_is_named(folder, split):
    with pytest.raises(InvalidValueError, match="^split must name a file .* there is 'test', got"):
        load_beir(folder, split)


def test_wrong_folders_and_types(folder):
    with pytest.raises(InvalidValueError, match="^folder must be a directory that exists"):
        load_beir(folder / "absent")
    with pytest.raises(InvalidTypeError, match="^folder must be a path, got None"):
        load_beir(None)
    with pytest.raises(InvalidTypeError, match="^split must be a str, got 3"):
        load_beir(folder, 3)
    with pytest.raises(InvalidValueError, match="where there is none, got 'test'"):
        load_beir(folder / "qrels")


@pytest.mark.skipif(not (SHARED / "scifact").is_dir(), reason="no shared/data/scifact here")
@pytest.mark.parametrize(
    ("split", "vectors", "n_queries", "n_judgments", "n_features"),
    [("test", "minilm", 300, 339, 384), ("train", "mpnet", 809, 919, 768)],
)
def test_scifact_has_its_published_counts(split, vectors, n_queries, n_judgments, n_features):
    data = load_beir(SHARED / "scifact", split, vectors=vectors)
    assert data.corpus.shape == (5183, n_features)
    assert data.queries.shape == (n_queries, n_features)
    assert data.qrels.shape == (n_queries, 5183)
    assert data.qrels.nnz == n_judgments
    assert data.titles is None
    np.testing.assert_allclose(np.linalg.norm(data.corpus, axis=1), 1, atol=2e-4)
