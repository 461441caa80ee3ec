"""What Dask costs and keeps: `transform` over a plain loop, and fits of many rows.

    python benchmarks/dask_overhead.py [--rows 500000] [--columns 256] [--sample 50000]
        [--max-iter N] [--rounds 5] [--quick]

Two workers of one thread each. *Transform*: the rows lie on the workers in blocks. The plain loop
is one task a worker, which calls the block loop for one block after the other; Dask's is the
computation of `DaskMatryoshkaAdaptor.transform(X, dim=64)`. Both leave their results on the
workers; they take turns, and the overhead is the median of the rounds' ratios, less 1. *Fit*: the
local fit, the fit on a Dask array, and the training of four shards that are averaged, each on
samples of `--sample` rows; the share of the 10 nearest neighbours that prefixes keep is measured
among rows that none has seen. Rows are made up (`_rows.py`), in clusters with a spectrum like
embeddings'.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from _common import free_cores, machine, parser, ratios, save, shown, spread, take_turns, timed
from _rows import embedding_rows

N_UNSEEN, DIM, BLOCKS = 4000, 64, 16


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


def measure_fits(client: Any, X: np.ndarray, unseen: np.ndarray, task: dict[str, Any]) -> Any:
    """Return seconds and the overlap among unseen rows of each fit."""
    import dask.array as da

    from madapt import MatryoshkaAdaptor
    from madapt.dask import DaskMatryoshkaAdaptor

    settings = {"random_state": 0, "max_fit_rows": task["sample"], "max_iter": task["max_iter"]}
    blocks = da.from_array(X, chunks=(-(-len(X) // BLOCKS), -1))
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


def main() -> None:
    """Measure and write the report."""
    options = parser(__doc__, "dask_overhead")
    options.add_argument("--rows", type=int, default=500_000)
    options.add_argument("--columns", type=int, default=256)
    options.add_argument("--sample", type=int, default=50_000)
    options.add_argument("--max-iter", type=int)
    options.add_argument("--rounds", type=int, default=5)
    args = options.parse_args()
    if args.quick:
        args.rows, args.columns, args.sample, args.max_iter, args.rounds = 2000, 80, 500, 2, 1
    for name in ("OPENBLAS", "OMP", "NUMBA"):
        os.environ[f"{name}_NUM_THREADS"] = "1"  # the workers', which are started from here
    import dask.array as da
    import distributed

    from madapt import MatryoshkaAdaptor
    from madapt.dask import DaskMatryoshkaAdaptor

    rows = embedding_rows(args.rows + N_UNSEEN, args.columns)
    X, unseen = rows[: args.rows], rows[args.rows :]
    task = {"sample": args.sample, "max_iter": args.max_iter or "auto"}
    report: dict[str, Any] = {
        "machine": machine("dask", "distributed"),
        "shape": list(X.shape),
        **task,
        "unseen": len(unseen),
        "free cores": free_cores(2),
    }
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        plain = MatryoshkaAdaptor(rotation="svd", hidden_dim=None).fit(X[:5000])
        blocks = da.from_array(X, chunks=(-(-len(X) // BLOCKS), -1))
        adaptor = DaskMatryoshkaAdaptor.from_local(plain, client=client)
        report["transform"] = measure_transform(client, blocks, adaptor, args.rounds)
        print(f"dask over the plain loop: {shown(report['transform']['ratio'])}", flush=True)
        report["fit"] = measure_fits(client, X, unseen, task)
    report["free cores after"] = free_cores(2)
    save(report, args)


if __name__ == "__main__":
    main()
