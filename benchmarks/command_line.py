"""How many times longer a fit takes than its counted operations at the speed of one product.

    python benchmarks/command_line.py [--quick] [--output FILE]

`madapt fit --dry-run` multiplies with it: the medians go into `FACTORS` of
madapt/_commands/costs.py. Times are the processor's, of one thread, and each fit's speed of a
product is measured right before and after it; rows and judgments are made up.
"""

from __future__ import annotations

import os
import statistics
import time
from typing import Any

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[name] = "1"

import numpy as np  # noqa: E402
from _common import machine, parser, save  # noqa: E402
from _rows import embedding_rows  # noqa: E402

#: Documents, coordinates, judged queries.
CASES = [(1400, 384, 0), (3000, 384, 0), (6000, 384, 0), (6000, 768, 0), (16000, 768, 0)]
CASES += [(1400, 384, 125), (5000, 384, 500), (5000, 768, 1000)]
QUICK = [(300, 64, 0), (300, 64, 40)]


def measured(n: int, d: int, n_judged: int) -> dict[str, Any]:
    """Fit once; return seconds, operations and the factor between them."""
    from madapt import MatryoshkaAdaptor
    from madapt._commands.costs import fit_operations
    from madapt._parameters import settings_of

    X = embedding_rows(n, d)
    generator = np.random.default_rng(0)
    labels: dict[str, Any] = {}
    if n_judged:
        asked = generator.choice(n, n_judged, replace=n_judged > n)
        noise = generator.standard_normal((n_judged, d), dtype=np.float32)
        labels["queries"] = X[asked] + noise / np.float32(1.2 * d**0.5)
        labels["qrels"] = [{int(row): 1} for row in asked]
    adaptor = MatryoshkaAdaptor(random_state=0)
    settings = settings_of(adaptor, d, n_judged, 1.0, n_judged, n)
    operations = fit_operations(settings, n, d, n_judged, adaptor.max_fit_rows)
    before = processor_speed()
    began = time.process_time()
    adaptor.fit(X, **labels)
    seconds = time.process_time() - began
    speed = (before + processor_speed()) / 2
    return {
        "case": [n, d, n_judged],
        "seconds": seconds,
        "operations": operations,
        "speed": speed,
        "kept": adaptor.validation_scores_["kept"][0],
    }


def processor_speed(size: int = 768) -> float:
    """Return operations a second of a product, by the processor's time."""
    A = np.ones((size, size), np.float32)
    A @ A
    began = time.process_time()
    for _ in range(10):
        A @ A
    return 20 * size**3 / (time.process_time() - began)


def factors(rows: list[dict[str, Any]]) -> list[float]:
    """Return the medians without labels, and of what labels add."""
    plain = [row for row in rows if not row["case"][2]]
    found = statistics.median(row["seconds"] * row["speed"] / row["operations"][0] for row in plain)
    added = statistics.median(
        (row["seconds"] * row["speed"] - found * row["operations"][0]) / row["operations"][1]
        for row in rows
        if row["case"][2]
    )
    return [found, added]


def main() -> None:
    """Measure and write the report."""
    args = parser(__doc__, "command_line").parse_args()
    measured(300, 64, 40)  # compiled and loaded
    rows: list[dict[str, Any]] = []
    for case in QUICK if args.quick else CASES:
        rows.append(measured(*case))
        print(rows[-1], flush=True)
    found = factors(rows)
    print("FACTORS =", found)
    for row in rows:
        counted = sum(f * c for f, c in zip(found, row["operations"], strict=True)) / row["speed"]
        row["estimated"] = counted
        print(row["case"], f"{row['seconds']:.1f} s, estimated {counted:.1f} s")
    save({"machine": machine(), "factors": found, "fits": rows}, args)


if __name__ == "__main__":
    main()
