"""Many mixtures of the same cells at once have the numbers that each has by itself."""

import numpy as np
import pytest
from scipy import sparse

from lenscal.kernels import mixtures, shares


def cells(seed=0, rows=4, columns=6):
    rng = np.random.default_rng(seed)
    n = rng.integers(0, 60, (rows, columns)).astype(float)
    k = rng.binomial(n.astype(int), rng.uniform(0, 1, (rows, columns))).astype(float)
    effect = np.where(n > 0, rng.uniform(1, 4, (rows, columns)), np.nan)
    weight = rng.dirichlet(np.ones(columns), 20) * rng.integers(0, 2, (20, columns))
    return rng, weight, k, n, effect


@pytest.mark.parametrize("seed", range(4))
def test_a_mixture_is_the_weighted_mean_of_its_cells(seed):
    rng, weight, k, n, effect = cells(seed)
    radii = np.column_stack([np.eye(4), rng.dirichlet(np.ones(4))])
    share, trials = mixtures.mean(sparse.csr_array(weight), radii, k, n, effect)
    for m in range(len(weight)):
        for o in range(radii.shape[1]):
            own = (weight[m] * radii[:, [o]]).ravel()
            if not (own * (n.ravel() > 0)).sum() > 0:
                assert np.isnan(trials[m, o])
                continue
            expected = shares.mean(own, k.ravel(), n.ravel(), effect.ravel())
            np.testing.assert_allclose([share[m, o], trials[m, o]], expected, rtol=1e-9)


def test_the_unit_of_area_does_not_matter():
    _, weight, k, n, effect = cells()
    one = mixtures.mean(sparse.csr_array(weight), np.eye(4), k, n, effect)
    other = mixtures.mean(sparse.csr_array(1e4 * weight), np.eye(4), k, n, effect)
    np.testing.assert_allclose(one, other, rtol=1e-9)


def hosts(rho, rows=3, columns=40, per=30, each=5, same=1.0, seed=2):
    """Trials and detections of hosts whose luck is the same at all rows, or its opposite."""
    rng = np.random.default_rng(seed)
    luck = rng.normal(size=(columns, 1, per))
    sign = np.where(np.arange(rows) < rows / 2, 1.0, same)[None, :, None]
    chance = 0.5 + np.clip(0.5 * np.sqrt(rho) * sign * luck, -0.5, 0.5)
    n = np.full((columns, rows, per), each)
    return n, rng.binomial(n, chance)


@pytest.mark.parametrize(("rho", "same", "low", "high"), [(0, 1, 0.85, 1.2), (0.3, 1, 1.8, 4), (0.3, -1, 0.4, 1.1)])
def test_hosts_that_rows_share_make_the_mean_less_sure_when_their_luck_is_the_same(rho, same, low, high):
    n, k = hosts(rho, same=same)
    radii = np.full((3, 1), 1 / 3)
    effect = np.full((3, 40), 1 + 4 * min(rho, 0.25))
    found = mixtures.excess(radii, np.ones((40, 30)), k, n, effect)
    assert low < found[0] < high


def test_a_column_of_one_host_tells_nothing_of_what_rows_share():
    n = np.full((1, 2, 1), 5)
    assert mixtures.excess(np.full((2, 1), 0.5), np.ones((1, 1)), n - 1, n, np.ones((2, 1))) == [1.0]
