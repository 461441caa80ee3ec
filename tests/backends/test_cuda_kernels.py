"""The CUDA kernels say what the array code says: their sources run on a CPU, thread by thread.

Nothing here runs on a GPU. NVRTC compiles the same sources where it is installed.
"""

import ctypes
import importlib.util
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from madapt._rows import unit_rows
from madapt.adaptor import ResidualAdaptor
from madapt.backends.cupy._device import PROGRAMS, Device, source
from madapt.backends.cupy._kernels import kernels_of
from madapt.losses import Objective, graded_listwise_loss, listwise_loss, neighbor_pairs
from madapt.training.optimizers import Adam, OrthogonalAdam
from madapt.training.sampling import DocumentSampler
from madapt.training.tasks import DocumentTask, Updater
from tests.backends.cuda_on_cpu import (
    CUPY,
    device,
    here,
    mixed_device,
    needs_a_compiler,
    order,
    there,
)

TOLERANCE = 1e-5


@dataclass
class Shape:
    """Rows against rows of their own, or against n columns of which they are the first."""

    B: int
    d: int
    dims: tuple[int, ...]
    n: int | None = None
    #: Rows of a tile; None is all at once.
    tile: int | None = None

    def device(self) -> Device:
        if self.tile is None:
            return device()
        return device(scratch_bytes=4 * len(self.dims) * (self.n or self.B) * self.tile)


# A block has 256 threads, one of the pass by columns 128 and 32 rows.
SHAPES = {
    "square": Shape(40, 24, (3, 8, 24)),
    "square, not all of the row": Shape(37, 33, (5, 20, 32)),
    "square, tiles": Shape(41, 16, (4, 16), tile=9),
    "square, beyond a block": Shape(270, 12, (5, 12)),
    "one row": Shape(1, 6, (3, 6)),
    "columns": Shape(12, 24, (3, 9, 24), n=70),
    "columns, beyond a block": Shape(7, 16, (3, 9, 16), n=300),
    "columns, tiles": Shape(35, 16, (4, 16), n=50, tile=8),
    "every dim": Shape(9, 24, tuple(range(6, 25, 2)), n=21),
}
OBJECTIVES = {
    "listwise": {"neighbor_temperature": 0.1},
    "sharp listwise, warm prefixes": {
        "neighbor_temperature": 0.03,
        "prefix_temperature": 0.3,
        "weights": "rising",
    },
    "pairwise": {"listwise_weight": 0.0, "pairwise_weight": 1.0},
    "top-k": {"listwise_weight": 0.0, "topk_weight": 1.0, "n_neighbors": 3},
    "all": {"listwise_weight": 0.5, "topk_weight": 0.7, "pairwise_weight": 1.3, "n_neighbors": 4},
}


@pytest.fixture(autouse=True, params=[False, True], ids=["forwards", "backwards"])
def _order(request):
    """Run threads in both orders: a barrier that is missing gives another result in one."""
    order.backwards = request.param
    yield
    order.backwards = order.mixed = False


def rows_of(shape, seed=0):
    """Return rows with zero rows and zero prefixes among them, and targets."""
    generator = np.random.default_rng(seed)
    n = shape.n or shape.B
    X = unit_rows(generator.standard_normal((n, shape.d)))
    Y = X + generator.standard_normal(X.shape) / 2 / shape.d**0.5
    if n > 6:
        Y[5] = 0
        Y[3, : shape.dims[0]] = 0
        Y[2] *= 1e6
    S = np.clip(X @ X.T, -1, 1)
    return Y.astype(np.float32), (0.5 * (S + S.T)).astype(np.float32)


