"""The SVD rotation keeps more of the rows in a prefix than any other projection."""

import numpy as np
from sklearn.decomposition import TruncatedSVD

from madapt.baselines import RandomRotation, SVDRotation, Truncation

X = np.random.default_rng(1).standard_normal((80, 10)) * 0.7 ** np.arange(10)[::-1] + 0.3


def test_agrees_with_truncated_svd():
    reference = TruncatedSVD(6, algorithm="arpack", random_state=0)
    wanted = reference.fit_transform(X)
    svd = SVDRotation(normalize=False).fit(X)
    np.testing.assert_allclose(np.abs(svd.transform(X, dim=6)), np.abs(wanted), atol=1e-9)


def test_a_prefix_keeps_the_most_length():
    kept = {
        type(method).__name__: [(method.fit_transform(X, dim=m) ** 2).sum() for m in range(1, 11)]
        for method in (
            SVDRotation(normalize=False),
            Truncation(normalize=False),
            RandomRotation(normalize=False, random_state=0),
        )
    }
    for other in ("Truncation", "RandomRotation"):
        assert (np.array(kept["SVDRotation"]) > np.array(kept[other]))[:9].all()
        np.testing.assert_allclose(kept["SVDRotation"][9], kept[other][9])


def test_learns_from_directions_not_from_lengths():
    lengths = np.random.default_rng(0).uniform(0.01, 100, (80, 1))
    np.testing.assert_allclose(
        SVDRotation().fit(X * lengths).rotation_, SVDRotation().fit(X).rotation_, atol=1e-9
    )
