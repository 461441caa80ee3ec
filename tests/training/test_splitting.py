"""What is held out without labels: once where there is much, in folds where there is little."""

from types import SimpleNamespace

import numpy as np
import pytest

from madapt import MatryoshkaAdaptor
from madapt.datasets import load_cranfield
from madapt.training import TrainingData
from madapt.training.splitting import everything, splits_of


def data_of(n, n_queries=0, judged=(), d=4):
    X = np.random.default_rng(0).standard_normal((n, d)).astype(np.float32)
    Q = X[:n_queries] if n_queries else None
    return TrainingData(X, X, Q, Q, np.array(judged, dtype=int))


def settings_of(**changes):
    settings = {"validation_fraction": 0.1, "guard": True, "early_stopping": True}
    return SimpleNamespace(**settings | {"query_share": 0.5} | changes)


def drawn(n, n_queries=0, **changes):
    return splits_of(data_of(n, n_queries), settings_of(**changes), np.random.default_rng(1))


@pytest.mark.parametrize(
    ("n", "n_queries", "folds", "documents", "queries"),
    [
        (5000, 0, 1, 500, 0),
        (20_000, 0, 1, 1000, 0),
        (5000, 800, 1, 500, 80),
        (1400, 0, 2, 140, 0),
        (500, 0, 3, 67, 0),
        (120, 0, 3, 40, 0),
        (5000, 60, 3, 500, 20),
        (5000, 30, 3, 500, 10),
        (5000, 200, 3, 500, 34),
        (5000, 400, 2, 500, 50),
        (12, 0, 1, 1, 0),
    ],
)
def test_how_much_is_held_out(n, n_queries, folds, documents, queries):
    found = drawn(n, n_queries)
    assert len(found) == folds
    for split in found:
        assert (len(split.held_out_documents), len(split.held_out_queries)) == (documents, queries)
        assert split.is_only == (folds == 1)


@pytest.mark.parametrize(("n", "n_queries"), [(500, 0), (700, 33), (3000, 900)])
def test_each_fold_and_what_is_trained_on_are_a_partition(n, n_queries):
    found = drawn(n, n_queries)
    for split in found:
        both = np.concatenate([split.documents, split.queries, split.held_out])
        assert np.array_equal(np.sort(both), np.arange(n + n_queries))
        assert split.documents.max() < n <= split.queries.min(initial=n + n_queries)
    held_out = np.concatenate([split.held_out for split in found])
    assert len(np.unique(held_out)) == len(held_out)


def test_each_fold_has_its_share_of_the_judged_queries():
    judged = np.arange(3, 600, 20)
    found = splits_of(data_of(1000, 600, judged), settings_of(), np.random.default_rng(1))
    assert len(found) == 3
    for split in found:
        assert np.isin(split.held_out_queries - 1000, judged).sum() == 10
        assert len(split.held_out_queries) == 10 + 57
    held_out = np.concatenate([split.held_out_queries for split in found])
    assert np.isin(judged + 1000, held_out).all()


def test_judgments_change_no_split_where_all_queries_have_them():
    plain, judged = (
        splits_of(data_of(1000, 60, which), settings_of(), np.random.default_rng(1))
        for which in ((), range(60))
    )
    for one, other in zip(plain, judged, strict=True):
        for rows, others in zip(one, other, strict=True):
            assert np.array_equal(rows, others)


def test_nothing_is_held_out_where_nothing_looks():
    (split,) = drawn(500, 50, guard=False, early_stopping=False)
    assert len(split.held_out) == 0
    assert len(split.documents) == 500


def test_without_a_guard_there_are_no_folds():
    (split,) = drawn(500, guard=False)
    assert len(split.held_out_documents) == 50


def test_queries_that_are_not_learned_from_are_left_out():
    assert len(everything(data_of(50, 9), settings_of(query_share=0.0)).queries) == 0
    assert len(everything(data_of(50, 9), settings_of()).queries) == 9


def test_a_small_corpus_is_measured_on_many_rows_and_learned_from_whole():
    X = load_cranfield().corpus[:800]
    model = MatryoshkaAdaptor(random_state=0).fit(X)
    assert model.held_out_.scores.shape == (7, 240)
    assert model.held_out_.weights.sum() == pytest.approx(1.0)
    assert model.validation_scores_["kept"] == ["adaptor"] * 7
    assert np.mean(model.validation_scores_["adaptor"]) > np.mean(model.validation_scores_["start"])


def test_a_small_corpus_without_structure_stays_at_the_start():
    kept = []
    for seed in range(10):
        X = np.random.default_rng(seed).standard_normal((200, 32))
        model = MatryoshkaAdaptor(dims=(4, 8, 16), random_state=seed).fit(X)
        kept += model.validation_scores_["kept"][:1]
    assert kept.count("adaptor") <= 2
