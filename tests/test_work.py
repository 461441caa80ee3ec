"""How much a step, a transform and a search compute and hold: limits from shapes, not seconds."""

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from madapt._blocks import BLOCK_BYTES, transform_blocks
from madapt._rows import unit_rows
from madapt.adaptor import ResidualAdaptor
from madapt.backends import get_backend
from madapt.losses import Objective
from madapt.neighbors import top_k
from madapt.training.sampling import DocumentSampler
from madapt.training.tasks import DocumentTask, Updater

#: Objects of Python, and what NumPy buffers for a cast.
SMALL = 2**17


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


def test_products_of_a_training_step(products):
    n, B, columns, d, k, dims = 500, 64, 400, 48, 32, (4, 8, 24)
    T = unit_rows(normal(n, d))
    sampler = DocumentSampler(n, B, columns, np.random.default_rng(0))
    objective = Objective(dims, kernels=get_backend("numba").kernels)
    X = np.ascontiguousarray(T[:, :k])
    task = DocumentTask(products.counting(X), products.counting(T), objective, sampler)
    adaptor = ResidualAdaptor(products.counting(np.eye(k, dtype=np.float32)))
    updater = Updater(1e-2, 10)
    for done in range(3):
        products.clear()
        # More threads cut the same products into shares.
        with threadpool_limits(1, user_api="blas"):
            _, gradients = task.gradients(adaptor)
        losses = 6 * B * columns * dims[-1]
        batch = [
            2 * columns * k * k,  # forward, X P
            2 * B * columns * d,  # the targets S
            2 * columns * k * k,  # back, X^T dU
        ]
        assert products.operations <= losses + sum(batch)
        assert all(product in products for product in batch)
        products.clear()
        adaptor = updater.update(adaptor, gradients, done)
        # P^T g, P a, (P a) a; P^T P, the correction P (P^T P) and P^T P again, which is the
        # rule. The spectral norm takes products with a vector alone.
        assert 3 * 2 * k**3 <= products.operations <= 6 * 2 * k**3 + 8 * 2 * k * k


def test_transform_is_one_product_and_one_block_whatever_the_number_of_rows(products, peak_of):
    d, m = 256, 16
    adaptor = ResidualAdaptor(np.linalg.qr(normal(d, d))[0])
    # A block of n rows holds their float32 cast, and twice their m coordinates at most.
    rows = BLOCK_BYTES // (4 * (d + 2 * m))
    # Lengths of its rows: of squares, roots and what is asked of them there are ten at most.
    limit = BLOCK_BYTES + 4 * d * m + 10 * 8 * rows + SMALL
    for n in (10_000, 40_000):
        X, out = normal(n, d).astype(np.float16), np.empty((n, m), np.float32)
        assert X.size * 4 > 2 * limit  # the rows in float32, had they been cast at once
        products.clear()
        assert peak_of(lambda X=X, out=out: transform_blocks(adaptor, X, m, out=out)) <= limit
        assert products.operations == 2 * n * d * m


@pytest.mark.parametrize("exclude_self", [False, True])
def test_a_search_is_one_product_within_its_memory(products, peak_of, exclude_self):
    n_queries, n, d, k, budget = 500, 8000, 64, 10, 2**21
    corpus = normal(n, d)
    queries = normal(n_queries, d, seed=1)
    if exclude_self:
        queries = corpus = corpus[:1500]
    pairs = len(queries) * len(corpus)
    assert 4 * pairs > 4 * budget  # all similarities at once
    results = len(queries) * k * (8 + 4)

    def search():
        top_k(queries, corpus, k, exclude_self=exclude_self, max_bytes=budget)

    assert peak_of(search) <= budget + results + 50 * len(corpus) + SMALL
    assert products.operations == 2 * pairs * d
