"""Quantiles of weighted values are those of NumPy, and a comparison of two holds the truth when injections
share their anchors' luck.
"""

import numpy as np
import pytest

from lenscal.kernels import quantiles


@pytest.mark.parametrize("q", [0.1, 0.5, 0.9])
def test_quantiles_of_equal_weights_are_those_of_numpy(q):
    rng = np.random.default_rng(1)
    values = np.append(rng.normal(size=30), [np.inf, -np.inf, 0.0, 0.0])
    assert quantiles.at_rank(values, np.ones((1, 34)), q)[0] == np.quantile(values, q, method="inverted_cdf")
    weights = rng.integers(0, 4, (20, 34))
    for row, found in zip(weights, quantiles.at_rank(values, weights, q)):
        assert found == np.quantile(np.repeat(values, row), q, method="inverted_cdf")


def test_a_smooth_quantile_is_that_of_scipy():
    from scipy.stats.mstats import hdquantiles

    values = np.random.default_rng(2).lognormal(size=41)
    for q in (0.1, 0.5, 0.9):
        assert quantiles.smooth(values, np.ones((1, 41)), q)[0] == pytest.approx(hdquantiles(values, [q])[0], rel=1e-4)


def ratio(a, b):
    return np.where(a > 0, b / a, np.nan)


def test_nothing_to_compare_has_no_number():
    rng = np.random.default_rng(1)
    assert np.isnan(
        quantiles.compared(np.array([]), np.ones(3), np.array([], int), np.arange(3), 0.5, ratio, 0.95, rng)
    ).all()
    assert np.isnan(
        quantiles.compared(-np.ones(5), np.ones(5), np.arange(5), np.arange(5), 0.5, ratio, 0.95, rng)
    ).all()


def test_infinities_count_in_the_median_and_its_interval():
    one, two = np.array([0.0, 1, 2, 3, np.inf]), np.array([-np.inf, 1.0, 2, 3, 4])
    value, lower, upper = quantiles.compared(
        one, two, np.arange(5), 10 + np.arange(5), 0.5, lambda a, b: b - a, 0.95, np.random.default_rng(1)
    )
    assert value == 0
    assert lower < 0 < upper


@pytest.mark.parametrize("alike", ["independent", "with their anchor", "for reasons of their own"])
@pytest.mark.parametrize("anchors", [21])
def test_intervals_of_the_ratio_hold_the_truth_whatever_an_anchors_matches_share(anchors, alike):
    rng = np.random.default_rng(3)
    own = np.repeat(np.arange(anchors), 4)
    inside = {q: [] for q in (0.1, 0.5, 0.9)}
    for trial in range(150):
        luck = rng.normal(size=anchors)
        shared = {
            "independent": rng.normal(size=own.size),
            "with their anchor": luck[own],
            "for reasons of their own": rng.normal(size=anchors)[own],
        }[alike]
        one, two = np.exp(0.9 * luck), np.exp(0.9 * (0.6**0.5 * shared + 0.4**0.5 * rng.normal(size=own.size)))
        for q, found in inside.items():
            _, lower, upper = quantiles.compared(
                one, two, np.arange(anchors), own, q, ratio, 0.95, np.random.default_rng(trial), 100
            )
            found.append(lower <= 1 <= upper)
    for q, found in inside.items():
        assert abs(np.mean(found) - 0.95) < 0.02 + 3 * np.sqrt(0.95 * 0.05 / 150), q
