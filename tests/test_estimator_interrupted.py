"""Ctrl-C at any time leaves a fitted adaptor behind, and a warning."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import madapt.estimator
from madapt import MatryoshkaAdaptor
from madapt.baselines import SVDRotation
from madapt.exceptions import InterruptedWarning
from madapt.training import first_stage, second_stage, stages, supervised, tasks

N, D, N_QUERIES = 120, 16, 24
STAGE_1, FOLDS, STAGE_2 = "stage 1, 16 dims", "stage 2, cv", "stage 2"
FAST = {"max_iter": (8, 10), "hidden_dim": 8, "center": None, "random_state": 0}


def rows_and_queries():
    generator = np.random.default_rng(0)
    rows = generator.standard_normal((N, 6)) @ generator.standard_normal((6, D))
    rows = (rows + 0.4 * generator.standard_normal((N, D))).astype(np.float32)
    queries = rows[:N_QUERIES] + 0.2 * generator.standard_normal((N_QUERIES, D))
    return rows, queries.astype(np.float32)


X, Q = rows_and_queries()
LABELS = {"queries": Q, "qrels": [{i: 1, i + 60: 2} for i in range(N_QUERIES)]}


@pytest.fixture
def accept(monkeypatch):
    """Let the guard accept everything, so that the final run of stage 2 comes."""
    for stage in (first_stage, second_stage):
        monkeypatch.setattr(stage, "is_no_worse", lambda *scores, **options: True)


def interrupt_at(monkeypatch, stage, step):
    """Press Ctrl-C when the progress of a step is reported."""

    def report(name):
        def show(done, loss):
            if (name, done) == (stage, step):
                raise KeyboardInterrupt

        return show

    monkeypatch.setattr(madapt.estimator, "printer", lambda verbose: report)


def interrupt_call(monkeypatch, owner, name, number):
    """Press Ctrl-C in the call of that number."""
    original, calls = getattr(owner, name), []

    def interrupted(*arguments, **keywords):
        calls.append(1)
        if len(calls) == number:
            raise KeyboardInterrupt
        return original(*arguments, **keywords)

    monkeypatch.setattr(owner, name, interrupted)


def interrupted_fit(labels=LABELS, **parameters):
    model = MatryoshkaAdaptor(**{**FAST, **parameters})
    with pytest.warns(InterruptedWarning, match=r"fit was interrupted after \d+ steps") as caught:
        assert model.fit(X, **labels) is model
    assert len(caught) == 1
    assert f"after {model.n_iter_} steps" in str(caught[0].message)
    assert_usable(model)
    return model


def assert_usable(model):
    assert model.n_iter_ == len(model.loss_curve_)
    assert len(model.fingerprint_) == 16
    for m in (3, D):
        Z = model.transform(X, dim=m)
        assert_allclose(np.linalg.norm(Z, axis=1), 1, rtol=1e-5)
    assert_allclose(model.rotation_ @ model.rotation_.T, np.eye(D), atol=2e-6)
    assert 0 <= model.score(X) <= 1


def uninterrupted(labels=LABELS, **parameters):
    return MatryoshkaAdaptor(**{**FAST, **parameters}).fit(X, **labels)


@pytest.mark.parametrize("labels", [{}, LABELS])
@pytest.mark.parametrize("guard", [True, False])
@pytest.mark.parametrize("step", [1, 5, 8])
def test_in_stage_1(monkeypatch, step, guard, labels):
    interrupt_at(monkeypatch, STAGE_1, step)
    model = interrupted_fit(labels, guard=guard)
    assert model.n_iter_ == step
    assert not model.adaptor_.has_mlp  # stage 2 does not come
    assert bool(model.validation_scores_) == guard


@pytest.mark.parametrize("step", [1, 5])
def test_stage_1_keeps_the_last_state_where_nothing_is_held_out(monkeypatch, step):
    parameters = {"guard": False, "early_stopping": False}
    full = uninterrupted({}, **parameters)
    interrupt_at(monkeypatch, STAGE_1, step)
    model = interrupted_fit({}, **parameters)
    assert model.loss_curve_ == full.loss_curve_[:step]
    start = SVDRotation().fit(X).rotation_
    assert np.abs(model.rotation_ - start).max() > 1e-4


@pytest.mark.parametrize("step", [1, 4])
def test_in_stage_1_of_an_mlp(monkeypatch, step):
    interrupt_at(monkeypatch, STAGE_1, step)
    model = interrupted_fit({}, rotation="identity", guard=False, early_stopping=False)
    assert model.adaptor_.has_mlp
    assert model.n_iter_ == step


@pytest.mark.parametrize("step", [1, 6, 10])
def test_in_cross_validation(monkeypatch, step):
    interrupt_at(monkeypatch, FOLDS, step)
    model = interrupted_fit()
    alone = uninterrupted({"queries": Q}, hidden_dim=None)
    assert model.fingerprint_ == alone.fingerprint_
    assert model.validation_scores_ == alone.validation_scores_
    assert model.n_iter_ == 8


@pytest.mark.usefixtures("accept")
@pytest.mark.parametrize("step", [1, 2])
def test_in_the_final_stage_2(monkeypatch, step):
    parameters = {"early_stopping": False}
    full = uninterrupted(**parameters)
    interrupt_at(monkeypatch, STAGE_2, step)
    model = interrupted_fit(**parameters)
    assert model.adaptor_.has_mlp
    assert np.abs(model.adaptor_.W2).max() > 0
    assert model.loss_curve_ == full.loss_curve_[: 8 + step]
    assert model.validation_scores_ == full.validation_scores_


@pytest.mark.parametrize("step", [1, 10])
def test_in_stage_2_without_a_guard(monkeypatch, step):
    interrupt_at(monkeypatch, STAGE_2, step)
    model = interrupted_fit(guard=False)
    assert model.adaptor_.has_mlp
    assert model.n_iter_ == 8 + step


@pytest.mark.usefixtures("accept")
@pytest.mark.parametrize(
    ("owner", "name", "number"),
    [
        (tasks.DocumentTask, "gradients", 1),  # the first step of stage 1
        (tasks.DocumentTask, "gradients", 4),
        (tasks.DocumentTask, "evaluate", 1),  # before it, when dims are weighed
        (tasks.QueryTask, "gradients", 1),  # the first step of the first fold
        (tasks.QueryTask, "gradients", 13),  # in the second fold
        (
            tasks.QueryTask,
            "gradients",
            10 * supervised.MOST_FOLDS + 1,
        ),  # the first step of the final run
        (tasks.Updater, "update", 3),
        (first_stage, "neighbor_ndcg", 1),  # in the guard of stage 1
        (second_stage, "query_ndcg", 1),  # in the scores of stage 2
        (second_stage, "cross_validate", 1),
        (second_stage, "learn_from_queries", 1),
        (first_stage, "composed", 1),
        (second_stage, "composed", 1),
    ],
)
def test_in_any_call_of_the_training(monkeypatch, owner, name, number):
    interrupt_call(monkeypatch, owner, name, number)
    interrupted_fit(early_stopping=False)


def test_while_progress_is_printed(monkeypatch, capsys):
    monkeypatch.setattr("builtins.print", _raise_interrupt)
    interrupted_fit({}, verbose=1, guard=False)
    assert capsys.readouterr().out == ""


def _raise_interrupt(*arguments, **keywords):
    raise KeyboardInterrupt


def test_before_there_is_a_start_it_is_passed_on(monkeypatch):
    monkeypatch.setattr(stages, "svd_rotation", _raise_interrupt)
    model = MatryoshkaAdaptor(**FAST)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X)
    assert not hasattr(model, "adaptor_")


def test_a_model_stays_as_it_was_when_a_second_fit_ends_before_its_start(monkeypatch):
    model = MatryoshkaAdaptor(**{**FAST, "center": 0.5}).fit(X, queries=Q)
    before, fingerprint = model.transform(X), model.fingerprint_
    monkeypatch.setattr(stages, "svd_rotation", _raise_interrupt)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X + 1, queries=Q)
    assert_array_equal(model.transform(X), before)
    assert model.fingerprint_ == fingerprint


def test_after_an_interruption_fit_starts_afresh(monkeypatch):
    with monkeypatch.context() as patched:
        interrupt_at(patched, STAGE_1, 2)
        model = interrupted_fit({})
    expected = uninterrupted({})
    assert model.fit(X).fingerprint_ == expected.fingerprint_
    assert model.loss_curve_ == expected.loss_curve_
