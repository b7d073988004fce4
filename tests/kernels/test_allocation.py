"""Trials go where the interval is widest, and no further than that is worth."""

import numpy as np
import pytest
from allocated import HOSTS, LEVEL, adaptive, even

from lenscal.kernels import allocation, intervals, recovery

CELLS = np.array([0.02, 0.1, 0.3, 0.5, 0.98])


def width(share, n, rho=0.0, hosts=35.0, unequal=1.0):
    trials = n / ((1 + np.maximum(n / hosts - 1, 0) * rho) * unequal)
    lower, upper = intervals.interval(trials * share, trials, LEVEL)
    return (upper - lower) / 2


@pytest.mark.parametrize(("rho", "unequal"), [(0.0, 1.0), (0.05, 1.0), (0.05, 1.4)])
def test_what_is_needed_makes_the_interval_as_narrow_as_is_wanted(rho, unequal):
    n = np.full(5, 5000)
    wanted = allocation.needed(CELLS * n, n, rho, 60.0, unequal, 0.03, LEVEL)
    reached = np.isfinite(wanted)
    assert reached.sum() >= 3
    np.testing.assert_allclose(width(CELLS, wanted, rho, 60.0, unequal)[reached], 0.03, rtol=0.12)


def test_cells_at_the_ends_need_fewer_trials_than_those_in_the_middle():
    wanted = allocation.needed(CELLS * 200, np.full(5, 200), 0.0, 35.0, 1.0, 0.03, LEVEL)
    assert (np.diff(wanted[:4]) > 0).all()
    assert wanted[4] < wanted[1]


def test_where_hosts_are_too_few_no_number_of_trials_would_do():
    wanted = allocation.needed(100, 200, 0.5, 10.0, 1.0, 0.02, LEVEL)
    assert wanted == np.inf
    assert width(0.5, 1e7, 0.5, 10.0) > 0.02
    extra, _ = allocation.allocate(np.array([100]), np.array([200]), 0.5, 10.0, 1.0, 0.02, LEVEL, 10**6)
    assert extra.tolist() == [0]


def test_a_budget_is_kept_and_goes_to_the_widest():
    n = np.full(5, 100)
    told = (CELLS * n, n, 0.0, 35.0, 1.0)
    extra, expected = allocation.allocate(*told, 0.01, LEVEL, 120)
    assert 0 < extra.sum() <= 120
    assert expected > 0.01
    assert np.argmax(extra) == 3
    assert extra[0] == extra[4] == 0
    whole, reached = allocation.allocate(*told, 0.04, LEVEL, 10**6)
    assert reached == 0.04
    assert whole.sum() > 0


def test_a_cell_grows_by_no_more_than_its_trials_tell():
    extra, _ = allocation.allocate(np.array([5]), np.array([10]), 0.0, 35.0, 1.0, 0.001, LEVEL, 10**6, growth=3)
    assert extra.tolist() == [20]


def test_the_order_of_cells_does_not_matter_and_cells_without_a_trial_get_none():
    rng = np.random.default_rng(0)
    n = rng.integers(0, 300, 50)
    k, order = rng.binomial(n, 0.4), rng.permutation(50)
    extra, _ = allocation.allocate(k, n, 0.02, 35.0, 1.0, 0.02, LEVEL, 3000)
    again, _ = allocation.allocate(k[order], n[order], 0.02, 35.0, 1.0, 0.02, LEVEL, 3000)
    np.testing.assert_array_equal(extra[order], again)
    assert (extra[n == 0] == 0).all()


@pytest.mark.parametrize(("truths", "rho", "most"), [("sharp", 0.0, 0.5), ("sharp", 0.02, 0.5), ("steep", 0.0, 0.75)])
def test_the_half_width_of_an_even_grid_is_reached_with_fewer_trials(truths, rho, most):
    wanted, trials = even(1, truths, rho)
    reached, used, _ = adaptive(1, truths, rho, wanted)
    assert reached <= wanted
    assert used <= most * trials
    assert recovery.design_effect(np.full(HOSTS, 200 / HOSTS), rho) >= 1
