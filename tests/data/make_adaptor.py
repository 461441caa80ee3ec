"""Make a fixture of the newest format of files: adaptor-vN.safetensors and what it gives.

    python tests/data/make_adaptor.py

Files of older formats are not made anew: that they can be read is what they prove.
"""

import warnings
from pathlib import Path

import numpy as np
from scipy.sparse import csr_array

from madapt import MadaptWarning, MatryoshkaAdaptor
from madapt.persistence import FORMAT
from madapt.quantization import PRECISIONS

FOLDER = Path(__file__).parent
N, N_QUERIES, D = 200, 60, 16


def main():
    generator = np.random.default_rng(0)
    basis = generator.standard_normal((5, D))
    X = (generator.standard_normal((N, 5)) @ basis + 0.5).astype(np.float32)
    X += 0.5 * generator.standard_normal((N, D), dtype=np.float32)
    at = generator.integers(N, size=N_QUERIES)
    Q = X[at] - 1 + 0.3 * generator.standard_normal((N_QUERIES, D), dtype=np.float32)
    R = csr_array((np.ones(N_QUERIES, np.float32), (np.arange(N_QUERIES), at)), shape=(60, N))
    model = MatryoshkaAdaptor(
        dims=(4, 8, D),
        dim=8,
        hidden_dim=12,
        center=0.5,
        max_iter=(20, 40),
        guard=False,
        backend="numpy",
        random_state=np.random.RandomState(0),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MadaptWarning)
        model.fit(X, queries=Q, qrels=R)
    # What a guard would leave behind; with it the MLP of this little data is not kept.
    guarded = MatryoshkaAdaptor(max_iter=5, random_state=0).fit(X)
    model.held_out_, model.validation_scores_ = guarded.held_out_, guarded.validation_scores_
    assert model.adaptor_.has_mlp
    model.save(FOLDER / f"adaptor-v{FORMAT}.safetensors")

    rows = {"document": X[:10], "query": Q[:10]}
    given = {
        f"{side} {m} {precision}": model.transform(rows[side], m, side, precision=precision)
        for side in rows
        for m in (5, D)
        for precision in PRECISIONS
    }
    facts = {"fingerprint": model.fingerprint_, "stamp": model.stamp()}
    np.savez_compressed(FOLDER / f"adaptor-v{FORMAT}.npz", **rows, **given, **facts)


if __name__ == "__main__":
    main()
