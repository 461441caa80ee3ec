"""The same arguments, in whatever form, give the same model to the last digit."""

import hashlib
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy.sparse import coo_array, csc_array, csr_array

from madapt import MatryoshkaAdaptor
from madapt._fingerprint import fingerprint
from madapt.exceptions import JudgmentsWarning

N, D, N_QUERIES = 120, 16, 25


def factors_and_noise(n, seed):
    basis = np.random.default_rng(0).standard_normal((5, D))
    generator = np.random.default_rng(seed)
    rows = generator.standard_normal((n, 5)) @ basis + 0.5 * generator.standard_normal((n, D))
    return (rows + 0.5).astype(np.float32)


X, Q = factors_and_noise(N, 1), factors_and_noise(N_QUERIES, 2) - 1
R = csr_array((np.random.default_rng(3).random((N_QUERIES, N)) < 0.05).astype(np.float32))
assert (R.sum(axis=1) > 0).all()
FAST = {"max_iter": (6, 12), "hidden_dim": 16, "random_state": 0}


def fitted(y=None, *, queries=None, qrels=None, **parameters):
    model = MatryoshkaAdaptor(**{**FAST, **parameters})
    return model.fit(X, y, queries=queries, qrels=qrels)


def assert_same_model(one, other):
    assert one.fingerprint_ == other.fingerprint_
    for name, array in one.adaptor_.parameters.items():
        assert_array_equal(array, other.adaptor_.parameters[name])
    assert one.loss_curve_ == other.loss_curve_
    assert one.validation_scores_ == other.validation_scores_
    assert_array_equal(one.transform(X, dim=7), other.transform(X, dim=7))
    assert_array_equal(one.transform(Q, side="query"), other.transform(Q, side="query"))


def test_all_forms_of_judgments_give_the_same_model():
    lists = [{int(j): 1 for j in row.indices} for row in (R[[i]] for i in range(N_QUERIES))]
    query_ids, corpus_ids = [f"q{i}" for i in range(N_QUERIES)], [f"d{j}" for j in range(N)]
    dicts = {f"q{i}": {f"d{j}": 1 for j in row} for i, row in reversed(list(enumerate(lists)))}
    named = {"query_ids": query_ids, "corpus_ids": corpus_ids}
    expected = fitted(queries=Q, qrels=R)
    forms = {
        "csc": lambda model: model.fit(X, queries=Q, qrels=csc_array(R)),
        "coo, float64": lambda model: model.fit(X, queries=Q, qrels=coo_array(R).astype(float)),
        "list": lambda model: model.fit(X, queries=Q, qrels=lists),
        "dict by row": lambda model: model.fit(X, queries=Q, qrels=dict(enumerate(lists))),
        "dict by id": lambda model: model.fit(X, queries=Q, qrels=dicts, **named),
        "corpus=, sparse": lambda model: model.fit(Q, R, corpus=X),
        "corpus=, list": lambda model: model.fit(Q, lists, corpus=X),
        "corpus=, ids": lambda model: model.fit(Q, dicts, corpus=X, **named),
    }
    for fit in forms.values():
        assert_same_model(fit(MatryoshkaAdaptor(**FAST)), expected)


def test_a_one_dimensional_y_is_ignored():
    expected = fitted().fingerprint_
    for y in (np.arange(N), [1] * N, np.array(["a"] * N), [1, 2, 3]):
        assert fitted(y=y).fingerprint_ == expected


def test_queries_without_a_positive_are_left_out_with_a_warning():
    grades, (rows, columns) = np.append(R.data, 0), R.nonzero()
    at = np.append(rows, N_QUERIES), np.append(columns, 3)
    more = csr_array((grades, at), shape=(N_QUERIES + 1, N))
    with pytest.warns(JudgmentsWarning, match="1 of 26 judged queries have no positive"):
        model = fitted(queries=np.vstack([Q, X[:1]]), qrels=more, center=None, query_share=0)
    assert_same_model(model, fitted(queries=Q, qrels=R, center=None, query_share=0))


@pytest.mark.parametrize("labels", [{}, {"queries": Q}, {"queries": Q, "qrels": R}])
@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("guard", [True, False])
def test_the_same_random_state_gives_the_same_digits(guard, normalize, labels):
    arguments = {"guard": guard, "normalize": normalize, **labels}
    one = fitted(**arguments)
    assert_same_model(fitted(random_state=np.random.RandomState(0), **arguments), one)
    other = fitted(random_state=1, **arguments)
    assert other.loss_curve_ != one.loss_curve_
    assert_same_model(one.fit(X, **labels), fitted(**arguments))


SCRIPT = """
import hashlib, sys
import numpy as np
from madapt import MatryoshkaAdaptor
with np.load(sys.argv[1]) as data:
    X, Q, grades = data["X"], data["Q"], data["grades"]
qrels = [{int(j): 1 for j in np.flatnonzero(row)} for row in grades]
model = MatryoshkaAdaptor(max_iter=(6, 12), hidden_dim=16, guard=False, random_state=0)
model.fit(X, queries=Q, qrels=qrels)
Z = model.transform(Q, dim=7, side="query")
print(model.fingerprint_, hashlib.sha256(Z.tobytes()).hexdigest())
"""


def test_another_process_gives_the_same_digits(tmp_path):
    np.savez(tmp_path / "data.npz", X=X, Q=Q, grades=R.toarray())
    model = fitted(queries=Q, qrels=R, guard=False)
    Z = model.transform(Q, dim=7, side="query")
    result = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path / "data.npz")],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.split() == [model.fingerprint_, hashlib.sha256(Z.tobytes()).hexdigest()]


def test_a_fingerprint_changes_with_all_that_transform_depends_on():
    model = fitted(queries=Q, qrels=R, guard=False, center=0.5)
    adaptor, center, quantizer = model.adaptor_, model.center_, model.quantizer_
    assert len(adaptor.parameters) == 5
    prints = [model.fingerprint_]
    for name, array in adaptor.parameters.items():
        for at in (0, -1):
            other = array.copy()
            other.flat[at] = np.nextafter(other.flat[at], 2)
            prints.append(fingerprint(adaptor.replace(**{name: other}), center, True, quantizer))
    other = center.copy()
    other[1, 3] = np.nextafter(other[1, 3], 2)
    prints += [fingerprint(adaptor, moved, True, quantizer) for moved in (other, None)]
    prints.append(fingerprint(adaptor, center, False, quantizer))
    prints.append(fingerprint(replace(adaptor, activation="tanh"), center, True, quantizer))
    prints += [
        fingerprint(adaptor, center, True, replace(quantizer, **changed))
        for changed in (
            {"mean": 2 * quantizer.mean},
            {"deviations": 2 * quantizer.deviations},
            {"largest": 2 * quantizer.largest},
            {"rotations": {}},
        )
    ]
    assert len(set(prints)) == len(prints)
    assert fingerprint(adaptor, center, True, quantizer) == model.fingerprint_
    same = {name: np.asfortranarray(array) for name, array in adaptor.parameters.items()}
    moved = fingerprint(adaptor.replace(**same), center.copy(), True, quantizer)
    assert moved == model.fingerprint_
    assert len(model.fingerprint_) == 16
    assert set(model.fingerprint_) <= set("0123456789abcdef")
