"""`madapt report` shows the library's numbers on one page that is whole, escaped and alone."""

import json
import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest

from madapt import MatryoshkaAdaptor
from madapt.baselines import Truncation
from madapt.evaluation import dimension_curve
from madapt.quantization import bytes_per_vector

XHTML = "{http://www.w3.org/1999/xhtml}"
EVIL = "<script>alert('1')</script>&\"\x00\x1b\u202e"


@pytest.fixture
def labels(files):
    return ["--queries", files / "queries.parquet", "--qrels", files / "qrels.tsv"]


@pytest.fixture
def write(succeed, tmp_path):
    """Write a report; return its JSON, its text and its tree."""

    def run(*arguments, output="report.html"):
        path = tmp_path / output
        found = succeed("report", *arguments, "-o", path)
        text = path.read_text(encoding="utf-8")
        assert found["bytes_out"] == path.stat().st_size
        return found, text, ElementTree.fromstring(text)

    return run


def cells(tree, name):
    """Return the rows of a table by its section, as text."""
    section = tree.find(f".//{XHTML}section[@id='{name}']")
    rows = section.findall(f".//{XHTML}tbody/{XHTML}tr")
    return [["".join(cell.itertext()).replace("take this ", "") for cell in row] for row in rows]


def facts(tree, name):
    section = tree.find(f".//{XHTML}section[@id='{name}']")
    pairs = section.findall(f".//{XHTML}dl/{XHTML}div")
    return {"".join(pair[0].itertext()): "".join(pair[1].itertext()) for pair in pairs}


def test_the_curve_is_the_library_s(write, files, labels, model, adaptor, data):
    found, _, tree = write(model, files / "corpus.parquet", *labels)
    methods = {"frozen": None, "frozen prefix": Truncation().fit(data.corpus), "adaptor": adaptor}
    curve = dimension_curve(methods, data.corpus, data.queries, data.qrels, [8, 64, 384])
    scores = {name: one["ndcg@10"] for name, one in curve.scores.items()}
    assert found["curve"]["dims"] == [8, 64, 384]
    np.testing.assert_allclose(found["curve"]["methods"]["adaptor"], scores["adaptor"], rtol=1e-6)
    assert cells(tree, "curve") == [
        [
            str(m),
            *(f"{scores[name][place]:.3f}" for name in methods),
            f"{scores['adaptor'][place] / scores['frozen'][place]:.1%}",
        ]
        for place, m in enumerate((8, 64, 384))
    ]


def test_what_the_fit_held_out_is_shown(write, files, model, adaptor):
    found, _, tree = write(model, files / "corpus.parquet")
    scores = adaptor.validation_scores_
    kept = scores["kept"][0]
    assert found["held_out"]["main"] == kept
    assert found["held_out"]["n_rows"] == adaptor.held_out_.scores.shape[1]
    for row, m in enumerate(adaptor.dims_):
        shown = cells(tree, "held-out")[row]
        assert shown[0] == str(m)
        assert f"{scores[kept][row]:.3f}" == shown[-2]
        assert f"{scores['truncation'][row]:.3f}" in shown


def test_the_dim_is_the_one_recommended(write, files, labels, model, adaptor):
    for target in (0.9, 5.0):
        wanted = adaptor.recommend_dim(target)
        found, _, tree = write(model, files / "corpus.parquet", *labels, "--target", target)
        assert (found["choice"]["dim"], found["choice"]["share"]) == (wanted.dim, wanted.share)
        text = " ".join("".join(tree.find(f".//{XHTML}section[@id='short']").itertext()).split())
        assert f"Keep {wanted.dim} of 384 dims: {wanted.share:.1%} of full quality." in text
        missed = f"No dim keeps the {target:.1%} asked for; this is the best, by"
        assert (missed in text) == (wanted.share < target)
        marked = tree.findall(f".//{XHTML}tr[@class='marked']/{XHTML}th")
        assert {"".join(one.itertext()) for one in marked} == {f"take this {wanted.dim}"}


