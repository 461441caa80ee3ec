"""A saved adaptor comes back as it was, or not at all."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from safetensors import safe_open
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

import madapt
from madapt import InvalidFileError, InvalidTypeError, MatryoshkaAdaptor
from madapt.persistence import FORMAT, written_by
from madapt.quantization import PRECISIONS

DATA = Path(__file__).parent / "data"
CODED = ("int8", "int4", "int2", "binary")
N, D, N_QUERIES = 80, 16, 30
generator = np.random.default_rng(0)
X = generator.standard_normal((N, 6)) @ generator.standard_normal((6, D)) + 0.3
X += 0.3 * generator.standard_normal((N, D))
Q = X[:N_QUERIES] + 0.3 * generator.standard_normal((N_QUERIES, D)) - 0.6
R = csr_array((np.ones(N_QUERIES), (np.arange(N_QUERIES), np.arange(N_QUERIES))), (N_QUERIES, N))
KINDS = {
    "rotation": {},
    "svd": {"rotation": "svd", "hidden_dim": None},
    "guard": {"guard": True},
    "centred": {"center": 0.5},
    "labels": {"center": 0.5, "labels": True},
    "paper": {"rotation": "identity", "hidden_dim": 8, "activation": "gelu"},
    "as they are": {"normalize": False, "random_state": np.random.RandomState(0)},
}


def fitted(dtype=np.float32, labels=False, **parameters):
    more = {}
    if labels or "center" in parameters:
        more["queries"] = Q.astype(dtype)
    if labels:
        more["qrels"] = R
    chosen = {"max_iter": (3, 6), "hidden_dim": None, "guard": False, "random_state": 0}
    if labels:
        chosen["hidden_dim"] = 8
    return MatryoshkaAdaptor(**{**chosen, **parameters}).fit(X.astype(dtype), **more)


def assert_same(one, other):
    """Compare two models attribute by attribute, and all that they give bit by bit."""
    assert sorted(vars(one)) == sorted(vars(other))
    assert repr(clone(one)).split(" at ")[0] == repr(clone(other)).split(" at ")[0]
    for name in ("dims_", "loss_curve_", "n_iter_", "validation_scores_", "fingerprint_"):
        assert getattr(one, name) == getattr(other, name)
        assert type(getattr(one, name)) is type(getattr(other, name))
    assert one.quantizer_.rotations.keys() == other.quantizer_.rotations.keys()
    assert one.held_out_ is None or one.recommend_dim(0.9) == other.recommend_dim(0.9)
    for dtype in (np.float32, np.float64):
        for side, rows in (("document", X), ("query", Q)):
            for m in range(1, D + 1):
                for precision in (None, *PRECISIONS):
                    Z, other_Z = (
                        model.transform(rows.astype(dtype), m, side, precision=precision)
                        for model in (one, other)
                    )
                    assert Z.dtype == other_Z.dtype
                    assert_array_equal(Z, other_Z)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A model of everything, and its file."""
    path = tmp_path_factory.mktemp("saved") / "model.safetensors"
    model = fitted(labels=True, center=0.5)
    model.save(path)
    return model, path


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", KINDS)
def test_everything_comes_back(tmp_path, kind, dtype):
    model = fitted(dtype, **KINDS[kind])
    model.save(tmp_path / "model")
    loaded = MatryoshkaAdaptor.load(str(tmp_path / "model"))
    assert_same(loaded, model)
    loaded.save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == (tmp_path / "model").read_bytes()


def test_parameters_come_back_as_they_were(tmp_path):
    parameters = {
        "dims": [2, np.int64(4), 16],
        "dim": fitted(guard=True).recommend_dim(0.5),
        "rotation_dims": np.int32(8),
        "rotation": np.str_("learned"),
        "dim_weights": (1, np.float32(0.1), 3.0),
        "max_iter": [3, 6],
        "init_scale": (0.1, 0),
        "early_stopping": np.False_,
        "backend": "numpy",
        "random_state": np.int64(3),
    }
    fitted(**parameters).save(tmp_path / "model")
    loaded = MatryoshkaAdaptor.load(tmp_path / "model")
    for found in (loaded.get_params(), clone(loaded).get_params()):
        for name, value in parameters.items():
            assert found[name] == value
            assert repr(found[name]) == repr(value)