def some_pairs(B, n):
    """Return a mask with an empty row; no row is in its own list."""
    pairs = np.random.default_rng(1).random((B, n)) < 0.8
    pairs[np.arange(B), np.arange(B)] = False
    pairs[B // 2] = False
    return pairs


def parts(gradient):
    return gradient if isinstance(gradient, tuple) else (gradient,)


def assert_close(found, wanted):
    """Hold value and gradient in float32 to those in float64 that the array code gives."""
    value, gradient = found
    assert value.shape == ()
    assert abs(float(here(value)) - wanted[0]) <= TOLERANCE * max(abs(wanted[0]), 1e-3)
    for one, other in zip(parts(gradient), parts(wanted[1]), strict=True):
        one = here(one)
        assert one.dtype == np.float32
        assert one.shape == other.shape
        # Rows of length 1e6 have small gradients, and zero prefixes none: each row for itself.
        norm = np.linalg.norm(other, axis=1)
        error = np.linalg.norm(one - other, axis=1)
        assert np.linalg.norm(error) <= TOLERANCE * np.linalg.norm(norm)
        assert not one[norm == 0].any()


def wide(X):
    return X.astype(np.float64) if isinstance(X, np.ndarray) and X.dtype == np.float32 else X


def assert_same_documents(shape, objective, Y, S, **options):
    there_options = {k: there(v) if isinstance(v, np.ndarray) else v for k, v in options.items()}
    fused = replace(objective, kernels=kernels_of(shape.device()))
    found = fused.documents(there(Y), there(S), **there_options)
    wanted = objective.documents(wide(Y), wide(S), **{k: wide(v) for k, v in options.items()})
    assert_close(found, wanted)


@needs_a_compiler
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("losses", OBJECTIVES)
def test_losses_among_documents(shape, losses):
    shape, options = SHAPES[shape], dict(OBJECTIVES[losses])
    if options.get("weights"):
        options["weights"] = tuple(range(1, len(shape.dims) + 1))
    objective = Objective(shape.dims, **options)
    Y, S = rows_of(shape)
    if shape.n is None:
        assert_same_documents(shape, objective, Y, S)
        return
    B = shape.B
    pairs = some_pairs(B, shape.n)
    assert_same_documents(shape, objective, Y[:B], S[:B], columns=Y, pairs=pairs)
    others = np.ascontiguousarray(S[:B, B:])
    assert_same_documents(shape, objective, Y[:B], others, columns=Y[B:].copy())


@needs_a_compiler
@pytest.mark.parametrize("shape", [name for name in SHAPES if "columns" in name])
@pytest.mark.parametrize("relevance", ["softmax", "logistic"])
def test_losses_of_queries(shape, relevance):
    shape = SHAPES[shape]
    Y, _ = rows_of(shape)
    generator = np.random.default_rng(2)
    grades = np.where(generator.random((shape.B, shape.n)) < 0.05, 1.0, 0.0).astype(np.float32)
    grades[0, :3], grades[1], grades[2] = (3, 1, 2), 0, 1
    Q = (Y[: shape.B] + 0.1 * generator.standard_normal((shape.B, shape.d))).astype(np.float32)
    options = {"relevance": relevance, "relevance_temperature": 0.1}
    if relevance == "softmax":
        options["prefix_temperature"] = 0.2
    objective = Objective(shape.dims, **options)
    fused = replace(objective, kernels=kernels_of(shape.device()))
    found = fused.queries(there(Q), there(Y), there(grades))
    assert_close(found, objective.queries(wide(Q), wide(Y), wide(grades)))


@needs_a_compiler
def test_options_of_the_losses_alone():
    """Masks of graded lists and temperatures that an objective never hands over."""
    shape = SHAPES["columns"]
    (Y, S), B = rows_of(shape), shape.B
    grades = np.random.default_rng(3).integers(0, 3, (B, shape.n)).astype(np.float32)
    pairs, kernels = some_pairs(B, shape.n), kernels_of(shape.device())
    found = kernels["graded_listwise"](
        there(Y[:B]), there(Y), there(grades), shape.dims, temperature=0.2, pairs=there(pairs)
    )
    wanted = graded_listwise_loss(
        wide(Y[:B]), wide(Y), wide(grades), shape.dims, temperature=0.2, pairs=pairs
    )
    assert_close(found, wanted)
    t = {"temperature": (0.3, 0.2, 0.1), "target_temperature": 0.05}
    found = kernels["listwise"](there(Y[:B]), there(S[:B, :B]), shape.dims, **t)
    assert_close(found, listwise_loss(wide(Y[:B]), wide(S[:B, :B]), shape.dims, **t))


@needs_a_compiler
def test_nothing_in_any_list():
    shape = SHAPES["columns"]
    (Y, S), B = rows_of(shape), shape.B
    nothing = np.zeros((B, shape.n), bool)
    for losses in OBJECTIVES.values():
        options = {key: value for key, value in losses.items() if key != "weights"}
        fused = Objective(shape.dims, kernels=kernels_of(shape.device()), **options)
        value, gradients = fused.documents(
            there(Y[:B]), there(S[:B]), columns=there(Y), pairs=there(nothing)
        )
        assert here(value) == 0
        assert not any(here(part).any() for part in gradients)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("listwise", {"temperature": 0.02}),
        ("listwise", {"target_temperature": 0.02}),
        ("listwise", {"pairs": there(np.ones((40, 40), bool))}),
        ("similarity", {"topk_weight": 1.0}),
        ("similarity", {"pairwise_weight": 1.0, "pairs": there(np.ones((40, 40), bool))}),
    ],
)
def test_what_is_left_to_the_array_code(name, change):
    Y, S = (there(A) for A in rows_of(SHAPES["square"]))
    kernel = kernels_of(device())[name]
    assert kernel(Y, S, (3, 24), **change) is None
    double = there(here(Y).astype(np.float64))
    assert (
        kernel(double, S, (3, 24), **({"temperature": 0.1} if name == "listwise" else {})) is None
    )


