"""scikit-learn's callbacks see each run and each step, and can end a fit."""

import subprocess
import sys

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from madapt import MatryoshkaAdaptor
from madapt._callbacks import HAS_CALLBACKS
from madapt.exceptions import InterruptedWarning
from madapt.training import first_stage, second_stage

needs_callbacks = pytest.mark.skipif(not HAS_CALLBACKS, reason="scikit-learn is older than 1.9")
N, D = 120, 16
FAST = {"max_iter": (6, 5), "hidden_dim": 8, "center": None, "random_state": 0}


def rows():
    generator = np.random.default_rng(0)
    factors = generator.standard_normal((N, 6)) @ generator.standard_normal((6, D))
    return (factors + 0.4 * generator.standard_normal((N, D))).astype(np.float32)


X = rows()
LABELS = {"queries": X[:24], "qrels": [{i: 1, i + 60: 2} for i in range(24)]}


class Seen:
    """A callback that notes every task, and may ask to stop at one."""

    def __init__(self, stop=None):
        self.stop, self.begun, self.ended, self.fitted = stop, [], [], []
        self.calls = []

    def setup(self, estimator, context):
        self.calls.append("setup")

    def teardown(self, estimator, context):
        self.calls.append("teardown")

    def on_fit_task_begin(self, estimator, context, *, X):
        self.begun.append((context.task_name, context.max_subtasks, len(X)))

    def on_fit_task_end(self, estimator, context, *, fitted_estimator):
        parent = context.parent and context.parent.task_name
        self.ended.append((parent, context.task_name, context.task_id))
        self.fitted.append(fitted_estimator.transform(X[:3]))
        return self.stop == self.ended[-1]


class Propagated(Seen):
    """The same for what a search fits."""

    max_propagation_depth = None

    def on_fit_task_begin(self, estimator, context, *, X):
        if type(estimator) is MatryoshkaAdaptor:
            super().on_fit_task_begin(estimator, context, X=X)

    def on_fit_task_end(self, estimator, context):
        return False


@pytest.fixture
def accept(monkeypatch):
    for stage in (first_stage, second_stage):
        monkeypatch.setattr(stage, "is_no_worse", lambda *scores, **options: True)


@needs_callbacks
@pytest.mark.usefixtures("accept")
def test_every_run_and_step_is_a_task():
    seen = Seen()
    model = MatryoshkaAdaptor(**FAST).set_callbacks(seen).fit(X, **LABELS)
    stages = [("stage 1, 16 dims", 6)] * 4 + [("stage 2, cv", 5)] * 3 + [("stage 2", 5)] * 2
    expected = [("fit", None, N)]
    for name, n_steps in stages:
        expected += [(name, n_steps, N), *[("step", 0, N)] * n_steps]
    assert seen.begun == expected
    assert seen.ended[:7] == [
        *[("stage 1, 16 dims", "step", i) for i in range(6)],
        ("fit", "stage 1, 16 dims", 0),
    ]
    assert seen.ended[-1] == (None, "fit", 0)
    assert len(seen.ended) == len(seen.begun)
    assert seen.calls == ["setup", "teardown"]
    # What callbacks are handed transforms as the fit would if it ended there.
    assert_array_equal(seen.fitted[-1], model.transform(X[:3]))
    assert np.abs(seen.fitted[0] - seen.fitted[5]).max() > 1e-4


@needs_callbacks
def test_looking_on_changes_no_digit():
    assert (
        MatryoshkaAdaptor(**FAST).set_callbacks(Seen()).fit(X, **LABELS).fingerprint_
        == MatryoshkaAdaptor(**FAST).fit(X, **LABELS).fingerprint_
    )


@needs_callbacks
@pytest.mark.usefixtures("accept")
@pytest.mark.parametrize(
    ("stop", "n_iter"),
    [
        (("stage 1, 16 dims", "step", 3), 4),
        (("fit", "stage 1, 16 dims", 0), 6),  # the end of a run
        (("fit", "stage 1, 16 dims", 3), 6),
        (("stage 2, cv", "step", 2), 6),
        (("fit", "stage 2, cv", 5), 6),
        (("stage 2", "step", 2), 9),
    ],
)
def test_a_callback_ends_the_fit_and_it_can_be_resumed(stop, n_iter):
    seen = Seen(stop)
    model = MatryoshkaAdaptor(**FAST, warm_start=True).set_callbacks(seen)
    with pytest.warns(InterruptedWarning, match=f"fit was interrupted after {n_iter} steps; "):
        model.fit(X, **LABELS)
    assert seen.ended[-2] == stop or (stop[1] == "step" and seen.ended[-3] == stop)
    assert seen.calls == ["setup", "teardown"]
    assert np.isfinite(model.transform(X)).all()
    n_begun = len(seen.begun)
    seen.stop = None
    model.fit(X, **LABELS)
    whole = MatryoshkaAdaptor(**FAST).fit(X, **LABELS)
    assert model.fingerprint_ == whole.fingerprint_
    # A callback stops between two steps: not one is done twice.
    steps = [name for name, *_ in seen.begun].count("step")
    assert steps == 4 * 6 + 5 * 5
    assert n_begun < len(seen.begun)


@needs_callbacks
def test_an_error_in_a_callback_is_passed_on():
    class Broken(Seen):
        def on_fit_task_end(self, estimator, context):
            raise ZeroDivisionError

    seen = Broken()
    with pytest.raises(ZeroDivisionError):
        MatryoshkaAdaptor(**FAST).set_callbacks(seen).fit(X)
    assert seen.calls == ["setup", "teardown"]


@needs_callbacks
def test_in_a_search_and_a_pipeline():
    seen = Propagated()
    pipeline = make_pipeline(StandardScaler(), MatryoshkaAdaptor(max_iter=3, random_state=0))
    search = GridSearchCV(pipeline, {"matryoshkaadaptor__listwise_weight": [1.0, 2.0]}, cv=2)
    search.set_callbacks(seen).fit(X)
    # Two candidates in two splits, and the best on all; each has several folds of its own.
    sizes = [n for name, max_subtasks, n in seen.begun if name == "stage 1, 16 dims"]
    assert set(sizes) == {N // 2, N}
    assert seen.calls == ["setup", "teardown"]


@needs_callbacks
def test_scikit_learns_own(capsys):
    pytest.importorskip("rich")
    from sklearn.callback import ProgressBar, ScoringMonitor

    monitor = ScoringMonitor(scoring={"overlap": lambda fitted, X, y: fitted.score(X)})
    model = MatryoshkaAdaptor(**FAST).set_callbacks(ProgressBar(), monitor)
    # It scores where there is a y, whatever that is.
    model.fit(X, np.zeros(N))
    assert "MatryoshkaAdaptor - stage 1, 16 dims #0" in capsys.readouterr().out
    scores = [row["overlap"] for row in monitor.get_logs().data if row["task_name"] == "step"]
    assert len(scores) >= 6
    assert all(0 < score <= 1 for score in scores)
    assert clone(model).fit(X).fingerprint_ == model.fingerprint_


def test_without_scikit_learns_callbacks():
    code = (
        "import sys; sys.modules['sklearn.callback'] = None\n"
        "import numpy as np\n"
        "from madapt import MatryoshkaAdaptor\n"
        "from madapt._callbacks import HAS_CALLBACKS\n"
        "X = np.random.default_rng(0).standard_normal((40, 8)).astype(np.float32)\n"
        "model = MatryoshkaAdaptor(max_iter=2, random_state=0, backend='numpy').fit(X)\n"
        "print(HAS_CALLBACKS, hasattr(model, 'set_callbacks'), model.n_iter_)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False", "2"]
