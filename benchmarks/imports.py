"""What `import madapt` costs, against `import sklearn.decomposition`.

    python benchmarks/imports.py [--rounds 15] [--quick]

Each import runs in a fresh process, both in turn; the first round, which fills the system's
cache of files, is thrown away. Seconds are those of the import statement alone, not of Python's
start; modules are all that the process has afterwards, less those it began with.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

from _common import ROOT, free_cores, machine, parser, ratios, save, shown, spread

MODULES = ("madapt", "sklearn.decomposition")
CODE = """
import json, sys, time
before, began = set(sys.modules), time.perf_counter()
import {module}
seconds = time.perf_counter() - began
print(json.dumps([seconds, len(set(sys.modules) - before)]))
"""


def one_import(module: str) -> tuple[float, int]:
    """Return seconds and the number of modules of one import in a fresh process."""
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", CODE.format(module=module)],
        env=os.environ | {"PYTHONPATH": path},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    seconds, n_modules = json.loads(done.stdout)
    return seconds, n_modules


def main() -> None:
    """Measure and write the report."""
    options = parser(__doc__, "imports")
    options.add_argument("--rounds", type=int, default=15)
    args = options.parse_args()
    seconds: dict[str, list[float]] = {module: [] for module in MODULES}
    n_modules: dict[str, int] = {}
    report: dict[str, Any] = {"machine": machine("scipy", "scikit-learn")}
    report["free cores"] = free_cores(1)
    for turn in range(1 + (2 if args.quick else args.rounds)):
        for module in MODULES:
            took, n_modules[module] = one_import(module)
            if turn:
                seconds[module].append(took)
    ours, other = MODULES
    report |= {
        "seconds": {module: spread(values) for module, values in seconds.items()},
        "modules": n_modules,
        f"{ours} / {other}": ratios(seconds, ours, other),
    }
    print(f"{ours} / {other}: {shown(report[f'{ours} / {other}'])}; modules: {n_modules}")
    save(report, args)


if __name__ == "__main__":
    main()