@pytest.mark.parametrize("dims", [range(2, 9, 2), np.array([2, 4, 8])], ids=["range", "array"])
def test_dims_of_other_types(tmp_path, dims):
    fitted(dims=dims).save(tmp_path / "model")
    loaded = MatryoshkaAdaptor.load(tmp_path / "model")
    assert type(loaded.dims) is type(dims)
    assert list(loaded.dims) == list(dims)
    assert loaded.dims_ == (2, 4, 8) or loaded.dims_ == (2, 4, 6, 8)


def test_a_random_state_goes_on_where_it_was(tmp_path):
    model = fitted(random_state=np.random.RandomState(5))
    model.save(tmp_path / "model")
    loaded = MatryoshkaAdaptor.load(tmp_path / "model")
    assert loaded.fit(X).fingerprint_ == model.fit(X).fingerprint_


def test_names_of_columns_and_the_chosen_output_come_back(tmp_path):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=[f"column {i}" for i in range(D)])
    model = MatryoshkaAdaptor(max_iter=1, dim=3).fit(frame).set_output(transform="pandas")
    model.save(tmp_path / "model")
    loaded = MatryoshkaAdaptor.load(tmp_path / "model")
    assert_array_equal(loaded.feature_names_in_, model.feature_names_in_)
    assert loaded.feature_names_in_.dtype == model.feature_names_in_.dtype
    pandas.testing.assert_frame_equal(loaded.transform(frame), model.transform(frame))
    with pytest.raises(ValueError, match="feature names"):
        loaded.transform(frame[frame.columns[::-1]])


@pytest.mark.parametrize("value", [print, np.random, np.random.default_rng(0)], ids=str)
def test_a_parameter_that_cannot_be_stored_is_refused_before_anything_is_written(tmp_path, value):
    model = fitted().set_params(random_state=value)
    with pytest.raises(InvalidTypeError, match="^random_state cannot be saved: it must be one of"):
        model.save(tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_what_is_not_fitted_is_not_saved(tmp_path):
    with pytest.raises(NotFittedError):
        MatryoshkaAdaptor().save(tmp_path / "model")


@pytest.mark.parametrize("path", [3, None, b"model", Path])
def test_a_path_is_text_or_a_path(path):
    for call in (fitted().save, MatryoshkaAdaptor.load):
        with pytest.raises(InvalidTypeError, match="path must be a str or a path, got"):
            call(path)


def test_a_path_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match="missing"):
        MatryoshkaAdaptor.load(tmp_path / "missing")
    with pytest.raises(FileNotFoundError, match="missing"):
        fitted().save(tmp_path / "missing" / "model")


class Named(MatryoshkaAdaptor):
    """A subclass as users write them: a parameter and an attribute of its own."""

    labels_ = None

    def __init__(self, title, **parameters):
        super().__init__(**parameters)
        self.title = title

    @classmethod
    def _get_param_names(cls):
        return sorted(["title", *MatryoshkaAdaptor._get_param_names()])

    def fit(self, X, y=None):
        self.labels_ = {"rows": [len(X)], 3: np.arange(3)}
        return super().fit(X)


def test_subclasses(tmp_path):
    model = Named("mine", max_iter=3).fit(X)
    model.save(tmp_path / "model")
    loaded = Named.load(tmp_path / "model")
    assert type(loaded) is Named
    assert loaded.get_params() == model.get_params()
    assert (loaded.title, loaded.max_iter) == ("mine", 3)
    assert loaded.labels_["rows"] == [N]
    assert_array_equal(loaded.transform(X), model.transform(X))
    with pytest.raises(InvalidFileError, match=r"Named of madapt .* whose title the Matryoshka"):
        MatryoshkaAdaptor.load(tmp_path / "model")


