"""An interval holds the truth as often as it says, has exact ends where all or none was found,
and is none without trials.
"""

import itertools

import numpy as np
import pytest
from scipy.stats import beta, binomtest

from lenscal.kernels import intervals

LEVELS = (0.6827, 0.95)


@pytest.mark.parametrize(("level", "upper"), [(0.6827, 0.0010), (0.95, 0.0038)])
@pytest.mark.parametrize("kind", ["equal-tailed", "hpd"])
def test_none_and_all_of_five_hundred_have_one_exact_end(level, upper, kind):
    lower, found = intervals.interval(0, 500, level, kind=kind)
    assert lower == 0
    assert round(float(found), 4) == upper
    assert found == pytest.approx(beta.ppf(level, 0.5, 500.5), rel=1e-10)
    lower, found = intervals.interval(500, 500, level, kind=kind)
    assert found == 1
    assert lower == pytest.approx(1 - beta.ppf(level, 0.5, 500.5), rel=1e-10)


@pytest.mark.parametrize("prior", intervals.PRIORS)
def test_equal_tails_are_those_of_the_beta_distribution(prior):
    k, n = np.array([1, 7, 37.25, 199]), np.array([2, 9, 40.5, 200])
    a = intervals.PRIORS[prior]
    for level in LEVELS:
        lower, upper = intervals.interval(k, n, level, prior)
        np.testing.assert_allclose(beta.cdf(lower, k + a, n - k + a), (1 - level) / 2, rtol=1e-9)
        np.testing.assert_allclose(beta.sf(upper, k + a, n - k + a), (1 - level) / 2, rtol=1e-9)


def slow_hpd(a, b, level):
    tails = np.linspace(0, 1 - level, 20001)
    ends = beta.ppf([tails, tails + level], a, b)
    return ends[:, np.argmin(ends[1] - ends[0])]


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(("k", "n"), [(1, 10), (3, 10), (5, 10), (9, 10), (150, 200), (3.7, 41.2)])
def test_highest_density_is_the_shortest_interval(k, n, level):
    found = intervals.interval(k, n, level, kind="hpd")
    np.testing.assert_allclose(found, slow_hpd(k + 0.5, n - k + 0.5, level), atol=2e-4)
    np.testing.assert_allclose(np.diff(beta.cdf(found, k + 0.5, n - k + 0.5)), level, atol=1e-9)


def test_highest_density_near_an_end_starts_there():
    lower, upper = intervals.interval(np.array([0.3, 4.8]), 5.1, 0.95, kind="hpd")
    assert lower[0] == 0
    assert upper[1] == 1
    np.testing.assert_allclose(upper[0], beta.ppf(0.95, 0.8, 5.3), rtol=1e-10)


@pytest.mark.parametrize(("kind", "method"), [("wilson", "wilson"), ("clopper-pearson", "exact")])
@pytest.mark.parametrize(("k", "n"), [(0, 20), (1, 20), (13, 20), (20, 20)])
def test_named_frequentist_intervals_are_those_of_scipy(kind, method, k, n):
    for level in LEVELS:
        expected = binomtest(k, n).proportion_ci(level, method)
        np.testing.assert_allclose(intervals.interval(k, n, level, kind=kind), expected, atol=1e-12)


@pytest.mark.parametrize("kind", intervals.KINDS)
def test_no_trials_give_no_interval(kind):
    assert np.isnan(intervals.interval(0, 0, 0.95, kind=kind)).all()
    assert np.isnan(intervals.quantiles(0, 0, [0.5])).all()


@pytest.mark.parametrize("kind", intervals.KINDS)
def test_found_and_missed_are_mirror_images(kind):
    k, n = np.array([0, 0.4, 3, 10]), 10
    lower, upper = intervals.interval(k, n, 0.95, kind=kind)
    other = intervals.interval(n - k, n, 0.95, kind=kind)
    np.testing.assert_allclose([1 - upper, 1 - lower], other, atol=1e-12)


def test_quantiles_are_plain_even_where_nothing_was_found():
    probabilities = (0.025, 0.15865, 0.5, 0.84135, 0.975)
    found = intervals.quantiles([[0, 3]], 12, probabilities, "uniform")
    assert found.shape == (1, 2, 5)
    np.testing.assert_allclose(found[0, 0], 1 - (1 - np.array(probabilities)) ** (1 / 13))
    assert (np.diff(found) > 0).all()


@pytest.mark.parametrize("kind", ["equal-tailed", "hpd"])
@pytest.mark.parametrize("prior", intervals.PRIORS)
@pytest.mark.parametrize("n", [1, 8, 200])
def test_truths_drawn_from_the_prior_are_inside_as_often_as_stated(n, prior, kind):
    rng = np.random.default_rng(n)
    size = 40000
    truth = rng.beta(intervals.PRIORS[prior], intervals.PRIORS[prior], size)
    k, which = np.unique(rng.binomial(n, truth), return_inverse=True)
    for level in LEVELS:
        lower, upper = (end[which] for end in intervals.interval(k, n, level, prior, kind))
        inside = np.mean((lower <= truth) & (truth <= upper))
        assert inside == pytest.approx(level, abs=4 * np.sqrt(level * (1 - level) / size))


