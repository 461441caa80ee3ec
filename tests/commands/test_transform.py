"""`madapt transform`: each format in and out, codes, sides, blocks, what a plan says."""

import copy
import json

import numpy as np
import pytest
from pyarrow import parquet

from madapt._commands import inputs

IN = ["npy", "npz", "parquet", "pq", "jsonl"]
OUT = ["npy", "npz", "parquet", "pq", "jsonl"]
PRECISIONS = [None, "float32", "float16", "int8", "int4", "int2", "binary"]


def read(path):
    """Return vectors, ids and the stamp of an output."""
    if path.suffix == ".npy":
        return np.load(path), None, None
    if path.suffix == ".npz":
        with np.load(path) as stored:
            ids = [stored[name] for name in stored.files if "id" in name]
            return stored["embedding"], list(ids[0]), str(stored["madapt_stamp"])
    if path.suffix == ".jsonl":
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        ids = [line.get("id", line.get("_id", line.get("ids"))) for line in lines]
        return np.array([line["embedding"] for line in lines]), ids, None
    table = parquet.read_table(path)
    vectors = table["embedding"].combine_chunks()
    X = vectors.flatten().to_numpy().reshape(len(table), -1)
    return X, table.column(0).to_pylist(), table.schema.metadata[b"madapt_stamp"].decode()


@pytest.mark.parametrize("ending", IN)
def test_every_format_in_gives_the_numbers_of_the_library(
    ending, files, model, adaptor, data, tmp_path, succeed
):
    found = succeed(
        "transform", model, files / f"corpus.{ending}", "-o", tmp_path / "a.npy", "--dim=64"
    )
    assert (found["rows"], found["d"], found["dim"], found["columns"]) == (400, 384, 64, 64)
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), adaptor.transform(data.corpus, 64))


@pytest.mark.parametrize("ending", OUT)
@pytest.mark.parametrize("precision", [None, "int8", "float16"])
def test_every_format_out_holds_vectors_ids_and_stamp(
    ending, precision, files, model, adaptor, data, tmp_path, succeed
):
    path = tmp_path / f"small.{ending}"
    asked = [] if precision is None else ["--precision", precision]
    found = succeed("transform", model, files / "corpus.parquet", "-o", path, "--dim", 8, *asked)
    X, ids, stamp = read(path)
    wanted = adaptor.transform(data.corpus, 8, precision=precision)
    np.testing.assert_array_equal(X.astype(wanted.dtype), wanted)
    assert found["stamp"] == adaptor.stamp(8, precision=precision)
    assert found["bytes_out"] == path.stat().st_size
    assert ids in (None, data.corpus_ids.tolist())
    assert stamp in (None, found["stamp"])
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("precision", PRECISIONS[4:])
def test_codes_are_those_of_the_library(precision, files, model, adaptor, data, tmp_path, succeed):
    path = tmp_path / "codes.npy"
    succeed(
        "transform", model, files / "corpus.npy", "-o", path, "--dim=64", "--precision", precision
    )
    wanted = adaptor.transform(data.corpus, 64, precision=precision)
    np.testing.assert_array_equal(np.load(path), wanted)


@pytest.mark.parametrize("ending", OUT)
def test_many_blocks_are_one_file(
    ending, files, model, adaptor, data, tmp_path, succeed, monkeypatch
):
    monkeypatch.setattr(inputs, "BLOCK_BYTES", 384 * 4 * 90)  # 4 blocks of 90 rows and one of 40
    path = tmp_path / f"small.{ending}"
    succeed("transform", model, files / "corpus.parquet", "-o", path, "--dim", 64)
    wanted = adaptor.transform(data.corpus, 64)
    np.testing.assert_allclose(read(path)[0], wanted, atol=1e-6)


@pytest.mark.parametrize(("side", "name"), [("document", "corpus"), ("query", "queries")])
def test_a_beir_folder_gives_the_side_that_is_asked_for(
    side, name, files, model, adaptor, data, tmp_path, succeed
):
    path = tmp_path / "small.parquet"
    succeed("transform", model, files / "beir", "-o", path, "--dim", 8, "--side", side)
    X, ids, _ = read(path)
    np.testing.assert_array_equal(X, adaptor.transform(data[name], 8, side))
    assert ids == data["corpus_ids" if name == "corpus" else "query_ids"].tolist()


def test_numbers_as_ids_stay_numbers(data, model, tmp_path, succeed):
    np.savez(tmp_path / "a.npz", X=data.corpus[:30], id=np.arange(30) + 7)
    succeed("transform", model, tmp_path / "a.npz", "-o", tmp_path / "b.parquet", "--dim", 8)
    succeed("transform", model, tmp_path / "a.npz", "-o", tmp_path / "b.jsonl", "--dim", 8)
    for name in ("b.parquet", "b.jsonl"):
        assert read(tmp_path / name)[1] == list(range(7, 37))


def test_columns_that_are_named(data, model, tmp_path, succeed):
    np.savez(tmp_path / "a.npz", X=data.corpus[:9], Y=data.corpus[9:18], name=np.arange(9))
    options = ["--column", "Y", "--ids", "name", "--dim", 8]
    found = succeed("transform", model, tmp_path / "a.npz", "-o", tmp_path / "b.npy", *options)
    assert found["ids"] == "name"


@pytest.mark.parametrize("ending", OUT)
def test_a_dry_run_writes_nothing_and_knows_the_size(ending, files, model, tmp_path, succeed):
    path = tmp_path / f"small.{ending}"
    arguments = ["transform", model, files / "corpus.jsonl", "-o", path, "--dim", 8]
    plan = succeed(*arguments, "--dry-run")
    assert not list(tmp_path.iterdir())
    assert plan["dry_run"]
    assert plan["estimated_seconds"] > 0
    done = succeed(*arguments)
    assert done["bytes_out"] == pytest.approx(plan["bytes_out"], rel=0.02)
    assert done["bytes_in"] == plan["bytes_in"] == (files / "corpus.jsonl").stat().st_size


def test_words_for_people(files, model, tmp_path, command):
    arguments = ["transform", model, files / "corpus.npy", "-o", tmp_path / "a.npy", "--dim", 8]
    code, out, err = command(*arguments, "--dry-run")
    assert (code, err) == (0, "")
    assert out.startswith("Would adapt 400 rows of 384 dims, 600.1 KiB, to 8 dims")
    code, out, err = command(*arguments)
    assert (code, err) == (0, "")
    assert out.startswith("Wrote 400 rows of 8 float32 to ")


def test_vectors_of_another_model_are_told_in_one_line(data, model, tmp_path, command):
    np.save(tmp_path / "other.npy", data.corpus[:, ::-1])
    code, _, err = command("transform", model, tmp_path / "other.npy", "-o", tmp_path / "a.npy")
    assert code == 0
    assert err.startswith("madapt: warning: INPUT does not look like vectors of the model")
    assert err.count("\n") == 1


def test_a_model_that_gives_frames_writes_the_same(data, adaptor, files, tmp_path, succeed):
    pytest.importorskip("pandas")
    framed = copy.deepcopy(adaptor)
    framed.set_output(transform="pandas").save(tmp_path / "framed.safetensors")
    path = tmp_path / "a.npy"
    succeed("transform", tmp_path / "framed.safetensors", files / "corpus.npy", "-o", path)
    np.testing.assert_array_equal(np.load(path), adaptor.transform(data.corpus))
