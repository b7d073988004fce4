"""Statistics at the door are those of the kernels, and what cannot be counts, scores or weights is
refused with a sentence.
"""

import numpy as np
import pytest
from astropy import units as u
from scipy.stats import beta

import lenscal as lc
from lenscal.kernels import intervals, proportions, ranking, twosamples, weighting


@pytest.mark.parametrize("kind", intervals.KINDS)
@pytest.mark.parametrize("prior", intervals.PRIORS)
def test_intervals_are_those_of_the_kernel(kind, prior):
    k, n = np.arange(11), 10
    np.testing.assert_array_equal(lc.interval(k, n, 0.9, prior, kind), intervals.interval(k, n, 0.9, prior, kind))


def test_an_interval_is_that_of_the_beta_posterior():
    lower, upper = lc.interval(17, 20)
    np.testing.assert_allclose([lower, upper], beta(17.5, 3.5).ppf([0.15865, 0.84135]), rtol=1e-4)
    np.testing.assert_allclose(lc.share_quantiles(17, 20), beta(17.5, 3.5).ppf([0.15865, 0.5, 0.84135]), rtol=1e-12)


def test_the_others_are_those_of_the_kernels_too():
    one, two = np.array([3.0, 2.0, 1.0]), np.array([0.0, 1.5, -1.0])
    assert lc.auc(one, two) == ranking.auc(one, two, 0.95)
    assert lc.mcnemar(3, 9) == twosamples.mcnemar(3, 9)
    assert lc.share_difference(17, 20, 8, 20)[1:] == proportions.independent_difference(17, 20, 8, 20, 0.95)
    assert lc.share_difference(17, 20, 8, 20)[0] == pytest.approx(-0.45)
    assert lc.effective_number([1, 1, 2]) == weighting.effective_number(np.array([1, 1, 2.0]))
    np.testing.assert_array_equal(lc.rate_interval([0, 5], 100), intervals.rate_interval([0, 5], 100, 0.6827))


def test_no_trial_is_no_number_and_no_error():
    assert np.isnan(lc.interval(0, 0)).all()
    assert np.isnan(lc.share_quantiles([0, 1], [0, 2])[0]).all()
    assert lc.interval(u.Quantity(3), 10)[0] == lc.interval(3, 10)[0]


COUNTED = [
    lc.interval,
    lc.share_quantiles,
    lc.rate_interval,
    lambda k, n: lc.share_difference(k, n, 1, 2),
    lambda k, n: lc.share_difference(1, 2, k, n),
]


@pytest.mark.parametrize("function", COUNTED)
@pytest.mark.parametrize(
    ("k", "n", "message"),
    [
        (5, 3, "5 found of 3 trials; expected k at most n"),
        (-1, 3, r"a count is negative \(-1\), expected 0 or more"),
        (0, -3, r"a count is negative \(-3\)"),
        (np.nan, 3, "k is not finite in 1 of 1 places"),
        (1, np.inf, "n is not finite in 1 of 1 places"),
        ("many", 3, "k holds 'many', expected numbers"),
        ([1, 2], [3, 4, 5], r"k has shape \(2,\) and n \(3,\), which do not broadcast"),
        (3 * u.arcsec, 4, "k is in arcsec, which cannot be converted to 1"),
    ],
)
def test_what_cannot_be_counts_is_refused(function, k, n, message):
    with pytest.raises(ValueError, match=message):
        function(k, n)


@pytest.mark.parametrize("level", [0, 1, -0.5, 68.27, np.nan, "wide", None])
@pytest.mark.parametrize(
    "function",
    [
        lambda level: lc.interval(1, 2, level),
        lambda level: lc.rate_interval(1, 2, level),
        lambda level: lc.auc([1.0], [0.0], level),
        lambda level: lc.share_difference(1, 2, 1, 2, level),
    ],
)
def test_a_level_that_is_no_probability_is_refused(function, level):
    with pytest.raises(ValueError, match=r"the level is .*expected a number between 0 and 1"):
        function(level)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: lc.interval(1, 2, prior="flat"), "the prior is 'flat', expected one of jeffreys, uniform"),
        (lambda: lc.interval(1, 2, kind="wald"), "the interval is 'wald', expected one of"),
        (lambda: lc.share_quantiles(1, 2, [0.5, 1.0]), "the probabilities are .*expected numbers between 0 and 1"),
        (lambda: lc.rate_interval(0, 0), "n is 0, expected one negative or more"),
        (lambda: lc.share_difference(0, 0, 1, 2), "one trial or more in both samples"),
        (lambda: lc.share_difference([1, 2], 3, 1, 2), "expected one count each"),
        (lambda: lc.auc([], [1.0]), r"the positives have shape \(0,\)"),
        (lambda: lc.auc([1.0], [[1.0]]), r"the negatives have shape \(1, 1\)"),
        (lambda: lc.auc([1.0], [np.nan]), "a score of the negatives is not finite in 1 of 1 places"),
        (lambda: lc.mcnemar(-1, 2), "lost is -1, expected a whole number of pairs"),
        (lambda: lc.mcnemar(1, 2.5), "won is 2.5, expected a whole number of pairs"),
        (lambda: lc.effective_number([1, -1]), "1 of 2 weights are negative"),
        (lambda: lc.effective_number([1, np.nan]), "a weight is not finite"),
    ],
)
def test_other_input_is_refused_by_name(call, message):
    with pytest.raises(ValueError, match=message):
        call()
