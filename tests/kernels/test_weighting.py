"""Weighted trials are worth what simulation says, and equal weights are no weights."""

import numpy as np
import pytest

from lenscal.kernels import recovery, weighting


def test_equal_weights_are_worth_their_number_and_one_weight_one():
    assert weighting.effective_number(np.full(7, 3.0)) == pytest.approx(7)
    assert weighting.effective_number([0, 0, 5.0, 0]) == pytest.approx(1)
    assert weighting.effective_number([0.0, 0.0]) == 0


def test_effective_number_does_not_hang_on_the_scale():
    w = np.random.default_rng(1).lognormal(size=50)
    assert weighting.effective_number(w) == pytest.approx(weighting.effective_number(1e6 * w))


def test_share_is_the_weighted_mean_and_its_variance_is_that_of_repeated_draws_of_clusters():
    rng = np.random.default_rng(2)
    means, variances = [], []
    for _ in range(400):
        hosts = rng.beta(2, 3, 60)
        weight = np.repeat(rng.lognormal(sigma=0.7, size=60), 5)
        hit = rng.random(300) < np.repeat(hosts, 5)
        value, variance = weighting.share(hit, weight, np.repeat(np.arange(60), 5))
        assert value == pytest.approx(np.average(hit, weights=weight))
        means.append(value)
        variances.append(variance)
    assert np.mean(variances) == pytest.approx(np.var(means), rel=0.15)


def test_share_without_weight_or_of_one_cluster_says_nothing_of_its_error():
    assert np.isnan(weighting.share([1, 0], [0, 0], [1, 2])).all()
    value, variance = weighting.share([1, 0], [1, 3], [4, 4])
    assert value == 0.25
    assert np.isnan(variance)


@pytest.mark.parametrize("rho", [0.0, 0.2, 1.0])
def test_equal_weights_are_worth_the_trials_over_their_design_effect(rho):
    n = np.array([[5, 9, 0, 2], [4, 4, 4, 4]])
    expected = n.sum(-1) / recovery.design_effect(n, np.array([rho, rho]))
    np.testing.assert_allclose(weighting.effective_trials(n, np.full(4, 2.5), np.array([rho, rho])), expected)


def test_effective_trials_are_those_of_the_variance_of_the_weighted_share():
    rng = np.random.default_rng(3)
    n, weight, p, rho = np.array([8, 3, 12, 5, 7, 2]), np.array([1.0, 4.0, 0.5, 2.0, 1.0, 6.0]), 0.3, 0.25
    size = 1 / rho - 1
    draws = []
    for _ in range(40_000):
        hosts = rng.beta(p * size, (1 - p) * size, n.size)
        draws.append((weight * rng.binomial(n, hosts)).sum() / (weight * n).sum())
    assert weighting.effective_trials(n, weight, rho) == pytest.approx(p * (1 - p) / np.var(draws), rel=0.04)


def test_cells_whose_hosts_have_no_weight_are_worth_nothing():
    assert weighting.effective_trials(np.array([3, 4]), np.zeros(2), 0.1) == 0
