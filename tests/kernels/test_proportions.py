"""Newcombe's intervals: his own examples, coverage, and sense at the ends."""

import numpy as np
import pytest

from lenscal.kernels import proportions


@pytest.mark.parametrize(
    ("k_1", "n_1", "k_2", "n_2", "lower", "upper"),
    [
        (56, 70, 48, 80, 0.0524, 0.3339),
        (9, 10, 3, 10, 0.1705, 0.8090),
        (10, 10, 0, 20, 0.6791, 1.0),
        (0, 10, 0, 20, -0.1611, 0.2775),
    ],
)
def test_independent_difference_is_method_10_of_newcombe(k_1, n_1, k_2, n_2, lower, upper):
    # Newcombe 1998, Table II: his difference is first less second.
    low, high = proportions.independent_difference(k_2, n_2, k_1, n_1, 0.95)
    assert (low, high) == pytest.approx((lower, upper), abs=6e-4)


@pytest.mark.parametrize(("p_1", "p_2", "n"), [(0.5, 0.6, 60), (0.95, 0.7, 40), (0.02, 0.05, 120)])
def test_independent_interval_covers(p_1, p_2, n):
    rng = np.random.default_rng(5)
    one, two = rng.binomial(n, p_1, 3000), rng.binomial(2 * n, p_2, 3000)
    ends = np.array([proportions.independent_difference(a, n, b, 2 * n, 0.95) for a, b in zip(one, two)])
    assert ((ends[:, 0] <= p_2 - p_1) & (p_2 - p_1 <= ends[:, 1])).mean() > 0.935


def test_all_of_both_leaves_an_interval_about_zero():
    low, high = proportions.independent_difference(21, 21, 84, 84, 0.95)
    assert low < 0 < high
    assert high - low < 0.25


def test_an_empty_sample_has_no_interval():
    assert np.isnan(proportions.independent_difference(0, 0, 3, 5, 0.95)).all()
    assert np.isnan(proportions.paired_difference(0, 0, 0, 0, 0.95)).all()


def test_paired_interval_covers_where_pairs_are_alike_and_where_they_are_not():
    rng = np.random.default_rng(6)
    for alike in (0.0, 0.9):
        n, p_1, p_2, inside = 80, 0.55, 0.7, 0
        for _ in range(2000):
            u = rng.random(n)
            v = np.where(rng.random(n) < alike, u, rng.random(n))
            a, b = u < p_1, v < p_2
            _, low, high = proportions.paired_difference(
                int((a & b).sum()), int((a & ~b).sum()), int((~a & b).sum()), int((~a & ~b).sum()), 0.95
            )
            inside += low <= p_2 - p_1 <= high
        assert inside / 2000 > 0.93


def test_paired_difference_is_the_net_gain_and_turns_with_the_order():
    change, low, high = proportions.paired_difference(30, 3, 12, 15, 0.95)
    assert change == pytest.approx(9 / 60)
    back = proportions.paired_difference(30, 12, 3, 15, 0.95)
    assert back == pytest.approx((-change, -high, -low))


@pytest.mark.parametrize("turned", [False, True])
def test_the_interval_of_pairs_is_the_published_one(turned):
    # Fagerland, Lydersen & Laake (2014, Statistics in Medicine 33, 2850), airway hyper-responsiveness of 21 children:
    # -0.507 to -0.026.
    lost, won = (1, 7) if not turned else (7, 1)
    change, lower, upper = proportions.paired_difference(1, won, lost, 12, 0.95)
    expected = (-6 / 21, -0.507, -0.026) if not turned else (6 / 21, 0.026, 0.507)
    assert (change, lower, upper) == pytest.approx(expected, abs=5e-4)
