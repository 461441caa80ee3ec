"""Fits, streams, copies, files and settings in any order: what must hold after each step.

MADAPT_FUZZ_EXAMPLES sets how many sequences are tried.
"""

import copy
import os
import pickle
import re
import tempfile
import warnings
from dataclasses import fields, is_dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from madapt import MadaptError, MatryoshkaAdaptor
from madapt.quantization import PRECISIONS

N, D, N_QUERIES = 30, 8, 6
EXAMPLES = int(os.environ.get("MADAPT_FUZZ_EXAMPLES", "40"))
generator = np.random.default_rng(0)
X = generator.standard_normal((N, D)).astype(np.float32)
Q = X[:N_QUERIES] + np.float32(0.3) * generator.standard_normal((N_QUERIES, D), dtype=np.float32)
R = csr_array(np.eye(N_QUERIES, N, dtype=np.float32))
NAMES = [f"x{j}" for j in range(D)]


def altered(at, value):
    rows = X.copy()
    rows[at] = value
    return rows


#: Rows that any method takes, whatever else there is; those with names come under the same ones.
ROWS = {
    "float32": X,
    "float64": X[::-1].astype(np.float64) + 0.5,
    "float16": X.astype(np.float16),
    "lists": X.tolist(),
    "Fortran": np.asfortranarray(X),
    "read-only": np.frombuffer(X.tobytes(), np.float32).reshape(N, D),
    "frame": pd.DataFrame(X, columns=NAMES),
    "zero row": altered(3, 0),
    "all zero": np.zeros_like(X),
    "constant": np.ones_like(X),
    "rank 1": np.outer(X[:, 0], X[0]),
    "twice": np.repeat(X[:15], 2, axis=0),
    "long": X * np.float32(1e4),
    "short": X * np.float32(1e-4),
    "one row": X[:1],
    "two rows": X[:2],
    "many": np.concatenate([X, -X, X[::-1] + 1]),
}
#: Rows that no method takes.
BAD_ROWS = {
    "nan": altered((3, 4), np.nan),
    "inf": altered((3, 4), np.inf),
    "1-D": X[0],
    "no rows": X[:0],
    "text": X.astype(str),
    "none": None,
}
#: Rows that a fresh fit may take, and nothing that was fitted on the others.
OTHER_ROWS = {
    "narrow": X[:, :5],
    "names": pd.DataFrame(X, columns=NAMES[::-1]),
    "narrow names": pd.DataFrame(X[:, :5], columns=NAMES[:5]),
}
ALL_ROWS = ROWS | BAD_ROWS | OTHER_ROWS
QUERIES = {"Q": Q, "float64": Q.astype(float), "nan": Q + np.nan, "narrow": Q[:, :5]}
QRELS = {"R": R, "zero": 0 * R, "short": R[:5], "dicts": [{0: 1, 3: 2}] * N_QUERIES, "text": "R"}
#: Values of parameters, and those that `fit` refuses.
GOOD = {
    "dims": [(2, 4, 8), [4], None],
    "dim": [None, 1, 3, 8],
    "rotation": ["learned", "svd", "identity"],
    "rotation_dims": ["auto", 3, None],
    "hidden_dim": ["auto", 4, None],
    "activation": ["relu", "tanh"],
    "center": ["auto", None],
    "guard": [True, False],
    "early_stopping": [True, False],
    "max_iter": [1, (2, 1)],
    "max_fit_rows": [50_000, 25],
    "warm_start": [False, True],
    "normalize": [True, False],
    "random_state": [0, 7],
    "support_size": ["auto", None],
    "dim_weights": ["relative", None],
}
BAD = {
    "dims": [(2, 40), (4, 2), "x"],
    "rotation": ["other"],
    "hidden_dim": [0, 2.5],
    "activation": [None, np.tanh],
    "max_iter": [-1],
    "max_fit_rows": [0],
    "warm_start": [1],
    "backend": ["none such"],
    "learning_rate": [np.nan],
}
BASE = {"dims": (2, 4, 8), "max_iter": 1, "hidden_dim": 4, "batch_size": 8, "random_state": 0}
WIDTHS = {"int4": 2, "int2": 4, "binary": 8}
#: How scikit-learn says that columns are not those of the fit.
COLUMNS = "X has [0-9]+ features, but|The feature names should match"