def test_bytes_and_cost(write, files, model):
    arguments = (model, files / "corpus.parquet", "--price", 2.5, "--currency", "USD")
    found, _, tree = write(*arguments, "--dims", "8,384")
    for row, m in zip(cells(tree, "bytes"), (8, 384), strict=True):
        sizes = [bytes_per_vector(m, one) for one in ("float32", "int8", "binary")]
        gb = sizes[0] / 1000
        cost = f"{gb * 2.5:#.3g}" if gb * 2.5 < 1 else f"{gb * 2.5:,.2f}"
        assert row[:4] == [f"{one:,}" for one in (m, *sizes)]
        assert row[4:6] == [f"{m / 384:.1%}", f"{gb:.3f}"]
        assert row[7] == cost
    assert [size["cost"] for size in found["sizes"]] == pytest.approx([0.08, 3.84])
    _, _, tree = write(*arguments[:2])
    assert len(cells(tree, "bytes")[0]) == 7


def test_the_queries_that_lose_most(write, files, labels, model, adaptor, data):
    found, _, tree = write(model, files / "corpus.parquet", *labels, "--dims", "8", "--target", 0.1)
    at = found["hurt"]["dim"]
    assert at == found["choice"]["dim"] == 8
    methods = {"frozen": None, "adaptor": adaptor}
    curve = dimension_curve(
        methods, data.corpus, data.queries, data.qrels, [at], per_query=True
    ).per_query
    change = curve["adaptor"]["ndcg@10"][0] - curve["frozen"]["ndcg@10"][0]
    counts = [int((change > 1e-9).sum()), int((np.abs(change) <= 1e-9).sum())]
    assert [found["hurt"][name] for name in ("better", "same")] == counts
    assert found["hurt"]["worse"] == len(data.queries) - sum(counts)
    shown = cells(tree, "hurt")
    names = data.query_ids.astype(str)[np.argsort(change, kind="stable")[:10]].tolist()
    assert [row[0] for row in shown] == names
    assert shown[0][3] == f"{change.min():.3f}".replace("-", "\N{MINUS SIGN}")


def test_where_the_best_document_went(write, files, labels, model, adaptor, data):
    found, _, _ = write(model, files / "corpus.parquet", *labels, "--dims", "8", "--target", 0.1)
    one = found["hurt"]["queries"][0]
    row = data.query_ids.astype(str).tolist().index(one["query"])
    column = data.corpus_ids.astype(str).tolist().index(one["document"])
    grades = data.qrels[[row]].toarray()[0]
    assert grades[column] == grades.max()
    assert one["n_relevant"] == (grades > 0).sum()
    vectors = (
        (data.queries[row], data.corpus),
        (
            adaptor.transform(data.queries[[row]], dim=8, side="query")[0],
            adaptor.transform(data.corpus, dim=8),
        ),
    )
    for name, (query, documents) in zip(("rank_full", "rank_adapted"), vectors, strict=True):
        cosines = documents @ query / np.linalg.norm(documents, axis=1)
        assert one[name] == 1 + (cosines > cosines[column]).sum()


def test_without_judgments_it_is_the_neighbours_that_are_kept(write, files, model, adaptor, data):
    found, text, tree = write(model, files / "corpus.parquet")
    kept = found["curve"]["methods"]["adaptor"]
    assert np.mean(kept[:-1]) == pytest.approx(adaptor.score(data.corpus), abs=1e-9)
    assert found["curve"]["methods"]["frozen prefix"][-1] == 1
    assert cells(tree, "curve")[0][2] == f"{kept[0]:.3f}"
    assert "There are no judgments." in text
    assert found["hurt"] is None
    assert tree.find(f".//{XHTML}section[@id='hurt']") is None


def test_a_model_without_held_out_rows(write, files, labels, data, tmp_path):
    path = tmp_path / "model.safetensors"
    MatryoshkaAdaptor(dims=(8, 64), max_iter=1, guard=False).fit(data.corpus).save(path)
    found, text, _ = write(path, files / "corpus.parquet")
    assert found["choice"] is None
    assert "No dim can be recommended." in text
    assert "nothing was held out when the model was fitted" in text
    found, text, _ = write(path, files / "corpus.parquet", *labels, "--target", 0.1)
    assert found["choice"]["dim"] == 8
    assert "judged queries of this report, without an interval" in text


