"""docs/model-selection.md runs, and held-out scores are those of the same fold by hand."""

import math
import re
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context, get_config
from sklearn.model_selection import KFold
from sklearn.preprocessing import Normalizer

from madapt import MatryoshkaAdaptor
from madapt.datasets import load_cranfield

PAGE = Path(__file__).parents[1] / "docs" / "model-selection.md"
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)


@pytest.fixture(scope="module")
def names():
    """What the page's code leaves behind, run from top to bottom."""
    there = {}
    with config_context():  # the page switches routing on
        for block in BLOCKS:
            exec(compile(block, PAGE.name, "exec"), there)
    return there


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def ndcg_by_hand(found, grades, k=10):
    """Mean over queries with a positive; found: document rows, best first."""
    values = []
    for ranked, judged in zip(found, grades, strict=True):
        ideal = sorted((grade for grade in judged if grade > 0), reverse=True)[:k]
        best = sum(grade / math.log2(place + 2) for place, grade in enumerate(ideal))
        gained = sum(judged[j] / math.log2(place + 2) for place, j in enumerate(ranked[:k]))
        values += [gained / best] if best else []
    return sum(values) / len(values)


def held_out_by_hand(center, dims=(32, 64)):
    """nDCG@10 by fold and dim, of fits without a pipeline, a search or a scorer."""
    data = load_cranfield("train")
    # Not `unit`: training would carry a difference in the last digit further.
    queries, corpus = (Normalizer().fit_transform(rows) for rows in (data.queries, data.corpus))
    grades = data.qrels.toarray()
    scores = []
    for train, test in KFold(2, shuffle=True, random_state=0).split(queries):
        settings = {"rotation_dims": 64, "hidden_dim": 32, "max_iter": (2, 10), "random_state": 0}
        model = MatryoshkaAdaptor(center=center, **settings)
        model.fit(corpus, queries=queries[train], qrels=data.qrels[train])
        asked = model.transform(queries[test], side="query").astype(np.float64)
        searched = model.transform(corpus).astype(np.float64)
        fold = []
        for m in dims:
            similar = unit(asked[:, :m]) @ unit(searched[:, :m]).T
            found = np.argsort(-similar, axis=1, kind="stable")
            fold.append(ndcg_by_hand(found, grades[test]))
        scores.append(fold)
    return np.array(scores)  # (n_folds, n_dims)


def test_there_is_code():
    assert len(BLOCKS) == 5
    assert get_config()["enable_metadata_routing"] is False


def test_held_out_scores_of_the_chosen_candidate_are_those_by_hand(names):
    search = names["search"]
    expected = held_out_by_hand(search.best_params_["madapt__center"])
    results, best = search.cv_results_, search.best_index_
    for fold, of_fold in enumerate(expected):
        for m, value in zip((32, 64), of_fold, strict=True):
            assert_allclose(results[f"split{fold}_test_ndcg@10[{m}]"][best], value, atol=1e-6)
    assert_allclose(search.best_score_, expected.mean(), atol=1e-6)


def test_the_search_chose_the_best_of_its_candidates(names):
    means = names["search"].cv_results_["mean_test_ndcg@10"]
    assert len(means) == 2
    assert means[0] != means[1]
    assert names["search"].best_score_ == means.max()


def test_what_was_chosen_serves_with_routing_and_without(names):
    assert names["documents"].shape == (1400, 64)
    assert_array_equal(names["same_documents"], names["documents"])
    assert_array_equal(names["same_queries"], names["queries"])


def test_the_other_ways_give_scores(names):
    assert ((names["scores"]["test_ndcg@10"] > 0.2) & (names["scores"]["test_ndcg@10"] < 1)).all()
    assert 0.05 < names["halving"].best_score_ < 1
    assert len(names["few"]) == len(names["data"].queries)
    assert np.isfinite(names["square"].cv_results_["mean_test_recall@100"]).all()