@needs_a_compiler
@pytest.mark.parametrize("k", [0, 1, 5, 40])
def test_neighbor_pairs(k):
    B, n = (6, 300) if k < 40 else (30, 30)
    S = np.random.default_rng(4).integers(-3, 4, (B, n)).astype(np.float32)
    kernel = kernels_of(device())["neighbor_pairs"]
    for pairs in (None, some_pairs(B, n)):
        for exclude_self in (True, False):
            if exclude_self and k < 40:
                continue  # the square form: 30 rows of their own
            given = None if pairs is None else there(pairs)
            found = kernel(there(S), k, pairs=given, exclude_self=exclude_self)
            nearness = S if pairs is None else np.where(pairs, S, -np.inf)
            wanted = neighbor_pairs(nearness, k, exclude_self=exclude_self)
            if pairs is not None:
                wanted &= pairs
            assert_array_equal(here(found), wanted)


@needs_a_compiler
@pytest.mark.parametrize("k", [1, 3, 40])
def test_nearest_rows(k):
    """Small integers have exact products, and many equal ones."""
    generator, kernels = np.random.default_rng(5), kernels_of(device(devices=(0, 1)))
    Q = generator.integers(-3, 4, (7, 5)).astype(np.float32)
    X = generator.integers(-3, 4, (700, 5)).astype(np.float32)
    aside = generator.random(700) < 0.2
    for repeats in (None, aside):
        S = Q @ X.T
        if repeats is not None:
            S[:, repeats] = -np.inf
        best = np.argsort(-S, axis=1, kind="stable")[:, :k]
        for place in (np.asarray, there):
            blocks = [(0, place(X[:300])), (300, place(X[300:]))]
            indices, values = kernels["nearest"](place(Q), blocks, k, repeats)
            assert isinstance(indices, CUPY.ndarray) == (place is there)
            assert_array_equal(here(indices), best)
            assert_array_equal(here(values), np.take_along_axis(S, best, axis=1))
    Z = X[:30]
    k = min(k, 29)
    S = Z @ Z.T
    np.fill_diagonal(S, -np.inf)
    indices, _ = kernels["nearest_others"](Z, k)
    assert_array_equal(indices, np.argsort(-S, axis=1, kind="stable")[:, :k])