def test_data_settings_and_how_to_make_it_again(write, files, labels, model, adaptor, data):
    corpus = files / "corpus.parquet"
    found, _, tree = write(model, corpus, *labels, "--price", 1, "--dims", "8,64")
    shown = facts(tree, "data")
    assert shown["Documents"] == "400 of 384 dims"
    assert shown["Read from"] == str(corpus)
    assert shown["Judgments"] == f"{data.qrels.nnz} , of {len(data.queries)} queries".replace(
        " ,", ","
    )
    assert shown["Vectors like the model's"] == str(adaptor.check_vectors(data.corpus))
    shown = facts(tree, "model")
    assert shown["Fingerprint"] == adaptor.fingerprint_
    assert shown["Settings"] == "dims=(8, 64, 384), max_iter=1, random_state=0"
    command = "".join(tree.find(f".//{XHTML}pre").itertext())
    assert command.startswith(f"madapt report {model} {corpus} --queries {files}")
    assert "--dims 8,64 --price 1 --currency EUR --output " in command
    assert found["made"]["command"] == command


def test_the_command_on_the_page_makes_it_again(write, files, labels, model, command, tmp_path):
    import shlex

    found, text, _ = write(model, files / "corpus.parquet", *labels, "--target", 0.9, "--price", 2)
    path = tmp_path / "report.html"
    path.unlink()
    name, *arguments = shlex.split(found["made"]["command"])
    assert (name, command(*arguments)[0]) == ("madapt", 0)
    assert path.read_text(encoding="utf-8") == text


def test_vectors_of_another_model_are_said(data, model, tmp_path, command):
    np.save(tmp_path / "other.npy", np.ascontiguousarray(data.corpus[:, ::-1]))
    path = tmp_path / "report.html"
    code, _, err = command("report", model, tmp_path / "other.npy", "-o", path)
    assert code == 0
    assert err.startswith("madapt: warning: CORPUS does not look like vectors of the model that")
    assert err.count("\n") == 1
    assert "do not look like vectors of the" in path.read_text(encoding="utf-8")


def test_what_users_write_is_escaped(write, data, model, tmp_path):
    folder = tmp_path / "a&b <i>"
    folder.mkdir()
    names = [f"{EVIL}{row}" for row in range(len(data.corpus))]
    asked = [f"q{EVIL}{row}" for row in range(len(data.queries))]
    for name, X, ids in (("c", data.corpus, names), ("q", data.queries, asked)):
        lines = (
            json.dumps({"id": one, "X": [float(x) for x in row.tolist()]})
            for one, row in zip(ids, X, strict=True)
        )
        (folder / f"{name}.jsonl").write_text("\n".join(lines), encoding="utf-8")
    entries = data.qrels.tocoo()
    lines = ["query-id\tcorpus-id\tscore"]
    lines += [f"{asked[i]}\t{names[j]}\t1" for i, j in zip(entries.row, entries.col, strict=True)]
    (folder / "qrels.tsv").write_text("\n".join(lines), encoding="utf-8")
    labels = ["--queries", folder / "q.jsonl", "--qrels", folder / "qrels.tsv"]
    more = ["--price", 1, "--currency", "<b>&", "--dims", "8", "--target", 0.1]
    _, text, tree = write(model, folder / "c.jsonl", *labels, *more, output="<x>&.html")
    assert "<script" not in text
    assert "<b>" not in text
    assert not [one for one in tree.iter() if one.tag == f"{XHTML}script"]
    shown = EVIL.replace("\x00", "\N{REPLACEMENT CHARACTER}").replace("\x1b", "\ufffd")
    assert cells(tree, "hurt")[0][0].startswith(f"q{shown}")
    ids = tree.findall(f".//{XHTML}section[@id='hurt']//{XHTML}code")
    assert all(one.get("dir") == "auto" for one in ids)


class Parser(HTMLParser):
    """Find what a browser would load, and what is not closed."""

    void = ("meta", "link", "path")

    def __init__(self):
        super().__init__()
        self.open, self.ids, self.loads, self.headings = [], [], [], []

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes, is_closed=True)

    def handle_starttag(self, tag, attributes, is_closed=False):
        found = dict(attributes)
        self.open += [] if is_closed else [tag]
        self.ids += [found["id"]] if "id" in found else []
        self.headings += [int(tag[1])] if re.fullmatch("h[1-6]", tag) else []
        for name in ("src", "href", "srcset", "data", "action", "poster", "xlink:href"):
            if name in found:
                self.loads.append(found[name])

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_is_well_formed_and_loads_nothing(write, files, labels, model):
    _, text, tree = write(model, files / "corpus.parquet", *labels)
    assert text.startswith("<!DOCTYPE html>\n")
    parser = Parser()
    parser.feed(text)
    assert parser.open == []
    assert len(parser.ids) == len(set(parser.ids))
    assert parser.headings == [1, *[2] * 8]
    # Links lead into the page; the icon is an empty one that browsers need not ask for.
    assert {one for one in parser.loads if not one.startswith("#")} == {"data:,"}
    assert {one[1:] for one in parser.loads if one.startswith("#")} <= set(parser.ids)
    assert "url(" not in text
    assert "@import" not in text
    names = re.findall(r"https?://[^\s\"<>]+", text)
    assert set(names) == {"http://www.w3.org/1999/xhtml", "http://www.w3.org/2000/svg"}
    used = [name for one in tree.iter() for name in one.get("aria-labelledby", "").split()]
    assert set(used) <= set(parser.ids)


