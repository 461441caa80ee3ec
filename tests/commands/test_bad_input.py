"""Whatever is wrong is one line on stderr that names the argument, and nothing is written."""

import sys

import numpy as np
import pyarrow
import pytest
from pyarrow import parquet

from madapt.cli import COMMANDS


@pytest.fixture(scope="module")
def bad(tmp_path_factory, data):
    """A folder of things that cannot be used."""
    folder = tmp_path_factory.mktemp("bad")
    np.save(folder / "narrow.npy", data.corpus[:, :32])
    broken = data.corpus.copy()
    broken[7, 3] = np.nan
    np.save(folder / "nan.npy", broken)
    np.save(folder / "objects.npy", np.array([{}], dtype=object))
    np.save(folder / "text.npy", np.array([["a"]]))
    np.savez(folder / "two.npz", a=data.corpus, b=data.corpus)
    np.savez(folder / "no_rows.npz", X=np.zeros((0, 384)))
    np.savez(folder / "twice.npz", X=data.corpus, ids=np.zeros(len(data.corpus), int))
    (folder / "cut.npy").write_bytes((folder / "narrow.npy").read_bytes()[:500])
    (folder / "cut.npz").write_bytes((folder / "two.npz").read_bytes()[:5000])
    (folder / "no.parquet").write_text("no")
    (folder / "model.safetensors").write_text("no")
    (folder / "corpus.txt").write_text("1 2 3")
    (folder / "empty.jsonl").write_text("")
    (folder / "ragged.jsonl").write_text('{"X": [1, 2]}\n{"X": [1]}\n')
    (folder / "half.jsonl").write_text('{"X": [1, 2]}\n{"X": [1,\n')
    (folder / "list.jsonl").write_text("[1, 2]\n")
    (folder / "ids.jsonl").write_text('{"id": "a", "X": [1, 2]}\n{"X": [1, 2]}\n')
    (folder / "empty").mkdir()
    (folder / "unknown.trec").write_text("no 0 1 1\n")
    (folder / "document.tsv").write_text("query-id\tcorpus-id\tscore\n1\tno\t1\n")
    (folder / "three.tsv").write_text("1\t2\t3\n")
    (folder / "grade.trec").write_text("1 0 1 1\n1 0 2 high\n")
    (folder / "twice.trec").write_text("1 0 1 1\n1 0 1 2\n")
    lists = pyarrow.array([[1.0, 2.0], [1.0]])
    parquet.write_table(pyarrow.table({"X": lists}), folder / "ragged.parquet")
    parquet.write_table(pyarrow.table({"n": [1, 2]}), folder / "numbers.parquet")
    return folder


