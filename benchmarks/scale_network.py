"""How many bytes Dask's messages have, pickled, beside what `scale_model.network_bytes` counts."""

from __future__ import annotations

import pickle
from typing import Any
from unittest import mock

import numpy as np
from _rows import embedding_rows
from scale_model import ROUNDS, network_bytes

ROWS, D, M, SHARDS = 2000, 320, 64, 2


def message_bytes() -> dict[str, Any]:
    """Return bytes of what a chunk, a shard's round and the model's task are, and as counted."""
    import dask
    import dask.array as da

    from madapt.dask import DaskMatryoshkaAdaptor, _rounds
    from madapt.dask._reading import moments_of

    X = embedding_rows(ROWS, D)
    states: list[int] = []

    def noted(found: Any, weights: np.ndarray) -> Any:
        states.extend(len(pickle.dumps(state)) for state in found)
        return averaged(found, weights)

    averaged = _rounds.mean_state
    settings = {"n_shards": SHARDS, "n_rounds": 2, "max_iter": 2, "guard": False}
    blocks = da.from_array(X, chunks=(ROWS // SHARDS, -1))
    with dask.config.set(scheduler="sync"), mock.patch.object(_rounds, "mean_state", noted):
        model = DaskMatryoshkaAdaptor(random_state=0, rotation_dims=256, **settings).fit(blocks)
        Z = model.transform(blocks, dim=M).compute()
    counted = network_bytes(ROWS, D, M, 1, 1)
    return {
        "X^T X, a chunk": [len(pickle.dumps(moments_of(X, 0, True))), counted["X^T X"]],
        "averaged training, a shard's round, one way": [
            int(np.median(states)),
            counted["averaged training"] / (2 * ROUNDS),
        ],
        "output": [Z.nbytes, counted["output"]],
    }
