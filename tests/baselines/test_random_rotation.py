"""The random rotation is reproducible, blind to the data and uniform."""

import numpy as np

from madapt.baselines import RandomRotation

X = np.random.default_rng(1).standard_normal((30, 6))


def test_the_seed_decides():
    one, same, other = (RandomRotation(random_state=seed).fit(X).rotation_ for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, same)
    assert not np.allclose(one, other)


def test_a_generator_moves_on():
    state = np.random.RandomState(0)
    first, second = (RandomRotation(random_state=state).fit(X).rotation_ for _ in range(2))
    assert not np.allclose(first, second)


def test_the_rows_do_not_matter():
    one, other = (RandomRotation(random_state=0).fit(rows).rotation_ for rows in (X, X[:3] ** 3))
    np.testing.assert_array_equal(one, other)


def test_is_uniform_on_the_orthogonal_group():
    state = np.random.RandomState(0)
    many = np.stack([RandomRotation(random_state=state).fit(X).rotation_ for _ in range(2000)])
    # Entries have mean 0 and variance 1 / 6; five standard errors.
    assert np.abs(many.mean(axis=0)).max() < 5 * np.sqrt(1 / 6 / 2000)
    assert np.abs((many**2).mean(axis=0) - 1 / 6).max() < 5 * np.sqrt(0.06 / 2000)
    assert 0.4 < (np.linalg.det(many) > 0).mean() < 0.6
