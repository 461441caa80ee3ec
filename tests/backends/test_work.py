"""How much a kernel computes and holds: limits from shapes, which more work would break.

Seconds change with the machine; operations of the matrix products and bytes do not.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from madapt.backends import get_backend
from madapt.losses import Objective

KERNELS = get_backend("numba").kernels
#: Most rows of a tile: a square form does the half above the diagonal and whole tiles on it.
TILE_ROWS = 64  # or an eighth of the rows where that is more
#: What the Gram blocks of one tile may take, all dims together.
TILE_BYTES = 8 * 2**20
#: Objects of Python: views, lists of tiles, closures.
SMALL = 2**16


@dataclass(frozen=True)
class Case:
    loss: str
    B: int
    d: int
    L: int
    n: int | None = None

    @property
    def dims(self):
        """L prefixes, the last of all d coordinates."""
        return tuple(self.d * (place + 1) // self.L for place in range(self.L))

    @property
    def columns(self):
        return self.n or self.B

    @property
    def most_operations(self):
        B, d = self.B, self.d
        if self.n:
            return 6 * B * self.n * d  # forward, back to the rows and back to the columns
        # A product over the tiles from the diagonal on: sum of 2 T (B - start) d.
        half = (B * B + TILE_ROWS * B) * d
        # One forward and two back; the lists need their normalisers first, forward again.
        return (4 if self.loss == "listwise" else 3) * half

    @property
    def gradient_bytes(self):
        return 4 * self.d * (self.B + (self.n or 0))

    @property
    def working_bytes(self):
        """What a call may take beside its gradient, with all memory from last time at hand."""
        B, n, L = self.B, self.columns, self.L
        # Masks of one byte a pair: neighbours, folded or among the pairs that count.
        masks = B * n if self.loss == "similarity" else 0
        # Sums by row and by column for each dim (one more for the targets'): five of float64.
        return masks + 5 * 8 * (L + 1) * (B + n) + SMALL

    @property
    def scratch_bytes(self):
        """What is kept for the next call."""
        B, n, d, L = self.B, self.columns, self.d, self.L
        blocks = 4 * d * (B + (self.n or 0))  # contiguous copies
        product = 4 * max(n, TILE_ROWS) * d  # of one block; all of d at most
        return TILE_BYTES + blocks + product + 4 * L * n

    def call(self):
        """Return a call of the loss as training does it."""
        generator = np.random.default_rng(0)
        Y = generator.standard_normal((self.columns, self.d), dtype=np.float32)
        Y /= np.linalg.norm(Y, axis=1, keepdims=True)
        S = Y[: self.B] @ Y.T
        similar = float(self.loss == "similarity")
        objective = Objective(
            self.dims,
            listwise_weight=1 - similar,
            topk_weight=similar,
            pairwise_weight=similar,
            kernels=KERNELS,
        )
        options = {"neighbors": S > 0.2}
        if self.n:
            pairs = np.ones(S.shape, dtype=bool)
            np.fill_diagonal(pairs, False)
            options |= {"columns": Y, "pairs": pairs}
        return lambda: objective.documents(Y[: self.B], S, **options)


@pytest.fixture(autouse=True)
def one_thread():
    # Each thread more has a gradient and sums of its own; the operations are the same.
    with threadpool_limits(1, user_api="blas"):
        yield


@pytest.mark.parametrize("L", [1, 4, 12])
@pytest.mark.parametrize(
    ("B", "n"), [(300, None), (100, 700)], ids=["rows among themselves", "rows and columns"]
)
@pytest.mark.parametrize("loss", ["similarity", "listwise"])
def test_all_dims_for_the_products_of_one(products, loss, B, n, L):
    case = Case(loss, B, 96, L, n)
    call = case.call()
    products.clear()
    call()
    assert products.operations <= case.most_operations
    # Half a product forward is the least: less would mean that some were not counted.
    assert products.operations >= B * case.columns * case.d


def test_graded_lists_and_ranking_are_three_products(products):
    generator = np.random.default_rng(0)
    Q, D = (generator.standard_normal((n, 60), dtype=np.float32) for n in (40, 300))
    grades = (generator.random((40, 300)) < 0.02).astype(np.float32)
    for relevance in ("softmax", "logistic"):
        products.clear()
        Objective((10, 30, 60), relevance=relevance, kernels=KERNELS).queries(Q, D, grades)
        assert 40 * 300 * 60 <= products.operations <= 6 * 40 * 300 * 60


@pytest.mark.parametrize(
    "case",
    [
        Case("similarity", 1024, 96, 12),
        Case("listwise", 1024, 96, 12),
        Case("similarity", 256, 96, 12, 4096),
        Case("listwise", 256, 96, 12, 4096),
    ],
    ids=lambda case: f"{case.loss}, {case.B} x {case.columns}",
)
def test_memory_of_the_first_call_and_of_the_next(peak_of, case):
    call = case.call()
    Case(case.loss, 8, 6, 2, case.n and 9).call()()  # what is imported or looked up once
    # Scratch memory belongs to a thread: a new one has none.
    with ThreadPoolExecutor(1) as thread:
        first, second = (peak_of(lambda: thread.submit(call).result()) for _ in range(2))
    limit = case.scratch_bytes + case.gradient_bytes + case.working_bytes
    # Cosines and slopes of all dims at once would be twice L B n numbers.
    assert limit < 4 * case.L * case.B * case.columns / 2
    assert first <= limit
    assert second <= case.gradient_bytes + case.working_bytes
