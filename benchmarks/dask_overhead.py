"""What Dask costs and keeps: `transform` over a plain loop, and fits of many rows.

    python benchmarks/dask_overhead.py [--data ../shared/data] [--rows 500000] [--columns 256]
        [--fit-rows 500000] [--sample 50000] [--max-iter N] [--rounds 5] [--quick]

Two workers of one thread each. *Transform*: the rows, normal numbers, lie on the workers in 16
blocks. The plain loop is one task a worker, which calls `MatryoshkaAdaptor.transform` for one block
after the other; Dask's is the computation of `DaskMatryoshkaAdaptor.transform(X, dim=64)`. Both
leave their results on the workers; they take turns, and the overhead is the median of the rounds'
ratios, less 1. *Fit*: the local fit, the fit on a Dask array, and the training of four shards that
are averaged, each on samples of `--sample` rows; the share of the 10 nearest neighbours that
prefixes keep is measured among rows that none has seen. With `--data` rows are the documents of
SciFact, NFCorpus and CISI under MiniLM, repeated with Gaussian noise of length .5, and the unseen
ones 2,000 documents apart; without, made-up clusters.
"""

from __future__ import annotations

import os
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from _common import free_cores, machine, parser, ratios, save, shown, spread, take_turns, timed
from _rows import embedding_rows

N_UNSEEN, DIM, BLOCKS, NOISE = 2000, 64, 16, 0.5


def measure_transform(client: Any, X: Any, adaptor: Any, rounds: int) -> dict[str, Any]:
    """Return seconds of both loops over rows that are on the workers."""
    import distributed

    X = client.persist(X)
    distributed.wait(X)
    local = adaptor.to_local()
    futures = {str(future.key): future for future in distributed.client.futures_of(X)}
    of_worker: dict[str, list[Any]] = {}
    for key, (worker, *_) in client.who_has(list(futures.values())).items():
        of_worker.setdefault(worker, []).append(futures[str(key)])

    def loop(blocks: list[Any], model: Any) -> list[Any]:
        return [model.transform(block, dim=DIM) for block in blocks]

    def plain() -> None:
        tasks = [
            client.submit(loop, blocks, local, workers=[worker], pure=False)
            for worker, blocks in of_worker.items()
        ]
        distributed.wait(tasks)

    def lazily() -> None:
        distributed.wait(client.persist(adaptor.transform(X, dim=DIM)))

    runs = {"plain loop": plain, "dask": lazily}
    take_turns(runs, 1)
    seconds = take_turns(runs, rounds)
    return {
        "blocks a worker": sorted(len(blocks) for blocks in of_worker.values()),
        "seconds": {name: spread(values) for name, values in seconds.items()},
        "ratio": ratios(seconds, "dask", "plain loop"),
    }


def blocks_of_file(path: Path) -> Any:
    """Return the rows of an .npy file as a Dask array, whose blocks workers read."""
    import dask.array as da
    from dask import delayed

    n, d = np.load(path, mmap_mode="r").shape
    edges = np.linspace(0, n, BLOCKS + 1).astype(int).tolist()

    def read(start: int, stop: int) -> np.ndarray:
        return np.array(np.load(path, mmap_mode="r")[start:stop])

    blocks = [
        da.from_delayed(delayed(read)(start, stop), (stop - start, d), np.float32)
        for start, stop in pairwise(edges)
    ]
    return da.concatenate(blocks)


