"""What a rotation does to graphs and quantisers: HNSW by dim, and codes before and after.

    python benchmarks/hnsw.py [--data ../shared/data] [--page FILE] [--quick]

Fits without labels on the documents of Cranfield, which comes with the package, and of larger
collections if there are data. For each number of dims the first coordinates, as they were and
adapted, go into an HNSW graph of FAISS; queries are asked one at a time, in one thread. Then all
dims go into quantisers, as they were, adapted, and adapted and turned at random. Everything is
held to the exact ten nearest by whole vectors. Writes the tables of docs/hnsw.md; `--page` writes
them from the figures that there are.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from _common import ROOT, machine, parser, save, write_end_of
from _page import machine_of, paragraph, table
from funnel import collections

from madapt import MatryoshkaAdaptor
from madapt.baselines import RandomRotation
from madapt.neighbors import top_k

K = 10
DIMS = (32, 64, 128, 256)
LINKS, BUILD_EFFORT, EFFORT, CANDIDATES = 32, 200, 64, 100
#: Of those that funnel.py knows.
COLLECTIONS = ("Cranfield, MiniLM", "SciFact, MiniLM", "Jeopardy, ada-002")
GRAPH_HEADER = (
    "dims",
    "of its own ten",
    "of the exact ten",
    "ranked by whole",
    "ms a query",
    "build, s",
)
CODES_HEADER = (
    "codes of all dims",
    "as they were",
    "adapted",
    "adapted, then turned at random",
    "adapted, madapt's codes",
)
HEADING = "## What was measured"
COMMAND = "python benchmarks/hnsw.py --data ../shared/data"


def unit(rows: np.ndarray) -> np.ndarray:
    """Return rows of unit length, float32."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.ascontiguousarray(rows / np.where(lengths > 0, lengths, 1), np.float32)


def recall(found: np.ndarray, exact: np.ndarray) -> float:
    """Return the share of the exact nearest that was found."""
    return float((found[:, :, None] == exact[:, None, :]).any(axis=1).mean())