def test_pictures_and_tables_say_what_they_are(write, files, labels, model):
    _, _, tree = write(model, files / "corpus.parquet", *labels, "--dims", "8", "--target", 0.1)
    svg = "{http://www.w3.org/2000/svg}"
    pictures = [one for one in tree.iter(f"{svg}svg") if one.get("role") == "img"]
    assert len(pictures) == 4  # two, each wide and narrow
    for one in pictures:
        assert one.find(f"{svg}title").text.endswith("by the number of dims kept")
        assert "The table has all numbers." in one.find(f"{svg}desc").text
    tables = tree.findall(f".//{XHTML}table")
    assert len(tables) == 4
    for one in tables:
        assert one.find(f"{XHTML}caption").text
        heads = one.findall(f"{XHTML}thead/{XHTML}tr/{XHTML}th")
        assert all(head.get("scope") == "col" for head in heads)
        for row in one.findall(f"{XHTML}tbody/{XHTML}tr"):
            assert row[0].get("scope") == "row"
            assert len(row) == len(heads)


def test_the_points_lie_where_the_scores_are(write, files, labels, model):
    found, _, tree = write(model, files / "corpus.parquet", *labels)
    svg = "{http://www.w3.org/2000/svg}"
    picture = tree.find(f".//{XHTML}section[@id='curve']//{svg}svg[@role='img']")
    grid = [
        float(one.get("d").split(",")[1].split("H")[0])
        for one in picture.findall(f"{svg}path")
        if "H" in one.get("d")
    ]
    ticks = [float(one.text) for one in picture.findall(f"{svg}text[@text-anchor='end']")]
    slope, offset = np.polyfit(grid, ticks, 1)
    line = picture.find(f"{svg}g[@class='s1']/{svg}path[@class='line']").get("d")
    places = [float(point.split(",")[1]) for point in line[1:].split("L")]
    wanted = found["curve"]["methods"]["adaptor"]
    np.testing.assert_allclose(slope * np.array(places) + offset, wanted, atol=2e-3)


def test_a_dry_run_writes_nothing(files, labels, model, tmp_path, succeed, command):
    for more in (labels, []):
        arguments = ["report", model, files / "corpus.parquet", *more]
        plan = succeed(*arguments, "-o", tmp_path / "report.html", "--dry-run")
        assert plan["dry_run"]
        assert plan["estimated_seconds"] > 0
        code, out, err = command(*arguments, "-o", tmp_path / "report.html", "--dry-run")
        assert (code, err) == (0, "")
        assert "Nothing was written." in out
    assert not list(tmp_path.iterdir())


def test_an_error_leaves_the_page_that_was_there(files, model, tmp_path, command, monkeypatch):
    from madapt import _replacing

    path = tmp_path / "report.html"
    path.write_text("what was there")

    def full(descriptor):
        raise OSError(28, "No space left")

    monkeypatch.setattr(_replacing.os, "fsync", full)
    code, out, err = command("report", model, files / "corpus.npy", "-o", path)
    assert (code, out) == (2, "")
    assert "No space left" in err
    assert path.read_text() == "what was there"
    assert [one.name for one in tmp_path.iterdir()] == ["report.html"]


def test_one_line_says_what_was_written(files, labels, model, adaptor, tmp_path, command):
    path = tmp_path / "report.html"
    code, out, err = command("report", model, files / "corpus.parquet", *labels, "-o", path)
    assert (code, err) == (0, "")
    wanted = adaptor.recommend_dim()
    first, second = out.splitlines()
    assert first.startswith(f"{wanted.dim} of 384 dims keep {wanted.share:.1%} of full quality, by")
    assert second.startswith(f"Wrote {path}: ")
