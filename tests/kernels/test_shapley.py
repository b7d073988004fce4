"""Shares of factors sum to the whole change, treat factors alike, and are those of the definition."""

import itertools

import numpy as np
import pytest

from lenscal.kernels import shapley


def by_orders(outcomes):
    """The definition: the change each factor makes when it comes, averaged over all orders of coming."""
    k = int(np.log2(len(outcomes)))
    value, share = outcomes.mean(1), np.zeros(k)
    orders = list(itertools.permutations(range(k)))
    for order in orders:
        seen = 0
        for factor in order:
            share[factor] += value[seen | 1 << factor] - value[seen]
            seen |= 1 << factor
    return share / len(orders)


@pytest.mark.parametrize("k", [1, 2, 3, 5])
def test_shares_are_those_of_the_definition_and_sum_to_the_change(k):
    outcomes = np.random.default_rng(k).random((1 << k, 37)) < 0.6
    share, error = shapley.shares(outcomes)
    np.testing.assert_allclose(share, by_orders(outcomes.astype(float)), atol=1e-13)
    assert share.sum() == pytest.approx(outcomes[-1].mean() - outcomes[0].mean(), abs=1e-14)
    assert (error > 0).all()


def test_error_is_that_of_leaving_out_one_unit_at_a_time():
    outcomes = (np.random.default_rng(4).random((8, 25)) < 0.5).astype(float)
    left_out = np.array([shapley.shares(np.delete(outcomes, i, 1))[0] for i in range(25)])
    jackknife = np.sqrt(24 / 25 * np.square(left_out - left_out.mean(0)).sum(0))
    np.testing.assert_allclose(shapley.shares(outcomes)[1], jackknife, rtol=1e-10)


def test_a_factor_that_changes_nothing_has_no_share_and_twins_have_the_same():
    found = {(): 1, (0,): 0, (1,): 0, (0, 1): 0}  # either of the first two loses the lens; the third does nothing
    rows = [found[tuple(j for j in (0, 1) if i >> j & 1)] for i in range(8)]
    share, _ = shapley.shares(np.repeat(np.array(rows, float)[:, None], 6, 1))
    np.testing.assert_array_equal(share, [-0.5, -0.5, 0])


def test_subsets_are_numbered_by_their_bits():
    np.testing.assert_array_equal(shapley.subsets(2), [[False, False], [True, False], [False, True], [True, True]])


@pytest.mark.parametrize("rows", [0, 3, 6])
def test_rows_that_are_not_all_subsets_are_refused(rows):
    with pytest.raises(ValueError, match="power of 2"):
        shapley.shares(np.zeros((rows, 4)))


def test_no_unit_has_no_share_and_one_has_no_error():
    share, error = shapley.shares(np.zeros((4, 0)))
    assert np.isnan(share).all()
    assert np.isnan(error).all()
    share, error = shapley.shares(np.array([[0.0], [1.0], [0.0], [1.0]]))
    np.testing.assert_array_equal(share, [1, 0])
    assert np.isnan(error).all()