def graph(documents: np.ndarray, queries: np.ndarray, wanted: dict[str, Any]) -> dict[str, float]:
    """Build an HNSW graph over prefixes and search it; `wanted` has whole vectors and results."""
    began = time.perf_counter()
    index = faiss.IndexHNSWFlat(documents.shape[1], LINKS, faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction = BUILD_EFFORT
    index.add(documents)
    built = time.perf_counter() - began
    index.hnsw.efSearch = EFFORT
    own, _ = top_k(queries, documents, K)
    found, milliseconds = one_by_one(lambda q: index.search(q, K)[1], queries)
    index.hnsw.efSearch = CANDIDATES
    candidates, _ = one_by_one(lambda q: index.search(q, CANDIDATES)[1], queries)
    return {
        "build, s": built,
        "ms": milliseconds,
        "of its own": recall(found, own),
        "of the exact": recall(found, wanted["exact"]),
        "reranked": recall(reranked(candidates, wanted), wanted["exact"]),
    }


def one_by_one(search: Callable[[np.ndarray], Any], queries: np.ndarray) -> tuple[Any, float]:
    """Return what single queries find, and the median of the milliseconds that each takes."""
    found, seconds = [], []
    for row in range(len(queries)):
        began = time.perf_counter()
        found.append(search(queries[row : row + 1]))
        seconds.append(time.perf_counter() - began)
    return np.concatenate(found), 1e3 * float(np.median(seconds))


def reranked(candidates: np.ndarray, wanted: dict[str, Any]) -> np.ndarray:
    """Return the best of each query's candidates, by whole vectors."""
    queries, documents = wanted["queries"], wanted["documents"]
    similar = np.einsum("qd,qcd->qc", queries, documents[candidates])
    similar[candidates < 0] = -np.inf
    order = np.argsort(-similar, axis=1, kind="stable")[:, :K]
    return np.take_along_axis(candidates, order, axis=1)


def quantisers(documents: np.ndarray, queries: np.ndarray, exact: np.ndarray) -> dict[str, float]:
    """Return what each quantiser of FAISS finds of the exact, over all dims."""
    d = documents.shape[1]
    types = faiss.ScalarQuantizer
    indexes = {
        "8 bits, a range a coordinate": faiss.IndexScalarQuantizer(
            d, types.QT_8bit, faiss.METRIC_INNER_PRODUCT
        ),
        "8 bits, one range": faiss.IndexScalarQuantizer(
            d, types.QT_8bit_uniform, faiss.METRIC_INNER_PRODUCT
        ),
        "4 bits, a range a coordinate": faiss.IndexScalarQuantizer(
            d, types.QT_4bit, faiss.METRIC_INNER_PRODUCT
        ),
        "4 bits, one range": faiss.IndexScalarQuantizer(
            d, types.QT_4bit_uniform, faiss.METRIC_INNER_PRODUCT
        ),
        "PQ, 48 bytes": faiss.IndexPQ(d, 48, 8, faiss.METRIC_INNER_PRODUCT),
    }
    found = {}
    for name, index in indexes.items():
        index.train(documents)
        index.add(documents)
        found[name] = recall(index.search(queries, K)[1], exact)
    signs = np.where(documents > 0, 1, -1).astype(np.float32)
    found["signs"] = recall(top_k(queries, unit(signs), K)[0], exact)
    return found


def own_codes(model: MatryoshkaAdaptor, X: np.ndarray, Q: np.ndarray, exact: np.ndarray) -> Any:
    """Return what madapt's codes of all dims find; queries are floats."""
    names = {"int8": "8 bits, a range a coordinate", "int4": "4 bits, a range a coordinate"}
    found = {}
    for precision in ("int8", "int4", "binary"):
        codes = model.dequantize(model.transform(X, precision=precision), precision)
        found[names.get(precision, "signs")] = recall(top_k(model.transform(Q), codes, K)[0], exact)
    return found


def measured(args: argparse.Namespace) -> dict[str, Any]:
    """Fit, build, search and compare."""
    faiss.omp_set_num_threads(1)
    found = {}
    there = collections(args.data)
    for name in COLLECTIONS:
        if name not in there:
            continue
        X, Q = (unit(rows) for rows in there[name])
        more = {"max_iter": 2, "guard": False} if args.quick else {}
        model = MatryoshkaAdaptor(random_state=0, **more).fit(X)
        exact, _ = top_k(Q, X, K)
        wanted = {"exact": exact, "documents": X, "queries": Q}
        spaces = {"as they were": (X, Q), "adapted": (model.transform(X), model.transform(Q))}
        turn = RandomRotation(random_state=0).fit(X)
        turned = {"turned": tuple(turn.transform(rows) for rows in spaces["adapted"])}
        found[name] = {
            "documents": len(X),
            "queries": len(Q),
            "d": X.shape[1],
            "graphs": {
                str(m): {
                    space: graph(unit(D[:, :m]), unit(A[:, :m]), wanted)
                    for space, (D, A) in spaces.items()
                }
                for m in ((64, 384) if args.quick else (*DIMS, X.shape[1]))
            },
            "codes": {space: quantisers(D, A, exact) for space, (D, A) in (spaces | turned).items()}
            | {"madapt": own_codes(model, X, Q, exact)},
        }
        print(name, json.dumps(found[name]))
    return {"machine": machine("faiss-cpu"), "collections": found}


def lines_of(report: dict[str, Any]) -> list[str]:
    """Return the part of the page that figures make."""
    lines = [HEADING, ""]
    lines += paragraph(
        f"Written by `{COMMAND}` on {machine_of(report)}. The machine was shared: compare "
        f"milliseconds within a table. HNSW with {LINKS} links, construction effort "
        f"{BUILD_EFFORT}, search effort {EFFORT}; {CANDIDATES} candidates and as much effort "
        "before they are ranked by whole vectors. In brackets the first coordinates as they were."
    )
    for name, found in report["collections"].items():
        size = f"{found['documents']:,} documents of {found['d']:,} dims"
        lines += [f"### {name}", "", f"{size}, {found['queries']:,} queries.", ""]
        lines += table(
            GRAPH_HEADER,
            (graph_row(m, cells) for m, cells in found["graphs"].items()),
        )
        codes = found["codes"]
        lines += table(
            CODES_HEADER,
            (
                [kind, *(cell(codes[space].get(kind)) for space in codes)]
                for kind in codes["as they were"]
            ),
        )
    return lines


def graph_row(m: str, cells: dict[str, dict[str, float]]) -> list[str]:
    """Return a table's row: adapted, and in brackets as they were."""
    adapted, frozen = cells["adapted"], cells["as they were"]

    def pair(key: str, digits: int) -> str:
        return f"{adapted[key]:.{digits}f} ({frozen[key]:.{digits}f})"

    recalls = [pair(key, 3) for key in ("of its own", "of the exact", "reranked")]
    return [m, *recalls, pair("ms", 3), pair("build, s", 1)]


def cell(value: float | None) -> str:
    """Return a recall, or nothing."""
    return "" if value is None else f"{value:.3f}"


def main() -> None:
    """Measure, and write the page."""
    options = parser(__doc__, "hnsw")
    options.add_argument("--data", type=Path, help="folder of BEIR-layout folders")
    options.add_argument("--page", type=Path, metavar="FILE", help="only write the page again")
    args = options.parse_args()
    if args.page is None:
        save(measured(args), args)
    write_end_of(ROOT / "docs" / "hnsw.md", HEADING, lines_of, args)


if __name__ == "__main__":
    main()