@needs_a_compiler
def test_fewer_rows_than_neighbors():
    Q = np.eye(3, 2, dtype=np.float32)
    indices, values = kernels_of(device())["nearest"](
        Q, [(0, Q)], 5, np.array([False, True, False])
    )
    assert_array_equal(indices, [[0, 2, -1, -1, -1]] * 3)
    assert_array_equal(values[:, 2:], -np.inf)
    assert kernels_of(device())["nearest"](Q, [(0, Q)], 2000, None) is None


@needs_a_compiler
def test_optimisers():
    generator, order.mixed = np.random.default_rng(6), True
    kernels = kernels_of(mixed_device())
    P = np.linalg.qr(generator.standard_normal((20, 20)))[0].astype(np.float32)
    one, other = Adam(), Adam(kernels=kernels)
    rotating, also = OrthogonalAdam(), OrthogonalAdam(kernels=kernels)
    Q = there(P)
    for rate in (0.05, 0.05, 1.0, 0.05):
        gradient = generator.standard_normal(P.shape).astype(np.float32)
        gradient[0, 0] = 1e30  # its square would overflow
        wanted = one.direction(gradient)
        assert np.abs(here(other.direction(there(gradient))) - wanted).max() <= 1e-6
        gradient[0, 0] = 1.0
        P, Q = rotating.step(P, gradient, rate), also.step(Q, there(gradient), rate)
        assert np.abs(here(Q) - P).max() <= 2e-6
        assert np.abs(here(Q.T @ Q) - np.eye(20)).max() <= 2e-6
    still = also.step(Q, there(np.zeros((20, 20), np.float32)), 0.0)
    assert np.abs(here(still - Q)).max() <= 1e-6


@needs_a_compiler
@pytest.mark.parametrize("n_columns", [20, 40])
def test_a_step_waits_for_nothing(n_columns):
    """Nothing in a step of training asks the device for a number; the loss is one of its own."""
    order.mixed = True
    kernels = kernels_of(mixed_device())
    X = there(rows_of(Shape(60, 16, (4, 16)))[0])
    objective = Objective((4, 8, 16), kernels=kernels)
    sampler = DocumentSampler(60, 20, n_columns, np.random.default_rng(0))
    task, updater = DocumentTask(X, unit_rows(X), objective, sampler), Updater(0.01, 5, kernels)
    adaptor = ResidualAdaptor(there(np.eye(16, dtype=np.float32)))
    for done in range(2):
        loss, gradients = task.gradients(adaptor)
        adaptor = updater.update(adaptor, gradients, done)
        assert isinstance(loss, CUPY.ndarray)
    assert np.isfinite(here(loss))


NVRTC = importlib.util.find_spec("nvidia") and next(
    (
        path
        for folder in importlib.util.find_spec("nvidia").submodule_search_locations or ()
        for path in Path(folder).glob("*/lib/libnvrtc.so.*")
    ),
    None,
)


@pytest.mark.skipif(
    not NVRTC, reason="NVRTC is not installed: pip install nvidia-cuda-nvrtc-cu12 (no GPU needed)"
)
@pytest.mark.parametrize("file", PROGRAMS)
@pytest.mark.parametrize("architecture", ["sm_80", "sm_90"])
def test_nvrtc_compiles(file, architecture):
    nvrtc, program = ctypes.CDLL(str(NVRTC)), ctypes.c_void_p()
    code = source(file).encode()
    assert nvrtc.nvrtcCreateProgram(ctypes.byref(program), code, b"kernels.cu", 0, None, None) == 0
    options = [b"--std=c++17", f"--gpu-architecture={architecture}".encode()]
    done = nvrtc.nvrtcCompileProgram(program, 2, (ctypes.c_char_p * 2)(*options))
    size = ctypes.c_size_t()
    nvrtc.nvrtcGetProgramLogSize(program, ctypes.byref(size))
    log = ctypes.create_string_buffer(size.value)
    nvrtc.nvrtcGetProgramLog(program, log)
    assert done == 0, log.value.decode()
    for name in PROGRAMS[file]:
        assert f"void {name}(" in source(file)
