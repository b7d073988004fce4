"""The mean of shares is that of the plain shares, and its trials have the binomial error of that mean."""

import numpy as np
import pytest

from lenscal.kernels import shares


def test_the_mean_is_that_of_the_plain_shares_whatever_the_design_effect():
    weight, k, n = np.array([1.0, 2, 3, 5]), np.array([0, 7, 10, 0]), np.array([10, 20, 10, 0])
    for effect in (1.0, np.array([1.0, 4, 2, np.nan])):
        share, _ = shares.mean(weight, k, n, effect)
        assert share == pytest.approx((0 + 2 * 0.35 + 3 * 1) / 6), "a cell without trials counts for nothing"


def test_many_like_cells_count_as_all_their_trials():
    share, trials = shares.mean(np.ones(35), np.full(35, 60), np.full(35, 200), 4.0)
    assert share == pytest.approx(0.3)
    assert trials == pytest.approx(35 * 50, rel=0.02)


def test_unequal_weights_and_design_effects_cost_trials():
    weight, n, effect = np.array([9.0, 1.0]), np.array([100, 100]), np.array([1.0, 5.0])
    _, trials = shares.mean(weight, [50, 50], n, effect)
    assert trials == pytest.approx(1 / (0.9**2 / 100 + 0.1**2 / 20), rel=0.02)


@pytest.mark.parametrize("found", [0, 200])
def test_none_or_all_detected_leaves_an_error(found):
    share, trials = shares.mean(np.ones(5), np.full(5, found), 200, 2.0)
    assert share == found / 200
    assert trials == pytest.approx(500, rel=0.01)


def test_swapping_found_and_missed_changes_the_mean_only():
    weight, k, n, effect = np.array([1.0, 2, 4]), np.array([3, 30, 55]), np.array([60, 50, 70]), np.array([1.0, 2, 3])
    one, other = shares.mean(weight, k, n, effect), shares.mean(weight, n - k, n, effect)
    assert one[0] == pytest.approx(1 - other[0])
    assert one[1] == pytest.approx(other[1])


def test_no_cell_with_trials_has_no_mean():
    for weight, n in ((np.ones(3), np.zeros(3)), (np.array([0.0, 0, 1]), np.array([5, 5, 0]))):
        assert np.isnan(shares.mean(weight, np.zeros(3), n, 1.0)).all()


def test_cells_lie_along_the_last_axis_and_all_broadcast():
    rng = np.random.default_rng(1)
    k, n = rng.integers(0, 20, (4, 3, 6)), np.full((4, 1, 6), 20)
    share, trials = shares.mean(np.arange(1, 7), k, n, 1.5)
    assert share.shape == trials.shape == (4, 3)
    one = shares.mean(np.arange(1, 7), k[2, 1], n[2, 0], 1.5)
    assert (share[2, 1], trials[2, 1]) == pytest.approx(one)
