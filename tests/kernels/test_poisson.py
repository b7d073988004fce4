"""Compiled Poisson numbers have scipy's distribution, for small means and large ones, and belong to their key."""

import numpy as np
import pytest
from from_python import called
from numba import njit
from scipy import stats

from lenscal.kernels import poisson
from lenscal.kernels.draws import hashes

one = called(poisson.poisson)

COUNT = 400_000
PINNED = [0.0, 1.0, 1.0, 7.0, 21.0, 947.0, 998324.0]


@njit
def _many(mean, keys, out):
    for i in range(keys.size):
        out[i] = poisson.poisson(mean, keys[i])


def many(mean, count=COUNT, purpose="test"):
    out = np.empty(count)
    _many(float(mean), hashes(1, purpose, np.arange(count)), out)
    return out


@pytest.mark.parametrize("mean", [1e-3, 0.1, 1.0, 3.3, 9.999, 10.0, 10.5, 13.7, 29.0, 60.0, 300.0, 2000.0])
def test_every_number_comes_as_often_as_it_should(mean):
    found = many(mean)
    spread = np.sqrt(mean)
    # Bins of a number each where many are expected, of a tenth of the spread otherwise; the tails together.
    edges = np.unique(np.round(np.arange(mean - 5 * spread, mean + 5 * spread, max(1.0, 0.1 * spread)))) - 0.5
    expected = COUNT * np.diff(stats.poisson.cdf(np.r_[-np.inf, edges, np.inf], mean))
    counts = np.histogram(found, np.r_[-np.inf, edges, np.inf])[0]
    keep = expected > 10
    expected, counts = np.r_[expected[keep], expected[~keep].sum()], np.r_[counts[keep], counts[~keep].sum()]
    chi2 = ((counts - expected) ** 2 / np.maximum(expected, 1)).sum()
    assert stats.chi2.sf(chi2, len(counts) - 1) > 1e-4, (chi2, len(counts))


@pytest.mark.parametrize("mean", [0.02, 2.0, 9.0, 11.0, 40.0, 1e3, 1e5, 1e8, 1e12])
def test_cumulative_probabilities_are_uniform(mean):
    found = many(mean, purpose="uniform")
    # A number stands for the whole step of its probability: a point drawn in the step is uniform.
    inside = np.random.default_rng(5).random(COUNT)
    below, above = (stats.poisson.cdf(found - k, mean) for k in (1, 0))
    assert stats.kstest(below + inside * (above - below), "uniform").pvalue > 1e-4


@pytest.mark.parametrize("mean", [0.5, 5.0, 10.0, 25.0, 1e4, 1e9, 1e15, 1e18])
def test_mean_variance_and_skewness_are_those_of_poisson(mean):
    pull = (many(mean, purpose="moments") - mean) / np.sqrt(mean)
    assert abs(pull.mean()) < 4 / np.sqrt(COUNT)
    assert pull.var() == pytest.approx(1, abs=4 * np.sqrt((2 + 1 / mean) / COUNT))
    assert (pull**3).mean() == pytest.approx(1 / np.sqrt(mean), abs=4 * np.sqrt((15 + 36 / mean) / COUNT) + 1e-3)


def test_tails_are_there():
    # One in 10^5 on either side.
    for mean in (4.0, 50.0, 1e4):
        found = many(mean, purpose="tails")
        for high in (stats.poisson.isf(1e-4, mean),):
            expected = COUNT * stats.poisson.sf(high, mean)
            assert abs((found > high).sum() - expected) < 5 * np.sqrt(expected)
        assert found.max() < stats.poisson.isf(1e-10, mean)


def test_numbers_are_whole_and_not_negative():
    for mean in (0.3, 10.0, 11.0, 1e6):
        found = many(mean, 20_000)
        assert (found == np.floor(found)).all()
        assert found.min() >= 0


def test_a_number_depends_on_its_key_alone_and_keys_are_unrelated():
    for mean in (3.0, 30.0):
        found = many(mean)
        keys = hashes(1, "test", np.arange(COUNT))
        again = np.empty(100)
        _many(mean, keys[500:600][::-1].copy(), again)
        np.testing.assert_array_equal(again[::-1], found[500:600])
        pull = (found - mean) / np.sqrt(mean)
        assert abs((pull[1:] * pull[:-1]).mean()) < 4 / np.sqrt(COUNT)


def test_the_same_key_gives_more_for_a_larger_mean():
    # Common random numbers: what keeps trials at neighbouring theta_e comparable.
    for first, second in ((2.0, 4.0), (100.0, 200.0)):
        one, two = many(first, 50_000), many(second, 50_000)
        assert np.corrcoef(one, two)[0, 1] > 0.6


def test_numbers_are_pinned_so_that_old_runs_stay_reproducible():
    key = np.uint64(0x0123456789ABCDEF)
    assert [one(mean, key) for mean in (0.5, 3.0, 4.0, 11.0, 30.0, 1e3, 1e6)] == PINNED
