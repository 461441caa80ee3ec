"""Many transforms in many threads, and many altered files: what is too long for the tests.

``python benchmarks/thread_storm.py`` ends with an error where any result of a thread differs in one
bit from what one thread alone gave, where thread counts are not what they were, or where an altered
file loads. The figures are in docs/testing.md.
"""

import argparse
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numba
import numpy as np
from threadpoolctl import threadpool_info

from madapt import InvalidFileError, MatryoshkaAdaptor
from madapt.quantization import PRECISIONS

N, D = 40, 16


def models(X):
    """Return a rotation, and an MLP with centring."""
    plain = MatryoshkaAdaptor(max_iter=3, guard=False, random_state=0).fit(X)
    judgments = [{i: 1} for i in range(10)]
    mlp = MatryoshkaAdaptor(max_iter=3, hidden_dim=8, center=0.5, guard=False, random_state=0)
    return plain, mlp.fit(X, queries=X[:10] + np.float32(0.1), qrels=judgments)


def thread_counts():
    counts = [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]
    return counts, numba.get_num_threads()


def storm(n_threads, n_calls):
    """Transform in threads that all begin at once; return how many results were compared."""
    X = np.random.default_rng(0).standard_normal((N, D)).astype(np.float32)
    calls = [
        (lambda a=adaptor, m=m, s=side, p=precision: a.transform(X, m, s, precision=p).tobytes())
        for adaptor in models(X)
        for m in (1, 5, D)
        for side in ("document", "query")
        for precision in (None, *PRECISIONS)
    ]
    expected = [call() for call in calls]
    before = thread_counts()
    barrier = threading.Barrier(n_threads)

    def one(first):
        barrier.wait()
        # Each thread begins elsewhere, so that different calls meet.
        order = [(first * 11 + i) % len(calls) for i in range(n_calls)]
        return sum(calls[k]() != expected[k] for k in order)

    with ThreadPoolExecutor(n_threads) as pool:
        different = sum(pool.map(one, range(n_threads)))
    if different:
        raise SystemExit(f"{different} of {n_threads * n_calls} results differ")
    if thread_counts() != before:
        raise SystemExit(f"thread counts are {thread_counts()}, and were {before}")
    return n_threads * n_calls


def mutated(data, generator):
    """Return other bytes: bits flipped, bytes set, swapped, cut out, put in, or the end cut."""
    found = bytearray(data)
    # Half of all places lie in the header, the smaller part of a large model's file.
    header = 8 + int.from_bytes(data[:8], "little")
    at = int(generator.integers(header if generator.random() < 0.5 else len(data)))
    n = int(generator.integers(1, 65))
    kind = int(generator.integers(6))
    if kind == 0:
        found[at] ^= 1 << int(generator.integers(8))
    elif kind == 1:
        found[at : at + n] = generator.bytes(len(found[at : at + n]))
    elif kind == 2:
        other = int(generator.integers(len(data)))
        found[at], found[other] = found[other], found[at]
    elif kind == 3:
        del found[at : at + n]
    elif kind == 4:
        found[at:at] = generator.bytes(n)
    else:
        del found[at:]
    return bytes(found)


def altered_files(n, seed):
    """Load altered files, all of which must be refused; return how many there were."""
    generator = np.random.default_rng(seed)
    X = generator.standard_normal((N, D)).astype(np.float32)
    done = 0
    with tempfile.TemporaryDirectory() as folder:
        files = []
        for i, model in enumerate(models(X)):
            path = Path(folder) / f"model{i}"
            model.save(path)
            files.append(path.read_bytes())
        path = Path(folder) / "altered"
        while done < n:
            original = files[done % len(files)]
            data = mutated(original, generator)
            if data == original:
                continue
            path.write_bytes(data)
            try:
                MatryoshkaAdaptor.load(path)
            except InvalidFileError:
                done += 1
            else:
                raise SystemExit(f"altered file {done} of seed {seed} was loaded")
    return done


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--calls", type=int, default=10_000, help="of each thread")
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0, help="of what is altered")
    options = parser.parse_args()
    begin = time.perf_counter()
    n = storm(options.threads, options.calls)
    took = time.perf_counter() - begin
    print(f"{n:,} results of {options.threads} threads, all the same bits; {took:.0f} s")
    begin = time.perf_counter()
    n = altered_files(options.files, options.seed)
    print(f"{n:,} altered files, all refused; {time.perf_counter() - begin:.0f} s")


if __name__ == "__main__":
    main()
