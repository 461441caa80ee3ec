"""An interrupted fit goes on where it ended, and comes to what one run comes to."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import madapt.estimator
from madapt import MatryoshkaAdaptor
from madapt.exceptions import InterruptedWarning
from madapt.training import first_stage, second_stage, stages, supervised, tasks
from madapt.training.loop import KEEP_EVERY

N, D, N_QUERIES = 120, 16, 24
STAGE_1, FOLDS, STAGE_2 = "stage 1, 16 dims", "stage 2, cv", "stage 2"
FAST = {"max_iter": (26, 24), "hidden_dim": 8, "center": None, "random_state": 0}


def rows_and_queries():
    generator = np.random.default_rng(0)
    rows = generator.standard_normal((N, 6)) @ generator.standard_normal((6, D))
    rows = (rows + 0.4 * generator.standard_normal((N, D))).astype(np.float32)
    queries = rows[:N_QUERIES] + 0.2 * generator.standard_normal((N_QUERIES, D))
    return rows, queries.astype(np.float32)


X, Q = rows_and_queries()
LABELS = {"queries": Q, "qrels": [{i: 1, i + 60: 2} for i in range(N_QUERIES)]}


@pytest.fixture(autouse=True)
def accept(monkeypatch):
    """Let the guard accept everything, so that all runs come."""
    for stage in (first_stage, second_stage):
        monkeypatch.setattr(stage, "is_no_worse", lambda *scores, **options: True)


def interrupt_at(monkeypatch, stage, step, number=1):
    """Press Ctrl-C at a step of the run of that name and number, and count all steps."""
    begun, steps = [], []

    def report(name):
        begun.append(name)
        place = begun.count(name)

        def show(done, loss):
            steps.append((name, done))
            if (name, place, done) == (stage, number, step):
                raise KeyboardInterrupt

        return show

    monkeypatch.setattr(madapt.estimator, "printer", lambda verbose: report)
    return steps


def interrupt_call(monkeypatch, owner, name, number):
    original, calls = getattr(owner, name), []

    def interrupted(*arguments, **keywords):
        calls.append(1)
        if len(calls) == number:
            raise KeyboardInterrupt
        return original(*arguments, **keywords)

    monkeypatch.setattr(owner, name, interrupted)


def interrupted_fit(model, labels=LABELS):
    with pytest.warns(InterruptedWarning, match="fit was interrupted"):
        model.fit(X, **labels)
    assert model.checkpoint_ is not None
    return model


_whole = {}


def whole(labels=LABELS, **parameters):
    """Return what one run comes to."""
    key = (bool(labels), *sorted(parameters.items()))
    if key not in _whole:
        _whole[key] = MatryoshkaAdaptor(**{**FAST, **parameters}).fit(X, **labels)
    return _whole[key]


def assert_same(model, other):
    assert model.fingerprint_ == other.fingerprint_
    assert model.loss_curve_ == other.loss_curve_
    assert model.validation_scores_ == other.validation_scores_
    assert_array_equal(model.held_out_.scores, other.held_out_.scores)
    assert model.checkpoint_ is None


def plain(value):
    """Say whether a value is made of arrays, numbers, text, lists and dicts alone."""
    if isinstance(value, dict):
        return all(isinstance(name, str) and plain(part) for name, part in value.items())
    if isinstance(value, list | tuple):
        return all(map(plain, value))
    return value is None or type(value) in (str, int, float, bool, np.ndarray)


@pytest.mark.parametrize(
    ("stage", "number", "step"),
    [
        (STAGE_1, 1, 1),
        (STAGE_1, 1, 20),
        (STAGE_1, 1, 23),
        (STAGE_1, 2, 22),
        (STAGE_1, 3, 26),
        (STAGE_1, 4, 3),  # the run on all rows
        (STAGE_1, 4, 25),
        (FOLDS, 1, 1),
        (FOLDS, 1, 23),
        (FOLDS, 2, 21),
        (FOLDS, 3, 24),
        (STAGE_2, 1, 2),
        (STAGE_2, 1, 22),
        (STAGE_2, 2, 3),
    ],
)
def test_at_any_step_of_any_run(monkeypatch, stage, number, step):
    expected = whole()
    with monkeypatch.context() as patched:
        steps = interrupt_at(patched, stage, step, number)
        model = interrupted_fit(MatryoshkaAdaptor(**FAST))
        before = len(steps)
    assert model.fingerprint_ != expected.fingerprint_
    assert plain(model.checkpoint_)
    model = pickle.loads(pickle.dumps(model)).set_params(warm_start=True)
    steps = interrupt_at(monkeypatch, None, None)
    assert_same(model.fit(X, **LABELS), expected)
    # What was done is not done again, but for the steps since the last position kept.
    kept = (step - 1) // KEEP_EVERY * KEEP_EVERY
    assert steps[0] == (stage, kept + 1)
    assert len(steps) == 4 * 26 + 5 * 24 - before + step - kept


@pytest.mark.parametrize(
    ("owner", "name", "number"),
    [
        (tasks.DocumentTask, "evaluate", 1),  # before the first step
        (tasks.DocumentTask, "gradients", 24),
        (tasks.QueryTask, "gradients", 23),
        (tasks.Updater, "update", 23),
        (first_stage, "neighbor_ndcg", 1),  # in the guards, between runs
        (first_stage, "composed", 4),
        (second_stage, "query_ndcg", 1),
        (second_stage, "cross_validate", 1),
        (supervised, "scaled", 1),
        (second_stage, "averaged", 1),
        (second_stage, "composed", 1),
    ],
)
def test_in_any_call(monkeypatch, owner, name, number):
    with monkeypatch.context() as patched:
        interrupt_call(patched, owner, name, number)
        model = interrupted_fit(MatryoshkaAdaptor(**FAST, warm_start=True))
    assert_same(model.fit(X, **LABELS), whole())


def test_in_the_midst_of_an_update(monkeypatch):
    """One parameter's moments are those of the step, the others' are not yet."""
    with monkeypatch.context() as patched:
        interrupt_call(patched, tasks.Adam, "step", 4 * 22 + 3)
        model = interrupted_fit(MatryoshkaAdaptor(**FAST, warm_start=True))
    assert_same(model.fit(X, **LABELS), whole())


@pytest.mark.parametrize(
    "parameters",
    [
        {"backend": "numpy"},
        {"rotation": "identity", "n_iter_no_change": 5},
        {"rotation": "svd", "early_stopping": False},
        {"topk_weight": 1.0},
    ],
)
@pytest.mark.parametrize("stage", [STAGE_1, STAGE_2])
def test_with_other_parameters(monkeypatch, parameters, stage):
    with monkeypatch.context() as patched:
        interrupt_at(patched, stage, 22)
        model = interrupted_fit(MatryoshkaAdaptor(**FAST, **parameters, warm_start=True))
    assert_same(model.fit(X, **LABELS), whole(**parameters))


def test_early_stopping_remembers_its_best_state(monkeypatch):
    """A single fold, whose checks choose the state."""
    parameters = {"guard": False, "learning_rate": 0.3}
    expected = whole({}, **parameters)
    with monkeypatch.context() as patched:
        interrupt_at(patched, STAGE_1, 23)
        model = interrupted_fit(MatryoshkaAdaptor(**FAST, **parameters, warm_start=True), {})
    assert_array_equal(model.fit(X).rotation_, expected.rotation_)
    assert model.loss_curve_ == expected.loss_curve_


def test_again_and_again(monkeypatch):
    model = MatryoshkaAdaptor(**FAST, warm_start=True)
    for stage, number, step in [(STAGE_1, 1, 21), (STAGE_1, 1, 25), (FOLDS, 1, 22)]:
        with monkeypatch.context() as patched:
            interrupt_at(patched, stage, step, number)
            interrupted_fit(model)
        model = pickle.loads(pickle.dumps(model))
    assert_same(model.fit(X, **LABELS), whole())


def test_interrupted_before_it_goes_on(monkeypatch):
    with monkeypatch.context() as patched:
        interrupt_at(patched, FOLDS, 22)
        model = interrupted_fit(MatryoshkaAdaptor(**FAST, warm_start=True))
    before = model.fingerprint_
    with monkeypatch.context() as patched:
        interrupt_call(patched, first_stage, "neighbor_ndcg", 1)
        with pytest.warns(InterruptedWarning, match="nothing was learned and the adaptor is"):
            model.fit(X, **LABELS)
    assert model.fingerprint_ == before
    with monkeypatch.context() as patched:
        interrupt_call(patched, stages, "svd_rotation", 1)
        with pytest.raises(KeyboardInterrupt):
            model.fit(X, **LABELS)
    assert_same(model.fit(X, **LABELS), whole())


def test_without_a_random_state_the_seed_is_remembered(monkeypatch):
    with monkeypatch.context() as patched:
        interrupt_at(patched, STAGE_1, 23)
        model = interrupted_fit(
            MatryoshkaAdaptor(**{**FAST, "random_state": None}, warm_start=True), {}
        )
    other = pickle.loads(pickle.dumps(model))
    assert model.fit(X).fingerprint_ == other.fit(X).fingerprint_


def test_a_warm_start_is_resumed_as_one(monkeypatch):
    first = whole()
    expected = pickle.loads(pickle.dumps(first)).set_params(warm_start=True).fit(X[:90])
    model = pickle.loads(pickle.dumps(first)).set_params(warm_start=True)
    with monkeypatch.context() as patched:
        interrupt_at(patched, STAGE_1, 22)
        with pytest.warns(InterruptedWarning, match="fit was interrupted"):
            model.fit(X[:90])
    assert plain(model.checkpoint_)
    assert_same(pickle.loads(pickle.dumps(model)).fit(X[:90]), expected)


@pytest.mark.parametrize(
    ("change", "data"),
    [
        ({}, X + np.float32(1e-3)),
        ({}, X[::-1]),
        ({"max_iter": (27, 24)}, X),
        ({"random_state": 1}, X),
        ({"listwise_weight": 2.0}, X),
    ],
)
def test_other_data_and_parameters_are_not_resumed(monkeypatch, change, data):
    with monkeypatch.context() as patched:
        interrupt_at(patched, STAGE_1, 23)
        model = interrupted_fit(MatryoshkaAdaptor(**FAST, warm_start=True), {})
    model.set_params(**change)
    steps = interrupt_at(monkeypatch, None, None)
    with pytest.warns(InterruptedWarning, match="interrupted on other data or with other "):
        model.fit(data)
    assert steps[0] == (STAGE_1, 1)
    assert model.checkpoint_ is None


def test_what_changes_no_number_does_not_matter(monkeypatch):
    with monkeypatch.context() as patched:
        interrupt_at(patched, STAGE_1, 23)
        model = interrupted_fit(MatryoshkaAdaptor(**FAST), {})
    model.set_params(warm_start=True, verbose=1, dim=4)
    expected = whole({})
    assert_same(model.fit(np.asfortranarray(X)), expected)


def test_without_a_warm_start_it_begins_afresh(monkeypatch):
    with monkeypatch.context() as patched:
        interrupt_at(patched, STAGE_1, 23)
        model = interrupted_fit(MatryoshkaAdaptor(**FAST), {})
    steps = interrupt_at(monkeypatch, None, None)
    assert_same(model.fit(X), whole({}))
    assert steps[0] == (STAGE_1, 1)