def test_others_can_read_it(saved):
    model, path = saved
    with safe_open(path, "np") as file:
        content = json.loads(file.metadata()["madapt"])
        assert_array_equal(file.get_tensor("adaptor_.P"), model.adaptor_.P)
    assert content["format"] == 2
    assert content["madapt"] == madapt.__version__
    assert content["attributes"]["fingerprint_"] == model.fingerprint_
    assert content["parameters"]["center"] == 0.5


def assert_as_kept(model, number):
    """Hold a model to what the file beside that of a format says it gave."""
    with np.load(DATA / f"adaptor-v{number}.npz") as expected:
        assert model.fingerprint_ == expected["fingerprint"]
        assert model.stamp() == expected["stamp"]
        checked = 0
        for side in ("document", "query"):
            for m in (5, D):
                for precision in PRECISIONS:
                    Z = model.transform(expected[side], m, side, precision=precision)
                    wanted = expected[f"{side} {m} {precision}"]
                    assert Z.dtype == wanted.dtype
                    if precision.startswith("float"):
                        # Another BLAS rounds otherwise; codes are steps, and stay.
                        tolerance = 1e-3 if precision == "float16" else 2e-6
                        np.testing.assert_allclose(Z, wanted, atol=tolerance)
                    else:
                        assert np.mean(wanted != Z) <= 0.02
                    checked += 1
    assert checked == 24


@pytest.mark.parametrize("number", range(1, FORMAT + 1))
def test_files_of_every_format_stay_readable(number, tmp_path):
    model = MatryoshkaAdaptor.load(DATA / f"adaptor-v{number}.safetensors")
    assert_as_kept(model, number)
    assert model.dims_ == model.dims == (4, 8, 16)
    assert model.n_iter_ == len(model.loss_curve_) == 60
    assert model.validation_scores_["dim"] == [8, 16]
    assert model.recommend_dim(0.9).n_held_out == 198
    assert model.random_state.randint(2**31) != np.random.RandomState(0).randint(2**31)
    # Written anew, in the newest format, it gives the same.
    model.save(tmp_path / "anew.safetensors")
    assert written_by(tmp_path / "anew.safetensors") == (madapt.__version__, FORMAT)
    again = MatryoshkaAdaptor.load(tmp_path / "anew.safetensors")
    assert_as_kept(again, number)
    assert type(again.quantizer_) is type(model.quantizer_)


def test_codes_of_format_1_come_back_as_they_did():
    """Half whitened: what was decoded from them before is what queries were ranked by."""
    model = MatryoshkaAdaptor.load(DATA / "adaptor-v1.safetensors")
    with np.load(DATA / "adaptor-v1.npz") as kept:
        Z, codes = kept[f"document {D} float32"], {p: kept[f"document {D} {p}"] for p in CODED}
    c = model.quantizer_.deviations / np.linalg.norm(model.quantizer_.deviations)
    for precision, least in zip(CODED, (0.999, 0.98, 0.9, 0.75), strict=True):
        decoded = model.dequantize(codes[precision], precision, D)
        wanted = Z if precision == "int8" else Z / np.sqrt(c)
        lengths = np.linalg.norm(decoded, axis=1) * np.linalg.norm(wanted, axis=1)
        assert ((decoded * wanted).sum(axis=1) / lengths).mean() > least


def test_the_code_in_the_docs_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(MatryoshkaAdaptor.__init__.__kwdefaults__, "max_iter", 1)
    text = (DATA.parents[1] / "docs" / "persistence.md").read_text(encoding="utf-8")
    names = {"X": np.random.default_rng(0).standard_normal((99, 80), dtype=np.float32)}
    names |= {"MatryoshkaAdaptor": MatryoshkaAdaptor, "index_stamp": "madapt:0@64/int8"}
    *blocks, last = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    for block in blocks:
        exec(compile(block, "persistence.md", "exec"), names)
    assert names["stamp"] == f"madapt:{names['adaptor'].fingerprint_}@64"
    assert_array_equal(names["P"].T, names["adaptor"].rotation_)
    with pytest.raises(RuntimeError, match="another model"):
        exec(compile(last, "persistence.md", "exec"), names)
