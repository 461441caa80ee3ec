"""A clock that knows what is running: phases of a step, and within them products and loops.

NumPy's operators call no Python function that a profiler could see. So madapt is imported with
its own source, in which each `a @ b` and `np.matmul(a, b)` has become a call of one function
that is timed; nothing else is changed, and what comes out is the same to the bit.
"""

from __future__ import annotations

import ast
import functools
import importlib.abc
import importlib.machinery
import pkgutil
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

#: Names of the kinds of time within a phase.
PRODUCTS, COMPILED, OTHER = "products", "compiled loops", "NumPy and Python"


class Clock:
    """Seconds by (phase, kind), each moment counted once, for the innermost of what runs.

    Only the thread that made it counts, and only within `measuring`: where kernels use more
    threads, this one's own share of the work and its waiting for the others are counted.
    """

    def __init__(self) -> None:
        self.seconds: dict[tuple[str, str], float] = defaultdict(float)
        self._stack: list[tuple[str, str]] = []
        self._since = 0.0
        self._thread = threading.get_ident()

    @contextmanager
    def measuring(self, phase: str) -> Iterator[None]:
        """Count what happens in the block, for `phase` where nothing says otherwise."""
        with self._within(phase, OTHER):
            yield

    def of(self, function: Callable[..., Any], phase: str | None, kind: str = OTHER) -> Any:
        """Return the function, counted; None leaves it in the phase of its caller."""

        @functools.wraps(function)
        def counted(*args: Any, **kwargs: Any) -> Any:
            if not self._stack or threading.get_ident() != self._thread:
                return function(*args, **kwargs)
            with self._within(phase or self._stack[-1][0], kind):
                return function(*args, **kwargs)

        return counted

    @contextmanager
    def _within(self, phase: str, kind: str) -> Iterator[None]:
        self._switch()
        self._stack.append((phase, kind))
        try:
            yield
        finally:
            self._switch()
            self._stack.pop()

    def _switch(self) -> None:
        now = time.perf_counter()
        if self._stack:
            self.seconds[self._stack[-1]] += now - self._since
        self._since = now


def import_with_products_timed(clock: Clock) -> None:
    """Make madapt's products, when it is imported next, count for `clock`."""
    if any(name.partition(".")[0] == "madapt" for name in sys.modules):
        raise RuntimeError("madapt has been imported already")
    sys.meta_path.insert(0, _Finder(clock.of(_product, None, PRODUCTS)))


def time_compiled_loops(clock: Clock) -> None:
    """Make what Numba has compiled count for `clock`, where Python calls it."""
    import numba

    import madapt.backends.numba as package

    for info in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        module = importlib.import_module(info.name)
        for name, value in list(vars(module).items()):
            # Kernels with a signature are compiled by now and keep calling each other directly.
            if isinstance(value, numba.core.registry.CPUDispatcher) and value.signatures:
                setattr(module, name, clock.of(value, None, COMPILED))


def _product(a: Any, b: Any, **options: Any) -> Any:
    return np.matmul(a, b, **options) if options else a @ b


class _Finder(importlib.abc.MetaPathFinder):
    """Finds madapt's modules as ever, and has them compiled with `product` in them."""

    def __init__(self, product: Callable[..., Any]) -> None:
        self.product = product

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if name.partition(".")[0] != "madapt":
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is not None and isinstance(spec.loader, importlib.machinery.SourceFileLoader):
            spec.loader = _Loader(name, spec.loader.path, self.product)
        return spec


class _Loader(importlib.machinery.SourceFileLoader):
    """Compiles a module with its products replaced, past the cache of compiled modules."""

    def __init__(self, name: str, path: str, product: Callable[..., Any]) -> None:
        super().__init__(name, path)
        self.product = product

    def get_code(self, fullname: str) -> Any:
        tree = _WithProducts().visit(ast.parse(self.get_data(self.path)))
        return compile(ast.fix_missing_locations(tree), self.path, "exec", dont_inherit=True)

    def exec_module(self, module: Any) -> None:
        module.__dict__["_timed_product"] = self.product
        super().exec_module(module)


class _WithProducts(ast.NodeTransformer):
    """Replaces matrix products by calls of `_timed_product`."""

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        if not isinstance(node.op, ast.MatMult):
            return node
        return ast.copy_location(_call([node.left, node.right], []), node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if ast.unparse(node.func) not in ("np.matmul", "np.dot", "xp.matmul"):
            return node
        return ast.copy_location(_call(node.args, node.keywords), node)


def _call(args: list[ast.expr], keywords: list[ast.keyword]) -> ast.Call:
    return ast.Call(ast.Name("_timed_product", ast.Load()), args, keywords)