#: What comes after `madapt fit`, and how the message goes on.
INPUTS = [
    ("{bad}/missing.npy", "CORPUS must be a file or a folder that exists, got "),
    ("{bad}/corpus.txt", "CORPUS must end in .npy, .npz, .parquet, .pq, .jsonl or be a folder"),
    ("{bad}/nan.npy", "CORPUS must hold finite numbers, got nan in row 7, column 3"),
    ("{bad}/objects.npy", "CORPUS must be a .npy file of numbers, got "),
    ("{bad}/text.npy", "CORPUS: "),
    ("{bad}/cut.npy", "CORPUS must be a .npy file of numbers, got "),
    ("{bad}/cut.npz", "CORPUS must be an .npz of plain arrays: "),
    ("{bad}/two.npz", "--column must name a 2-D array of numbers in "),
    ("{bad}/two.npz --column c", "--column must name a 2-D array of numbers in "),
    ("{bad}/two.npz --column a --ids b", "--ids must name text or whole numbers, one a row in "),
    ("{bad}/no_rows.npz", "CORPUS must hold at least one row and column, got shape (0, 384) in "),
    ("{bad}/no.parquet", "CORPUS must be a Parquet file, got "),
    ("{bad}/numbers.parquet", "--column must name a column of lists of numbers in "),
    ("{files}/corpus.parquet --column no", "--column must name a column of lists of numbers in "),
    ("{files}/corpus.parquet --ids no", "--ids must name text or whole numbers, one a row in "),
    ("{bad}/ragged.parquet", "CORPUS: {bad}/ragged.parquet must hold 2 numbers in each row"),
    ("{bad}/empty.jsonl", "CORPUS must hold at least one line, got none in "),
    ("{bad}/ragged.jsonl", "CORPUS must hold 2 numbers in 'X' of each line, got 1 in line 2"),
    ("{bad}/half.jsonl", "CORPUS must hold one JSON object a line, got "),
    ("{bad}/list.jsonl", "CORPUS must hold one JSON object a line, got none in line 1"),
    ("{bad}/ids.jsonl", "--ids must be text or whole numbers in 'id', got None in row 1"),
    ("{files}/corpus.jsonl --column no", "--column must name a list of numbers in "),
    ("{files}/corpus.npy --column no", "--column must be None for .npy files, got 'no'"),
    ("{files}/corpus.npy --ids no", "--ids must be left out for .npy, which holds none, got 'no'"),
    ("{bad}/empty", "CORPUS must hold vectors, one .npz or "),
    ("{files}/beir --split no", "--split must name a file of "),
    ("{files}/corpus.npy --split test", "--split must come with a folder in BEIR's layout as"),
    ("{files}/beir --split test --queries x.npy", "--split must come without --queries and"),
    ("{files}/corpus.npy --qrels {files}/qrels.tsv", "--qrels must come with --queries, got none"),
    ("{files}/corpus.npy --queries {bad}/narrow.npy", "--queries must have 384 columns as CORPUS"),
    ("{files}/corpus.npy --queries {bad}/nan.npy", "--queries must hold finite numbers, got nan"),
    ("{files}/corpus.npy --queries {bad}/no.npy", "--queries must be a file or a folder that"),
    ("{bad}/twice.npz {queries} --qrels {files}/qrels.tsv", "the ids of CORPUS must be distinct"),
    ("{files}/corpus.npz {queries} --qrels {bad}/no.tsv", "--qrels must be a file that exists"),
    ("{files}/corpus.npz {queries} --qrels {bad}/unknown.trec", "--qrels must name queries of "),
    ("{files}/corpus.npz {queries} --qrels {bad}/three.tsv", "--qrels must begin with BEIR's"),
    ("{files}/corpus.npz {queries} --qrels {bad}/grade.trec", "--qrels must hold a query, an"),
    ("{files}/corpus.npz {queries} --qrels {bad}/twice.trec", "--qrels must judge a pair once"),
    ("{files}/corpus.npy --dims 8,x", "--dims must be whole numbers, as 8,16,32, got '8,x'"),
    ("{files}/corpus.npy --dims 8,500", "--dims must "),
    ("{files}/corpus.npy --max-iter 1,2,3", "--max-iter must be whole numbers, as 150 or 150,600"),
    ("{files}/corpus.npy --set no=1", "--set must name a parameter of MatryoshkaAdaptor, got 'no'"),
    ("{files}/corpus.npy --set guard", "--set must be NAME=VALUE, got 'guard'"),
    ("{files}/corpus.npy --set activation=step", "--set: activation must "),
    ("{files}/corpus.npy -o {bad}/m.npy", "--output must end in .safetensors, got "),
    ("{files}/corpus.npy -o {bad}/no/m.safetensors", "--output must be a file in a folder that"),
]


def filled(text, **words):
    for name, word in words.items():
        text = text.replace(f"{{{name}}}", str(word))
    return text


@pytest.mark.parametrize(("arguments", "message"), INPUTS, ids=[one[0] for one in INPUTS])
@pytest.mark.parametrize("dry", [[], ["--dry-run", "--json"]], ids=["", "dry"])
def test_fit_names_the_argument(arguments, message, dry, bad, files, command, tmp_path):
    words = {"queries": "--queries {files}/queries.npz", "bad": bad, "files": files}
    given = filled(arguments, **words).split()
    output = [] if "-o" in given else ["-o", tmp_path / "model.safetensors"]
    code, out, err = command("fit", *given, *output, *dry)
    assert (code, out) == (2, "")
    assert err.startswith(f"madapt: error: {filled(message, **words)}")
    assert err.count("\n") == 1
    assert not list(tmp_path.iterdir())