@pytest.mark.parametrize("kind", intervals.KINDS)
@pytest.mark.parametrize("prior", intervals.PRIORS)
@pytest.mark.parametrize("n", [1, 2, 3.3, 21, 200.0, 500])
def test_ends_grow_with_k_without_a_jump_and_levels_are_nested(kind, prior, n):
    k = np.linspace(0, n, 401)
    ends = {level: intervals.interval(k, n, level, prior, kind) for level in (0.5, *LEVELS, 0.99)}
    step = {}
    for level, (lower, upper) in ends.items():
        assert (np.diff(lower) >= -1e-12).all(), level
        assert (np.diff(upper) >= -1e-12).all(), level
        assert (lower < upper).all()
        step[level] = max(np.diff(lower).max(), np.diff(upper).max())
    for narrow, wide in itertools.pairwise(ends.values()):
        assert (wide[0] <= narrow[0] + 1e-12).all()
        assert (narrow[1] <= wide[1] + 1e-12).all()
    if kind != "hpd" or n > 1:  # of a flat density there is no densest part
        assert max(step.values()) < 0.02


@pytest.mark.parametrize("kind", ["equal-tailed", "hpd"])
@pytest.mark.parametrize("n", [3, 21, 500])
def test_none_and_all_keep_their_exact_ends(kind, n):
    for level in LEVELS:
        assert intervals.interval(0, n, level, kind=kind) == (0, pytest.approx(beta.ppf(level, 0.5, n + 0.5)))
        assert intervals.interval(n, n, level, kind=kind) == (pytest.approx(beta.ppf(1 - level, n + 0.5, 0.5)), 1)


@pytest.mark.parametrize("prior", intervals.PRIORS)
def test_an_interval_of_effective_counts_holds_the_share_that_was_found(prior):
    for n, effect in itertools.product((1, 5, 24, 200, 500), (1.0, 2.5, 8.0, 60.0)):
        k = np.arange(n + 1)
        for level in LEVELS:
            lower, upper = intervals.interval(k / effect, n / effect, level, prior)
            assert np.mean((lower <= k / n) & (k / n <= upper)) > (0.99 if prior == "jeffreys" else 0.9)


@pytest.mark.parametrize("n", [20, 945])
@pytest.mark.parametrize("k", [1, 2, 3, 9])
def test_the_rate_of_a_threshold_set_at_its_own_kth_negative_is_exact(k, n):
    # The share above the k-th highest of n uniform scores, whatever the scores: exact, no simulation.
    for level in LEVELS:
        lower, upper = intervals.rate_interval(k, n, level)
        law = beta(k, n + 1 - k)
        assert law.cdf(upper) - law.cdf(lower) == pytest.approx(level, abs=1e-9)
        assert law.cdf(lower) == pytest.approx((1 - level) / 2, abs=1e-9)
        assert lower < k / n < upper
        # One that forgets the choice holds 58 and 89 % at k = 1.
        others = intervals.interval(k, n, level)
        assert law.cdf(others[1]) - law.cdf(others[0]) < level


def test_a_threshold_above_all_negatives_bounds_its_rate_from_above():
    for n in (10, 945):
        for level in LEVELS:
            lower, upper = intervals.rate_interval(0, n, level)
            assert lower == 0
            assert upper == pytest.approx(1 - (1 - level) ** (1 / n))


def test_ends_of_the_rate_grow_with_k_and_levels_are_nested():
    k = np.arange(0, 200)
    ends = {level: intervals.rate_interval(k, 945, level) for level in (0.5, *LEVELS, 0.99)}
    for lower, upper in ends.values():
        assert (np.diff(lower) > 0).all()
        assert (np.diff(upper) > 0).all()
    for narrow, wide in itertools.pairwise(ends.values()):
        assert (wide[0] <= narrow[0]).all()
        assert (narrow[1] <= wide[1]).all()
    with pytest.raises(ValueError, match="level is 95"):
        intervals.rate_interval(1, 2, 95)


def test_unknown_names_and_levels_are_refused():
    with pytest.raises(ValueError, match="prior is 'flat', expected one of jeffreys, uniform"):
        intervals.shapes(1, 2, "flat")
    with pytest.raises(ValueError, match="interval is 'wald', expected one of equal-tailed, hpd"):
        intervals.interval(1, 2, 0.95, kind="wald")
    with pytest.raises(ValueError, match="level is 95, expected a number between 0 and 1"):
        intervals.interval(1, 2, 95)
