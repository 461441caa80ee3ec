"""Threads: each takes whole tiles, products included, while BLAS stays on one thread.

Many small products that BLAS splits among its threads wait for each other; tiles do not.
Numba's own parallel loops would compile several times as long, fight with BLAS for the
cores, and must not be entered from two threads at once. Here as many threads work as BLAS
had, so `threadpoolctl.threadpool_limits` and OPENBLAS_NUM_THREADS hold for the kernels, too.
Which thread takes which tile depends on their number alone: so do the bits of every sum.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import cache, lru_cache
from typing import Any

from threadpoolctl import ThreadpoolController

__all__ = ["in_parallel", "one_blas_thread"]

_lock = threading.Lock()
#: How many kernels run at this moment, and the BLAS libraries with the threads each had before.
_running = 0
_held: list[tuple[Any, int]] = []


@contextmanager
def one_blas_thread() -> Iterator[int]:
    """Hold BLAS to one thread, for the whole process; yield how many it had."""
    global _running, _held
    libraries = _blas(len(sys.modules))
    with _lock:
        if not _running:
            _held = [(library, library.num_threads) for library in libraries]
            for library, count in _held:
                if count != 1:
                    library.set_num_threads(1)
        _running += 1
        n_threads = max(1, min((count for _, count in _held), default=1))
    try:
        yield n_threads
    finally:
        with _lock:
            _running -= 1
            if not _running:
                _give_back()


def in_parallel(work: Callable[[int], None], n_parts: int) -> None:
    """Call work(part) for each part of range(n_parts), the first in this thread."""
    others = [_pool(os.getpid()).submit(work, part) for part in range(1, n_parts)]
    try:
        work(0)
    finally:
        wait(others)  # they write to our memory, whatever happened here
    for other in others:
        other.result()


def _give_back() -> None:
    """Let each library have the threads it had before."""
    for library, count in _held:
        if count != 1:
            library.set_num_threads(count)


@lru_cache(maxsize=1)
def _blas(n_modules: int) -> list[Any]:
    """Return threadpoolctl's handles of the BLAS libraries that are loaded.

    Looking takes milliseconds, so it is done again only after an import, which may have
    loaded another one.
    """
    found: list[Any] = ThreadpoolController().select(user_api="blas").lib_controllers
    return found


@cache
def _pool(process: int) -> ThreadPoolExecutor:
    """Return the pool of a process; a forked child must not use its parent's."""
    return ThreadPoolExecutor(os.cpu_count(), thread_name_prefix=f"madapt-{process}")


def _start_anew() -> None:
    """In a forked child: no kernel runs here, and BLAS has the threads it had before."""
    global _lock, _running
    running, _lock, _running = _running, threading.Lock(), 0
    if running:
        _give_back()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_anew)
