"""Settings of all tests, and what counts work for some."""

import math
import os
import tracemalloc

import numpy as np
import pytest
from hypothesis import settings

settings.register_profile("madapt", deadline=None, derandomize="CI" in os.environ, max_examples=50)
settings.load_profile("madapt")

#: Where tests run in several processes, each has one thread: more would wait for each other.
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


def pytest_configure(config):
    if getattr(config.option, "numprocesses", None):
        for name in ONE_THREAD:
            os.environ.setdefault(name, "1")


#: What `@` may call.
PRODUCTS = {"matmul", "matvec", "vecmat", "vecdot"}


class Products(list):
    """Operations of each matrix product: 2 b c d for shapes (b, d) and (d, c)."""

    def note(self, left, right):
        rows, columns = left.shape[:-1], right.shape[1:] if right.ndim > 1 else ()
        self.append(2 * math.prod((*rows, *columns)) * left.shape[-1])

    @property
    def operations(self):
        return sum(self)

    def counting(self, X):
        """Return X as an array that counts its operators `@`, too, and those of what follows."""
        array = np.asarray(X).view(_Counting)
        array.products = self
        return array


class _Counting(np.ndarray):
    """An array whose products with `@` are noted; all that is made of it is one, too."""

    products = None

    def __array_finalize__(self, other):
        self.products = getattr(other, "products", None)

    def __array_ufunc__(self, ufunc, method, *inputs, **options):
        if ufunc.__name__ in PRODUCTS:
            self.products.note(*inputs)
        plain = [np.asarray(x) if isinstance(x, _Counting) else x for x in inputs]
        if "out" in options:
            options["out"] = tuple(np.asarray(x) for x in options["out"])
        found = getattr(ufunc, method)(*plain, **options)
        return self.products.counting(found) if isinstance(found, np.ndarray) else found


@pytest.fixture
def products(monkeypatch):
    """All products of `np.matmul` and `np.dot`, and of `@` where an array of it is a factor."""
    found = Products()

    def counted(function):
        def product(left, right, *args, **options):
            if not isinstance(left, _Counting) and not isinstance(right, _Counting):
                found.note(left, right)
            return function(left, right, *args, **options)

        return product

    for name in ("matmul", "dot"):
        monkeypatch.setattr(np, name, counted(getattr(np, name)))
    return found


@pytest.fixture
def peak_of():
    """Return the most bytes of Python and NumPy that a call holds beyond what was there."""

    def measure(call):
        tracemalloc.start()
        try:
            call()
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    return measure