def frozen(value):
    """Return something that is equal where all numbers, types and bits in it are."""
    if isinstance(value, np.ndarray):
        data = value.tolist() if value.dtype == object else value.tobytes()
        return "array", value.dtype.str, value.shape, repr(data)
    if isinstance(value, dict):
        return "dict", tuple((key, frozen(one)) for key, one in sorted(value.items()))
    if isinstance(value, list | tuple):
        return type(value).__name__, tuple(map(frozen, value))
    if isinstance(value, np.random.RandomState):
        return "RandomState", frozen(value.get_state(legacy=False))
    if is_dataclass(value) and not isinstance(value, type):
        content = {one.name: getattr(value, one.name) for one in fields(value)}
        return type(value).__name__, frozen(content)
    if hasattr(value, "__dict__") and not callable(value):
        return type(value).__name__, frozen(vars(value))
    return type(value).__name__, repr(value)


def public(model):
    """Return what goes with a file: no private attributes, save what `set_output` chose."""
    return {
        name: value
        for name, value in vars(model).items()
        if not name.startswith("_") or name == "_sklearn_output_config"
    }


def bits(model):
    """Return all that `transform` gives at all dims."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return [
            np.asarray(model.transform(X[:5], m, side, precision=precision)).tobytes()
            for m in range(1, model.n_features_in_ + 1)
            for side in ("document", "query")
            for precision in (None, *PRECISIONS)
            if model.n_features_in_ == D
        ]


class Stop:
    """A callback that ends a fit after some tasks."""

    def __init__(self, n):
        self.n = n

    def setup(self, estimator, context):
        self.left = self.n

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context):
        self.left -= 1
        return self.left < 0

    def teardown(self, estimator, context):
        pass


class AnyOrder(RuleBasedStateMachine):
    @initialize(guard=st.booleans(), normalize=st.booleans())
    def begin(self, guard, normalize):
        self.model = MatryoshkaAdaptor(**BASE, guard=guard, normalize=normalize)
        self.fitted = False
        self.bad = {}
        self.output = "default"
        self.batches = []  # of the stream, while parameters stay

    # What every step goes through.

    def tried(self, call, *, must=None):
        """Return what a call gives, or None where it is refused as it should be."""
        before, parameters = frozen(self.fitted_part()), frozen(self.model.get_params())
        refusal = None
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)
                found = call()
        except (MadaptError, NotFittedError) as error:
            refusal = error
        except ValueError as error:
            if not re.search(COLUMNS, str(error)):
                raise
            refusal = error
        if refusal is None:
            assert must is not False
            return found
        assert must is not True, refusal
        assert frozen(self.fitted_part()) == before, refusal
        assert frozen(self.model.get_params()) == parameters
        return None

    def fitted_part(self):
        parameters = self.model.get_params()
        return {k: v for k, v in vars(self.model).items() if k not in parameters}

    def must_fit(self, rows, *others):
        """Return whether a fit must work, must not, or None where that depends."""
        if self.bad or rows in BAD_ROWS:
            return False
        plain = rows in ROWS and rows not in ("one row", "two rows", "long")
        fresh = not (self.fitted and self.model.warm_start)
        return True if plain and fresh and not any(others) else None

    def seeded(self, call):
        """Make the same fit on a clone: what was learned before must not matter."""
        if not self.model.warm_start:
            other = clone(self.model)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)
                call(other)
            assert other.fingerprint_ == self.model.fingerprint_

    # Training.

    def learned(self, call, must):
        if self.tried(lambda: call(self.model), must=must) is None:
            return
        self.fitted, self.batches = True, None
        assert self.model.checkpoint_ is None
        self.seeded(call)

    @rule(rows=st.sampled_from(sorted(ALL_ROWS)))
    def fit(self, rows):
        self.learned(lambda model: model.fit(ALL_ROWS[rows]), self.must_fit(rows))

    @rule(rows=st.sampled_from(sorted(ALL_ROWS)), queries=st.sampled_from(sorted(QUERIES)))
    def fit_with_queries(self, rows, queries):
        must = self.must_fit(rows, queries not in ("Q", "float64"))
        must = False if queries == "nan" else must
        self.learned(lambda model: model.fit(ALL_ROWS[rows], queries=QUERIES[queries]), must)

    @rule(
        rows=st.sampled_from(["float32", "float64", "frame", "twice", "all zero", "nan", "narrow"]),
        qrels=st.sampled_from(sorted(QRELS)),
        is_split=st.booleans(),
    )
    def fit_with_labels(self, rows, qrels, is_split):
        X, grades = ALL_ROWS[rows], QRELS[qrels]
        must = self.must_fit(rows, qrels not in ("R", "dicts"))
        must = False if qrels in ("zero", "short", "text") else must
        if is_split:
            self.learned(lambda model: model.fit(Q, grades, corpus=X), must)
        else:
            self.learned(lambda model: model.fit(X, queries=Q, qrels=grades), must)

    @precondition(lambda self: hasattr(self.model, "set_callbacks"))
    @rule(n=st.integers(0, 6), has_labels=st.booleans())
    def interrupted_fit(self, n, has_labels):
        labels = {"queries": Q, "qrels": R} if has_labels else {}
        self.model.set_callbacks(Stop(n))
        done = self.tried(lambda: self.model.fit(X, **labels))
        self.model.set_callbacks()
        if done is not None:
            self.fitted, self.batches = True, None
            before = frozen(self.model.get_params())
            self.copied()
            assert frozen(self.model.get_params()) == before

    @precondition(lambda self: self.fitted and self.model.warm_start is True and not self.bad)
    @rule(has_labels=st.booleans())
    def go_on(self, has_labels):
        labels = {"queries": Q, "qrels": R} if has_labels else {}
        done = self.tried(lambda: self.model.fit(X, **labels))
        if done is not None:
            self.batches = None
            assert self.model.checkpoint_ is None

    @rule(rows=st.sampled_from(sorted(ALL_ROWS)))
    def partial_fit(self, rows):
        must = False if self.bad or rows in BAD_ROWS else None
        if not self.fitted and not self.bad and rows in ROWS and rows != "long":
            must = True
        seen = getattr(self.model, "n_samples_seen_", 0)
        done = self.tried(lambda: self.model.partial_fit(ALL_ROWS[rows]), must=must)
        if done is None:
            return
        assert self.model.n_samples_seen_ == seen + len(ALL_ROWS[rows])
        self.fitted = True
        if self.batches is not None:
            self.batches.append(rows)
            other = clone(self.model)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)
                for name in self.batches:
                    other.partial_fit(ALL_ROWS[name])
            assert other.fingerprint_ == self.model.fingerprint_

    @precondition(lambda self: self.fitted and not self.bad)
    @rule(rows=st.sampled_from(["float32", "many", "twice"]), way=st.sampled_from(["fit", "part"]))
    def a_copy_learns_the_same(self, rows, way):
        """Nothing that further training needs is lost on the way."""
        for other in self.copied():
            twin = copy.deepcopy(self.model)
            found = []
            for model in (twin, other):
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", UserWarning)
                    try:
                        (model.fit if way == "fit" else model.partial_fit)(ALL_ROWS[rows])
                    except (MadaptError, ValueError) as error:
                        found.append(str(error))
                    else:
                        found.append(model.fingerprint_)
            assert found[0] == found[1]

    # Use.

    @rule(
        rows=st.sampled_from(sorted(ALL_ROWS)),
        m=st.sampled_from([None, *range(-1, D + 2), True, 2.0, "2"]),
        side=st.sampled_from(["document", "query", "other"]),
        precision=st.sampled_from([None, *PRECISIONS, "int3"]),
    )
    def transform(self, rows, m, side, precision):
        d = getattr(self.model, "n_features_in_", D)
        asked = self.model.dim if m is None else m
        asked = d if asked is None else asked
        is_dim = type(asked) is int and 1 <= asked <= d
        must = self.fitted and is_dim and rows not in BAD_ROWS
        must = must and side != "other" and precision != "int3"
        if must and (rows in OTHER_ROWS or d != D or hasattr(self.model, "feature_names_in_")):
            must = None  # depends on columns
        before = frozen(vars(self.model))
        call = lambda: self.model.transform(ALL_ROWS[rows], m, side, precision=precision)  # noqa: E731
        Z = self.tried(call, must=must)
        assert frozen(vars(self.model)) == before
        if Z is not None:
            self.check_output(Z, ALL_ROWS[rows], asked, precision)

    def check_output(self, Z, rows, m, precision):
        types = {"pandas": "pandas", "polars": "polars", "default": "numpy"}
        assert type(Z).__module__.split(".")[0] == types[self.output]
        Z = Z.to_numpy() if self.output != "default" else Z
        assert Z.shape == (len(rows), -(-m // WIDTHS.get(precision, 1)))
        single = np.asarray(rows).dtype in (np.float32, np.float16)
        single = single or isinstance(rows, pd.DataFrame)
        wanted = {
            None: np.float32 if single else np.float64,
            "int8": np.int8,
            **dict.fromkeys(WIDTHS, np.uint8),
        }
        assert Z.dtype == wanted.get(precision, precision)
        assert np.isfinite(Z).all()
        if precision in ("int8", *WIDTHS):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)
                back = self.model.dequantize(Z, precision, m)
            assert back.shape == (len(rows), m)
            assert np.isfinite(back).all()
        elif self.model.quantizer_.unit:
            lengths = np.linalg.norm(Z.astype(float), axis=1)
            is_zero = ~np.asarray(rows, float).any(axis=1)
            near = np.abs(lengths - 1) < (2e-3 if precision == "float16" else 1e-5)
            assert (near | is_zero | (lengths == 0)).all()

    @rule(m=st.sampled_from([None, 3, D]))
    def score_and_recommend(self, m):
        before = frozen(vars(self.model))
        score = self.tried(lambda: self.model.score(X))
        assert score is None or 0 <= score <= 1
        found = self.tried(lambda: self.model.recommend_dim(0.9))
        assert found is None or found.dim in self.model.dims_
        self.tried(lambda: self.model.stamp(m))
        assert frozen(vars(self.model)) == before

    # Copies.

    def copied(self):
        """Return the model from a pickle and from a file, each compared with it."""
        before = frozen(vars(self.model))
        pickled = pickle.loads(pickle.dumps(self.model))
        assert frozen(vars(pickled)) == before
        copies = [pickled]
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model"
            if self.tried(lambda: self.model.save(path) or True, must=self.can_be_saved()):
                copies.append(MatryoshkaAdaptor.load(path))
                assert frozen(public(copies[1])) == frozen(public(self.model))
                copies[1].save(path.with_name("again"))
                assert path.read_bytes() == path.with_name("again").read_bytes()
            else:
                assert list(path.parent.iterdir()) == []
        if self.fitted:
            expected = bits(self.model)
            for one in copies:
                assert one.fingerprint_ == self.model.fingerprint_
                assert bits(one) == expected
        assert frozen(vars(self.model)) == before
        return copies

    def can_be_saved(self):
        return self.fitted and self.bad.get("activation") is not np.tanh

    @rule(place=st.integers(0, 1))
    def copy_and_go_on(self, place):
        copies = self.copied()
        self.model = copies[min(place, len(copies) - 1)]

    @rule(is_kept=st.booleans())
    def clone(self, is_kept):
        found = clone(self.model)
        assert not hasattr(found, "fingerprint_")
        assert not hasattr(found, "adaptor_")
        assert frozen(found.get_params()) == frozen(self.model.get_params())
        if not is_kept:
            self.model, self.fitted, self.batches = found, False, []

    # Settings.

    @rule(data=st.data(), name=st.sampled_from(sorted(GOOD)))
    def set_params(self, data, name):
        self.model.set_params(**{name: data.draw(st.sampled_from(GOOD[name]))})
        self.bad.pop(name, None)
        self.batches = None if self.fitted else []

    @rule(data=st.data(), name=st.sampled_from(sorted(BAD)))
    def set_bad_params(self, data, name):
        self.bad[name] = data.draw(st.sampled_from(BAD[name]))
        self.model.set_params(**{name: self.bad[name]})
        self.batches = None if self.fitted else []

    @precondition(lambda self: self.bad)
    @rule()
    def mend(self):
        default = MatryoshkaAdaptor(**BASE).get_params()
        self.model.set_params(**{name: default[name] for name in self.bad})
        self.bad = {}

    @rule(output=st.sampled_from(["default", "pandas", "polars"]))
    def set_output(self, output):
        self.model.set_output(transform=output)
        self.output = output

    @invariant()
    def fitted_is_whole(self):
        model = self.model
        assert hasattr(model, "fingerprint_") == hasattr(model, "adaptor_") == self.fitted
        if self.fitted:
            d = model.n_features_in_
            rotation = model.rotation_
            assert rotation.shape == (d, d)
            assert np.abs(rotation @ rotation.T - np.eye(d)).max() < 1e-4
            assert max(model.dims_) <= d
            assert len(model.loss_curve_) == model.n_iter_


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(
    max_examples=EXAMPLES, stateful_step_count=20, deadline=None, print_blob=True
)
