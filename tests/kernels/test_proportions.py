"""Differences of shares have the published intervals, and hold the truth as often as they say."""

import numpy as np
import pytest

from lenscal.kernels import proportions


def test_the_interval_of_different_trials_is_newcombes_example():
    # Newcombe (1998, Statistics in Medicine 17, 873), table II, method 10: 56/70 - 48/80.
    assert proportions.independent_difference(48, 80, 56, 70, 0.95) == pytest.approx((0.0524, 0.3339), abs=5e-5)


@pytest.mark.parametrize("turned", [False, True])
def test_the_interval_of_pairs_is_the_published_one(turned):
    # Fagerland, Lydersen & Laake (2014, Statistics in Medicine 33, 2850), airway hyper-responsiveness of 21 children: -0.507 to -0.026.
    lost, won = (1, 7) if not turned else (7, 1)
    change, lower, upper = proportions.paired_difference(1, won, lost, 12, 0.95)
    expected = (-6 / 21, -0.507, -0.026) if not turned else (6 / 21, 0.026, 0.507)
    assert (change, lower, upper) == pytest.approx(expected, abs=5e-4)


@pytest.mark.parametrize(("lost", "won"), [(0.02, 0.02), (0.1, 0.02), (0.25, 0.05)])
@pytest.mark.parametrize("both", [0.1, 0.6])
def test_intervals_of_a_paired_change_hold_the_truth(both, lost, won):
    counts = np.random.default_rng(6).multinomial(150, [both, lost, won, 1 - both - lost - won], 1500)
    ends = [proportions.paired_difference(*map(int, row), 0.95)[1:] for row in counts]
    assert 0.925 < np.mean([lower <= won - lost <= upper for lower, upper in ends]) < 0.995


def test_without_pairs_or_trials_there_is_no_interval():
    assert np.isnan(proportions.paired_difference(0, 0, 0, 0, 0.95)).all()
    assert np.isnan(proportions.independent_difference(0, 0, 1, 2, 0.95)).all()
