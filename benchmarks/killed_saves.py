"""Saves that are killed at any moment, 200 times: the file is always one whole model.

``python benchmarks/killed_saves.py`` lets a process save two models in turn to one path, kills it
with SIGKILL after a random time, and loads what is there; it ends with an error where that is
neither of the two. The figures are in docs/testing.md.
"""

import argparse
import os
import signal
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
from sklearn.base import clone

from madapt import MatryoshkaAdaptor

#: So many saves, at most, before the kill.
SAVES = 3


def models():
    """Return two rotations of 384 coordinates: 0.6 MB each, of other bytes."""
    generator = np.random.default_rng(0)
    samples = generator.standard_normal((2, 600, 384)).astype(np.float32)
    plain = MatryoshkaAdaptor(rotation="svd", hidden_dim=None, guard=False, random_state=0)
    first, second = (clone(plain).fit(X) for X in samples)
    assert first.fingerprint_ != second.fingerprint_
    return first, second


def seconds_of_a_save(model, path):
    """Return how long one save takes, the median of nine."""
    times = []
    for _ in range(9):
        began = time.perf_counter()
        model.save(path)
        times.append(time.perf_counter() - began)
    return sorted(times)[4]


def killed_in_between(pair, path, seconds):
    """Let a child save the two in turn until it is killed; return whether it was at work."""
    child = os.fork()
    if not child:
        while True:
            for model in pair:
                model.save(path)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def main():
    """Kill as often as asked; print what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=200)
    args = parser.parse_args()
    pair = models()
    names = {
        model.fingerprint_: name for model, name in zip(pair, ["first", "second"], strict=True)
    }
    generator = np.random.default_rng(0)
    found = Counter()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.madapt"
        seconds = seconds_of_a_save(pair[0], path)
        for _ in range(args.times):
            assert killed_in_between(pair, path, generator.uniform(0, SAVES * seconds))
            found[names[MatryoshkaAdaptor.load(path).fingerprint_]] += 1
            left = [other for other in Path(folder).iterdir() if other != path]
            found["unfinished file beside it"] += bool(left)
            for other in left:
                other.unlink()
    print(f"killed {args.times} times, one save takes {1e3 * seconds:.1f} ms: {dict(found)}")


if __name__ == "__main__":
    main()
