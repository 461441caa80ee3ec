"""Scale on paper: rates, a cost model, samples that are enough, and drift; writes docs/scale.md.

    python benchmarks/scale.py [--data ../shared/data] [--only rates quality unseen drift]
        [--page FILE] [--quick]

*rates*: what this machine does a second, in one thread, and a cost model of few constants that is
fitted to it and held against shapes it was not fitted on. *quality*: recall and nDCG@10 of fits on
samples of the documents. *unseen*: recall among documents that were not fitted on. *drift*: what an
adaptor keeps when other documents come in. Then the tables of docs/scale.md, those for 10^6, 10^8
and 10^10 vectors from the model. Parts that are not run are taken from the figures that there are;
`--page` writes the page from them alone. The temporary folder needs 4 GB.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[name] = "1"

import scale_drift  # noqa: E402
import scale_quality  # noqa: E402
from _common import ROOT, free_cores, machine, output_of, parser, save  # noqa: E402
from scale_page import write_page  # noqa: E402

PARTS = ("rates", "quality", "unseen", "drift")


def measured_rates(args: argparse.Namespace) -> dict[str, Any]:
    """Return rates, the model's constants, and how far it is from what was held out."""
    import scale_rates

    found = {"machine": machine("scipy", "numba"), "free cores": free_cores(1)}
    found |= scale_rates.measured(args.quick)
    return found | {"free cores after": free_cores(1)}


def main() -> None:
    """Measure what is wanted, and write the page."""
    options = parser(__doc__, "scale")
    options.add_argument("--data", type=Path, help="folder of BEIR-layout folders")
    options.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, metavar="PART")
    options.add_argument("--page", type=Path, metavar="FILE", help="only write the page again")
    args = options.parse_args()
    path = output_of(args)
    report = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}

    def keep(name: str, found: dict[str, Any]) -> None:
        report[name] = found
        save({part: report[part] for part in PARTS if part in report}, args)

    for part in () if args.page else args.only:
        if part == "rates":
            keep(part, measured_rates(args))
        elif part == "quality":
            scale_quality.measured(args.data, args.quick, lambda found: keep("quality", found))
        elif part == "unseen":
            keep(part, scale_quality.unseen(args.data, args.quick))
        else:
            keep(part, scale_drift.measured(args.data, args.quick))
    write_page(ROOT / "docs" / "scale.md", args)


if __name__ == "__main__":
    main()