OTHERS = [
    (
        "transform {model} {bad}/nan.npy -o {out}/a.npy",
        "INPUT must hold finite numbers, got nan in",
    ),
    ("transform {model} {bad}/narrow.npy -o {out}/a.npy", "INPUT must have 384 columns as those"),
    ("transform {model} {bad}/no.npy -o {out}/a.npy", "INPUT must be a file or a folder that"),
    ("transform {model} {corpus} -o {out}/a.csv", "--output must end in .npy, .npz, .parquet, .pq"),
    ("transform {model} {corpus} -o {corpus}", "--output must be another file than those read"),
    ("transform {model} {corpus} -o {out}/a.npy --dim 385", "--dim must "),
    ("transform {model} {corpus} -o {out}/a.npy --dim 0", "--dim must "),
    ("transform {model} {corpus} -o {out}/a.npy --precision int7", "--precision must be one of"),
    ("transform {model} {corpus} -o {out}/a.npy --side left", "--side must be one of "),
    ("transform {bad}/model.safetensors {corpus} -o {out}/a.npy", "MODEL: "),
    ("transform {bad}/no {corpus} -o {out}/a.npy", "MODEL must be a file that exists, got "),
    ("evaluate {model} {corpus}", "--qrels must be given, or --split with a folder, got none"),
    ("evaluate {model} {bad}/narrow.npy", "CORPUS must have 384 columns as those MODEL was"),
    ("evaluate {model} {beir} --split test --metric no", "--metric must "),
    ("evaluate {model} {beir} --split test --dims 9999", "--dims must "),
    ("recommend {model} --target 0", "--target must "),
    ("report {model} {corpus} -o {out}/a.pdf", "--output must end in .html, .htm, got "),
    ("report {model} {corpus} -o {out}/no/a.html", "--output must be a file in a folder that"),
    ("report {model} {bad}/narrow.npy -o {out}/a.html", "CORPUS must have 384 columns as those"),
    ("report {model} {corpus} -o {out}/a.html --target 0", "--target must "),
    ("report {model} {corpus} -o {out}/a.html --price -1", "--price must be at least 0, got -1"),
    ("report {model} {corpus} -o {out}/a.html --dims 8,9999", "--dims must "),
    ("report {model} {beir} --split test -o {out}/a.html --metric no", "--metric must "),
    ("report {model} {corpus} -o {out}/a.html --queries {bad}/nan.npy", "--queries must hold"),
    ("recommend {bad}/model.safetensors", "MODEL: "),
    ("info {corpus}", "MODEL: "),
    ("info {bad}", "MODEL must be a file that exists, got "),
]


@pytest.mark.parametrize(("arguments", "message"), OTHERS, ids=[one[0] for one in OTHERS])
def test_the_others_do_so_too(arguments, message, bad, files, model, command, tmp_path):
    words = {"model": model, "corpus": files / "corpus.npy", "beir": files / "beir"}
    words |= {"bad": bad, "out": tmp_path}
    code, out, err = command(*filled(arguments, **words).split())
    assert (code, out) == (2, "")
    assert err.startswith(f"madapt: error: {message}")
    assert err.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fit"], "Missing argument 'CORPUS'"),
        (["fit", "a.npy"], "Missing option '--output'"),
        (["fit", "a.npy", "--no"], "No such option: --no"),
        (["transform", "m", "a", "-o", "b", "--dim", "many"], "Invalid value for '--dim'"),
        (["info", "a", "b"], "Got unexpected extra argument"),
    ],
)
def test_usage_is_one_line_too(arguments, message, command):
    code, out, err = command(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith(f"madapt {arguments[0]}: error: ")
    assert message in err
    assert err.endswith(f"; see madapt {arguments[0]} --help\n")
    assert err.count("\n") == 1


@pytest.mark.parametrize("name", list(COMMANDS))
def test_help_shows_an_example(name, command):
    code, out, err = command(name, "--help")
    assert (code, err) == (0, "")
    assert f"examples:\n    madapt {name} " in out
    assert max(map(len, out.splitlines())) <= 100


def test_parquet_without_pyarrow(files, model, tmp_path, command, monkeypatch):
    for name in ("pyarrow", "pyarrow.parquet"):
        monkeypatch.setitem(sys.modules, name, None)
    for given in (
        ["info", model],
        ["transform", model, files / "corpus.parquet", "-o", tmp_path / "a.npy"],
        ["transform", model, files / "corpus.npy", "-o", tmp_path / "a.parquet"],
    ):
        code, _, err = command(*given)
        if given[0] == "info":
            assert code == 0
            continue
        assert code == 2
        assert "pip install 'madapt[parquet]'" in err
        assert err.count("\n") == 1
