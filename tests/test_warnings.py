"""Warnings by class: judgments that teach nothing, interruptions, vectors of another model."""

import warnings

import numpy as np
import pytest
from scipy.sparse import csr_array

from madapt import MadaptWarning, MatryoshkaAdaptor
from madapt.exceptions import InterruptedWarning, JudgmentsWarning, OtherModelWarning
from madapt.training import second_stage

N, D, N_QUERIES = 120, 16, 24
generator = np.random.default_rng(0)
X = generator.standard_normal((N, D)).astype(np.float32)
Q = X[:N_QUERIES] + np.float32(0.3) * generator.standard_normal((N_QUERIES, D), dtype=np.float32)
RIGHT = csr_array((np.ones(N_QUERIES), (np.arange(N_QUERIES),) * 2), shape=(N_QUERIES, N))
WRONG = csr_array(
    (np.ones(N_QUERIES), (np.arange(N_QUERIES), np.argmin(Q @ X.T, axis=1))), shape=(N_QUERIES, N)
)
FAST = {"max_iter": 3, "hidden_dim": 4, "center": None, "random_state": 0}


def test_each_class_is_a_warning_of_madapt():
    for one in (InterruptedWarning, JudgmentsWarning, OtherModelWarning):
        assert issubclass(one, MadaptWarning)
        assert one.__doc__


def test_judgments_that_the_guard_refuses():
    with pytest.warns(JudgmentsWarning, match="the judgments were not learned from: ") as caught:
        MatryoshkaAdaptor(**FAST).fit(X, queries=Q, qrels=WRONG)
    assert len(caught) == 1
    assert caught[0].filename == __file__


def test_a_query_alone_is_too_few():
    with pytest.warns(JudgmentsWarning, match="or are too few to tell"):
        MatryoshkaAdaptor(**FAST).fit(X, queries=Q, qrels=[{0: 1}] + [{}] * (N_QUERIES - 1))


@pytest.mark.parametrize(
    ("qrels", "parameters"),
    [
        (None, {}),
        (WRONG, {"guard": False}),
        (WRONG, {"hidden_dim": None}),
        (WRONG, {"max_iter": (3, 0)}),
    ],
)
def test_no_judgments_were_to_be_learned_from_or_they_were(qrels, parameters):
    with warnings.catch_warnings(action="error"):
        MatryoshkaAdaptor(**FAST | parameters).fit(X, queries=Q, qrels=qrels)


def test_judgments_that_are_kept(monkeypatch):
    monkeypatch.setattr(second_stage, "is_no_worse", lambda *scores, **options: True)
    with warnings.catch_warnings(action="error"):
        model = MatryoshkaAdaptor(**FAST).fit(X, queries=Q, qrels=RIGHT)
    assert model.validation_scores_["kept"][0] == "supervised"


def test_they_are_filtered_by_class():
    with warnings.catch_warnings(action="error"):
        warnings.simplefilter("ignore", JudgmentsWarning)
        model = MatryoshkaAdaptor(**FAST).fit(X, queries=Q, qrels=WRONG)
    assert not model.adaptor_.has_mlp


def test_judgments_without_a_positive():
    with pytest.warns(JudgmentsWarning, match="1 of 2 judged queries have no positive"):
        MatryoshkaAdaptor(**FAST, guard=False).fit(X, queries=Q[:2], qrels=[{0: 1}, {1: 0}])
