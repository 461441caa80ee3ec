"""Every kernel says what the array code says."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from madapt._rows import unit_rows
from madapt.backends import get_backend
from madapt.losses import Objective, neighbor_pairs

KERNELS = get_backend("numba").kernels


@dataclass
class Case:
    """Rows and columns of a corpus: all against all, or the first rows against all."""

    n: int
    d: int
    dims: tuple[int, ...]
    n_rows: int | None = None
    seed: int = 0

    def arrays(self):
        generator = np.random.default_rng(self.seed)
        X = unit_rows(generator.standard_normal((self.n, self.d)))
        Y = X + generator.standard_normal((self.n, self.d)) / 2 / self.d**0.5
        S = np.clip(X @ X.T, -1, 1)
        return Y.astype(np.float32), (0.5 * (S + S.T)).astype(np.float32)


# The tile has 64 rows, a chunk 512 columns.
CASES = {
    "small": Case(20, 12, (2, 5, 12)),
    "two rows": Case(2, 6, (3, 6)),
    "one row": Case(1, 6, (3, 6)),
    "tiles": Case(128, 16, (4, 16)),
    "not a multiple of the tile": Case(131, 33, (5, 20, 32)),
    "beyond a chunk": Case(1100, 24, (3, 9, 24)),
    "one dim": Case(70, 32, (32,)),
    "one short dim": Case(70, 32, (7,)),
    "every dim": Case(67, 24, tuple(range(2, 25))),
    "one coordinate": Case(67, 24, (1, 8)),
    "few against many": Case(1100, 24, (3, 9, 24), n_rows=70),
    "one against many": Case(600, 16, (4, 16), n_rows=1),
    "all against all, as columns": Case(66, 16, (4, 16), n_rows=66),
    "one against itself, as a column": Case(1, 16, (4, 16), n_rows=1),
}


def no_change(Y, S):
    return Y, S


def zero_rows(Y, S):
    Y[::3] = 0
    return Y, S


def zero_prefixes(Y, S):
    Y[1::3, : Y.shape[1] // 2] = 0
    Y[2::5, : Y.shape[1] // 2] = 1e-12
    return Y, S


def all_zero(Y, S):
    return 0 * Y, S


def duplicates(Y, S):
    half = len(Y) // 2
    Y[half : 2 * half], S[half : 2 * half] = Y[:half], S[:half]
    S[:, half : 2 * half] = S[:, :half]
    return Y, np.maximum(S, S.T)


def lengths(Y, S):
    return Y * np.logspace(-6, 6, len(Y), dtype=np.float32)[:, None], S


CHANGES = (no_change, zero_rows, zero_prefixes, all_zero, duplicates, lengths)
OBJECTIVES = {
    "listwise": {"listwise_weight": 1.0, "neighbor_temperature": 0.1},
    "sharp listwise": {"listwise_weight": 1.0, "neighbor_temperature": 0.025},
    "warm prefixes": {
        "listwise_weight": 1.0,
        "neighbor_temperature": 0.05,
        "prefix_temperature": 0.6,
    },
    "pairwise": {"listwise_weight": 0.0, "pairwise_weight": 1.0},
    "topk": {"listwise_weight": 0.0, "topk_weight": 1.0, "n_neighbors": 3},
    "similarity": {"listwise_weight": 0.0, "topk_weight": 0.7, "pairwise_weight": 1.3},
    "all": {"listwise_weight": 0.5, "topk_weight": 0.7, "pairwise_weight": 1.3},
}
RELEVANCE = {
    "softmax": {"relevance": "softmax", "relevance_temperature": 0.05},
    "warm softmax": {"relevance_temperature": 0.05, "prefix_temperature": 0.6},
    "logistic": {"relevance": "logistic", "relevance_temperature": 1.0},
    "sharp logistic": {"relevance": "logistic", "relevance_temperature": 0.01},
}


def parts(gradient):
    return gradient if isinstance(gradient, tuple) else (gradient,)


def distance(found, wanted):
    pairs = zip(parts(found), parts(wanted), strict=True)
    return np.sqrt(sum(float(((a.astype(float) - b) ** 2).sum()) for a, b in pairs))


def rounding(dims, temperature, *rows):
    """Bound what rounding does to a value, and to a gradient whose terms cancel.

    Slopes A have row sums of at most 2 / (t n) and are off by eps of that or c / t by eps / t;
    prefix l carries them to the gradient times 1 / length, for each of its two terms.
    """
    sizes = []
    for Y in rows:
        for m in dims:
            length = np.linalg.norm(Y[:, :m].astype(float), axis=1)
            whole = np.linalg.norm(Y[:, : dims[-1]].astype(float), axis=1)
            counts = length > 1e-7 * whole
            sizes.append(np.linalg.norm(1 / length[counts]) / len(Y))
    eps = 4 * float(np.finfo(np.float32).eps) / min(temperature, 1)
    return eps, eps * max(sizes)


def assert_same(objective: Objective, method: str, *arrays: Any, **options: Any):
    """Hold the kernels to the array code."""
    fused = replace(objective, kernels=KERNELS)
    value, gradient = getattr(fused, method)(*arrays, **options)
    wanted, right = getattr(objective, method)(*arrays, **options)
    temperature, rows = objective.neighbor_temperature, (arrays[0], options.get("columns"))
    if method == "queries":
        temperature, rows = objective.relevance_temperature, arrays[:2]
    rows = [Y for Y in rows if Y is not None]
    of_value, of_gradient = rounding(objective.dims, temperature, *rows)
    assert value == pytest.approx(wanted, rel=1e-5, abs=of_value)
    for found, part in zip(parts(gradient), parts(right), strict=True):
        assert found.shape == part.shape
        assert found.dtype == np.float32
        assert np.isfinite(found).all()
    norm = distance(right, tuple(np.zeros_like(part) for part in parts(right)))
    assert distance(gradient, right) <= 1e-5 * norm + of_gradient


def documents(case: Case, change):
    Y, S = change(*case.arrays())
    if case.n_rows is None:
        return (Y, S), {}
    others = np.ones((case.n_rows, case.n), dtype=bool)
    np.fill_diagonal(others, False)
    return (Y[: case.n_rows], S[: case.n_rows]), {"columns": Y, "pairs": others}


@pytest.mark.parametrize("objective", OBJECTIVES.values(), ids=OBJECTIVES)
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_document_kernels_on_all_shapes(case, objective):
    arrays, options = documents(case, no_change)
    assert_same(Objective(case.dims, **objective), "documents", *arrays, **options)


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("objective", OBJECTIVES.values(), ids=OBJECTIVES)
@pytest.mark.parametrize("n_rows", [None, 40])
def test_document_kernels_on_odd_rows(n_rows, objective, change):
    case = Case(90, 24, (4, 12, 24), n_rows)
    arrays, options = documents(case, change)
    assert_same(Objective(case.dims, **objective), "documents", *arrays, **options)


@pytest.mark.parametrize("objective", OBJECTIVES.values(), ids=OBJECTIVES)
@pytest.mark.parametrize("is_square", [True, False])
def test_document_kernels_with_weights_and_neighbors(objective, is_square):
    case = Case(90, 24, (4, 12, 24), None if is_square else 40)
    arrays, options = documents(case, no_change)
    # Not symmetric, and with marks where nothing counts.
    options["neighbors"] = np.random.default_rng(1).random(arrays[1].shape) < 0.1
    options["neighbors"][:3] = False
    objective = Objective(case.dims, weights=(3.0, 0.0, 1.0), **objective)
    assert_same(objective, "documents", *arrays, **options)


@pytest.mark.parametrize("objective", OBJECTIVES.values(), ids=OBJECTIVES)
@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_document_kernels_with_masks(objective, share):
    case = Case(90, 24, (4, 12, 24), 40)
    arrays, options = documents(case, no_change)
    options["pairs"] = np.random.default_rng(1).random(arrays[1].shape) < share
    options["pairs"][:3] = False  # empty lists
    assert_same(Objective(case.dims, **objective), "documents", *arrays, **options)
    options["pairs"] = None
    assert_same(Objective(case.dims, **objective), "documents", *arrays, **options)


# The array code of the ranking loss takes memory for each positive.
QUERY_CASES = {name: case for name, case in CASES.items() if case.n < 200} | {
    "beyond a chunk": Case(1100, 24, (3, 24), n_rows=3),
}


def query_case(case: Case, change, grades: str):
    generator = np.random.default_rng(3)
    Y, _ = change(*case.arrays())
    Q = generator.standard_normal((case.n_rows or case.n, case.d)).astype(np.float32)
    R = np.zeros((len(Q), case.n), np.float32)
    if grades == "few":
        R[generator.random(R.shape) < 0.05] = 1
    elif grades == "graded":
        R = generator.integers(0, 4, R.shape).astype(np.float32)
    elif grades == "all":
        R += 1
    R[::4] = 0
    return Q, Y, R


@pytest.mark.parametrize("grades", ["none", "few", "graded", "all"])
@pytest.mark.parametrize("relevance", RELEVANCE.values(), ids=RELEVANCE)
@pytest.mark.parametrize("case", QUERY_CASES.values(), ids=QUERY_CASES)
def test_query_kernels_on_all_shapes(case, relevance, grades):
    assert_same(Objective(case.dims, **relevance), "queries", *query_case(case, no_change, grades))


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("relevance", RELEVANCE.values(), ids=RELEVANCE)
def test_query_kernels_on_odd_rows(relevance, change):
    case = Case(90, 24, (4, 12, 24), 30)
    objective = Objective(case.dims, weights=(1.0, 2.0, 3.0), **relevance)
    assert_same(objective, "queries", *query_case(case, change, "graded"))


@pytest.mark.parametrize("k", [1, 3, 1000])
@pytest.mark.parametrize("exclude_self", [True, False])
def test_neighbors_and_their_ties(k, exclude_self):
    S = np.random.default_rng(0).integers(-3, 4, (50, 50)).astype(np.float32)
    found = KERNELS["neighbor_pairs"](S, k, exclude_self=exclude_self)
    np.testing.assert_array_equal(found, neighbor_pairs(S, k, exclude_self=exclude_self))


def not_served():
    (Y, S), _ = documents(Case(20, 8, (4, 8)), no_change)
    mask = np.ones(S.shape, dtype=bool)
    half = Y.astype(float), S.astype(float)
    yield "float64", Objective((4, 8), topk_weight=1.0), half, {}
    yield "mixed", Objective((4, 8)), (Y, S.astype(float)), {}
    yield "square mask", Objective((4, 8), pairwise_weight=1.0), (Y, S), {"pairs": mask}
    yield "cold", Objective((4, 8), neighbor_temperature=0.01), (Y, S), {}


@pytest.mark.parametrize(("name", "objective", "arrays", "options"), list(not_served()))
def test_what_a_kernel_cannot_serve_goes_to_the_array_code(name, objective, arrays, options):
    fused = replace(objective, kernels=KERNELS)
    value, gradient = fused.documents(*arrays, **options)
    wanted, right = objective.documents(*arrays, **options)
    assert value == wanted
    np.testing.assert_array_equal(gradient, right)


@pytest.mark.parametrize("objective", OBJECTIVES.values(), ids=OBJECTIVES)
def test_strided_and_read_only_arrays(objective):
    case = Case(90, 24, (4, 12, 20))
    Y, S = case.arrays()
    wide = np.concatenate([Y, Y], axis=1)[:, :24]
    objective = Objective(case.dims, **objective)
    assert_same(objective, "documents", wide, np.asfortranarray(S))
    Y.flags.writeable = S.flags.writeable = False
    assert_same(objective, "documents", Y, S)