def measure_fits(
    client: Any, X: np.ndarray, blocks: Any, unseen: np.ndarray, task: dict[str, Any]
) -> dict[str, Any]:
    """Return seconds and the overlap among unseen rows of each fit."""
    from madapt import MatryoshkaAdaptor
    from madapt.dask import DaskMatryoshkaAdaptor

    settings = {"random_state": 0, "max_fit_rows": task["sample"], "max_iter": task["max_iter"]}
    fits = {
        "SVD rotation": (MatryoshkaAdaptor(rotation="svd", hidden_dim=None), X),
        "local": (MatryoshkaAdaptor(**settings), X),
        "Dask": (DaskMatryoshkaAdaptor(client=client, **settings), blocks),
        "Dask, 4 shards": (DaskMatryoshkaAdaptor(client=client, n_shards=4, **settings), blocks),
    }
    MatryoshkaAdaptor(max_iter=1).fit(X[:500])  # compiled and loaded
    found: dict[str, Any] = {}
    for name, (adaptor, rows) in fits.items():
        seconds = timed(lambda adaptor=adaptor, rows=rows: adaptor.fit(rows))
        kept = (adaptor.validation_scores_ or {"kept": ["start"]})["kept"][0]
        found[name] = {"seconds": seconds, "kept": kept, "overlap@10": adaptor.score(unseen)}
        print(f"{name}: {seconds:.1f} s, {kept}, {found[name]['overlap@10']:.4f}", flush=True)
    return found


def fit_rows(args: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return rows to fit, and others that are not seen."""
    if args.data is None:
        rows = embedding_rows(args.fit_rows + N_UNSEEN, args.columns)
        return rows[N_UNSEEN:], rows[:N_UNSEEN]
    documents = []
    for name in ("scifact", "nfcorpus", "cisi"):
        with np.load(args.data / name / "minilm.npz") as file:
            documents.append(file["corpus"].astype(np.float32))
    rows = np.concatenate(documents)
    generator = np.random.default_rng(0)
    rows = rows[generator.permutation(len(rows))]
    known = rows[N_UNSEEN:]
    X = known[generator.integers(len(known), size=args.fit_rows)]
    noise = generator.standard_normal(X.shape, dtype=np.float32)
    return X + np.float32(NOISE / X.shape[1] ** 0.5) * noise, rows[:N_UNSEEN]


def main() -> None:
    """Measure and write the report."""
    options = parser(__doc__, "dask_overhead")
    options.add_argument("--data", type=Path)
    options.add_argument("--rows", type=int, default=500_000)
    options.add_argument("--fit-rows", type=int, default=500_000)
    options.add_argument("--columns", type=int, default=256)
    options.add_argument("--sample", type=int, default=50_000)
    options.add_argument("--max-iter", type=int)
    options.add_argument("--rounds", type=int, default=5)
    args = options.parse_args()
    if args.quick:
        args.rows, args.columns, args.fit_rows, args.rounds = 2000, 80, 2000, 1
        args.data, args.sample, args.max_iter = None, 500, 2
    for name in ("OPENBLAS", "OMP", "NUMBA"):
        os.environ[f"{name}_NUM_THREADS"] = "1"  # the workers', which are started from here
    import dask.array as da
    import distributed

    from madapt import MatryoshkaAdaptor
    from madapt.dask import DaskMatryoshkaAdaptor

    X, unseen = fit_rows(args)
    task = {"sample": args.sample, "max_iter": args.max_iter or "auto"}
    report: dict[str, Any] = {
        "machine": machine("dask", "distributed"),
        "shape": {"transform": [args.rows, args.columns], "fit": list(X.shape)},
        "rows": "tiled documents with noise" if args.data else "made up",
        **task,
        "unseen": len(unseen),
        "free cores": free_cores(2),
    }
    with (
        tempfile.TemporaryDirectory() as folder,
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        normal = da.random.default_rng(0).standard_normal(
            (args.rows, args.columns), chunks=(-(-args.rows // BLOCKS), -1), dtype=np.float32
        )
        svd = MatryoshkaAdaptor(rotation="svd", hidden_dim=None).fit(normal[:5000].compute())
        adaptor = DaskMatryoshkaAdaptor.from_local(svd, client=client)
        report["transform"] = measure_transform(client, normal, adaptor, args.rounds)
        print(f"dask over the plain loop: {shown(report['transform']['ratio'])}", flush=True)
        np.save(Path(folder) / "rows.npy", X)
        blocks = blocks_of_file(Path(folder) / "rows.npy")
        report["fit"] = measure_fits(client, X, blocks, unseen, task)
    report["free cores after"] = free_cores(2)
    save(report, args)


if __name__ == "__main__":
    main()
