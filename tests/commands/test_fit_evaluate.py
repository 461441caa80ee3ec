"""`madapt fit`, `evaluate`, `recommend` and `info` say and save what the library does."""

import numpy as np
import pytest

import madapt
from madapt import MatryoshkaAdaptor
from madapt.baselines import Truncation
from madapt.evaluation import dimension_curve

PARAMETERS = {"dims": (8, 64, 384), "max_iter": (2, 1), "random_state": 3}
FIT = ["--dims", "8,64,384", "--max-iter", "2,1", "--random-state", 3]
LABELS = {
    "ids in columns": ["corpus.parquet", "queries.jsonl", "qrels.tsv"],
    "ids in arrays": ["corpus.npz", "queries.npz", "qrels.trec"],
    "row numbers": ["corpus.npy", "queries.npy", "rows.trec"],
}


@pytest.fixture(scope="module")
def judged(data):
    """What the library learns with the labels."""
    fitted = MatryoshkaAdaptor(**PARAMETERS)
    return fitted.fit(data.corpus, queries=data.queries, qrels=data.qrels)


def given(files, names):
    corpus, queries, qrels = (files / name for name in names)
    return [corpus, "--queries", queries, "--qrels", qrels]


@pytest.mark.parametrize("names", LABELS.values(), ids=LABELS)
def test_fit_with_labels_is_the_library_s(names, files, data, judged, tmp_path, succeed):
    path = tmp_path / "model.safetensors"
    found = succeed("fit", *given(files, names), "-o", path, *FIT)
    loaded = MatryoshkaAdaptor.load(path)
    assert found["fingerprint"] == loaded.fingerprint_ == judged.fingerprint_
    assert loaded.get_params() == MatryoshkaAdaptor(**PARAMETERS).get_params()
    assert found["validation_scores"] == judged.validation_scores_
    assert found["judged_queries"] == len(data.queries)
    assert found["bytes_out"] == path.stat().st_size
    assert not found["is_interrupted"]


def test_judgments_that_are_refused_are_said_in_a_line(files, tmp_path, command):
    path = tmp_path / "model.safetensors"
    code, _, err = command("fit", files / "beir", "--split", "test", "-o", path, *FIT)
    assert code == 0
    assert err.startswith("madapt: warning: the judgments were not learned from: held-out")
    assert err.count("\n") == 1


def test_a_split_of_a_beir_folder_brings_its_labels(files, judged, tmp_path, succeed):
    path = tmp_path / "model.safetensors"
    found = succeed("fit", files / "beir", "--split", "test", "-o", path, *FIT)
    assert found["fingerprint"] == judged.fingerprint_


def test_fit_prints_the_held_out_scores_and_what_was_kept(files, data, tmp_path, command):
    path = tmp_path / "model.safetensors"
    options = ["--dims", "8,384", "--max-iter", 1, "--set", "rotation_dims=64"]
    code, out, err = command("fit", files / "beir", "-o", path, *options)
    assert (code, err) == (0, "")
    loaded = MatryoshkaAdaptor.load(path)
    assert (loaded.rotation_dims, loaded.max_iter, loaded.random_state) == (64, 1, 0)
    lines = out.splitlines()
    assert lines[0] == "neighbor ndcg@10 on held-out rows, by the number of dims kept"
    assert lines[2].split() == ["dims", "frozen", "truncation", "pca", "start", "adaptor"]
    assert lines[3].split()[-1] == f"{loaded.validation_scores_['adaptor'][0]:.3f}"
    assert f"Kept: {loaded.validation_scores_['kept'][0]}." in lines
    assert loaded.fingerprint_ in lines[-1]


def test_a_dry_run_of_fit_writes_nothing_and_knows_the_size(files, tmp_path, succeed, command):
    path = tmp_path / "model.safetensors"
    arguments = ["fit", files / "corpus.npy", "-o", path]
    plan = succeed(*arguments, "--dry-run")
    assert not list(tmp_path.iterdir())
    assert (plan["documents"], plan["d"], plan["dims"][-1]) == (400, 384, 384)
    assert plan["estimated_seconds"] > 0
    labelled = succeed("fit", *given(files, LABELS["row numbers"]), "-o", path, "--dry-run")
    assert labelled["estimated_seconds"] > plan["estimated_seconds"]
    assert labelled["bytes_out"] > plan["bytes_out"]
    done = succeed(*arguments, "--max-iter", 1)
    assert done["bytes_out"] == pytest.approx(plan["bytes_out"], rel=0.1)
    code, out, _ = command(*arguments, "--dry-run")
    assert code == 0
    assert out.startswith("Would fit on 400 documents of 384 dims, ")


def test_evaluate_is_the_dimension_curve(files, adaptor, model, data, succeed, command):
    arguments = ["evaluate", model, *given(files, LABELS["ids in columns"])]
    found = succeed(*arguments)
    methods = {"frozen_prefix": Truncation().fit(data.corpus), "adaptor": adaptor}
    curve = dimension_curve(methods, data.corpus, data.queries, data.qrels, adaptor.dims_)
    assert found["dims"] == [8, 64, 384]
    for name in methods:
        np.testing.assert_allclose(found[name], curve.scores[name]["ndcg@10"], rtol=1e-6)
    assert found["full"] == pytest.approx(found["frozen_prefix"][-1])
    code, out, err = command(*arguments, "--dims", "8", "--metric", "recall@100")
    assert (code, err) == (0, "")
    assert out.startswith(f"recall@100 of {found['judged_queries']} judged queries in 400")
    assert len(out.splitlines()) == 5
    plan = succeed(*arguments, "--dry-run")
    assert plan["dry_run"]
    assert plan["estimated_seconds"] > 0


def test_recommend(adaptor, model, succeed, command):
    wanted = adaptor.recommend_dim(0.9)
    found = succeed("recommend", model, "--target", 0.9)
    assert (found["dim"], found["share"], found["is_reached"]) == (wanted.dim, wanted.share, True)
    code, out, _ = command("recommend", model, "--target", 0.9)
    assert code == 0
    assert out.startswith(str(wanted))
    assert "no dim reaches 150.0%" in command("recommend", model, "--target", 1.5)[1]


def test_info(adaptor, model, succeed, command):
    found = succeed("info", model)
    assert found["fingerprint"] == adaptor.fingerprint_
    assert (found["d"], found["dims"], found["madapt"]) == (384, [8, 64, 384], madapt.__version__)
    assert found["parameters"] == {"dims": [8, 64, 384], "max_iter": 1, "random_state": 0}
    assert found["kept"] == adaptor.validation_scores_["kept"][0]
    code, out, _ = command("info", model)
    assert code == 0
    assert f"fingerprint     {adaptor.fingerprint_}\n" in out
