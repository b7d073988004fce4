"""What judges scores is what scikit-learn and closed forms give; its intervals hold the truth as often as they say."""

import numpy as np
import pytest
from scipy import stats
from scipy.special import expit, logit
from sklearn.metrics import average_precision_score, brier_score_loss, log_loss

from lenscal.kernels import bootstrap, draws, precision, profiles, quantiles, rankcorrelation, reliability, twosamples


def normal(rng, m, n, apart):
    """Scores of m positives and n negatives."""
    return np.append(rng.normal(apart, 1, m), rng.normal(0, 1, n)), np.arange(m + n) < m


@pytest.mark.parametrize("decimals", [0, 1, 9])
@pytest.mark.parametrize("prevalence", [1e-4, 0.01, 0.4])
def test_average_precision_is_that_of_scikit_learn_at_any_share_of_positives(decimals, prevalence):
    score, positive = normal(np.random.default_rng(1), 40, 300, 1)
    score = np.round(score, decimals)
    extra = np.random.default_rng(2).exponential(size=(3, score.size))
    for weights in extra:
        at = reliability.at_prevalence(positive, prevalence, weights)
        expected = average_precision_score(positive, score, sample_weight=at)
        assert precision.average_precision(score, positive, prevalence, weights) == pytest.approx(expected, rel=1e-9)
    rows = precision.average_precision(score, positive, prevalence, extra)
    np.testing.assert_allclose(rows, [precision.average_precision(score, positive, prevalence, w) for w in extra])


def test_a_perfect_order_has_precision_one_and_a_constant_score_the_prevalence():
    positive = np.arange(50) < 5
    assert precision.average_precision(-np.arange(50), positive, 1e-3) == pytest.approx(1)
    assert precision.average_precision(np.zeros(50), positive, 1e-3) == pytest.approx(1e-3)


def test_steps_count_what_lies_at_or_above_each_score_once():
    threshold, n_true, n_false = precision.steps([3, 1, 1, 2, 1], [True, False, True, False, False])
    np.testing.assert_array_equal(threshold, [3, 2, 1])
    np.testing.assert_array_equal(n_true, [1, 1, 2])
    np.testing.assert_array_equal(n_false, [0, 1, 3])


def test_precision_is_bayes_rule():
    assert precision.precision(0.8, 0.01, 0.001) == pytest.approx(0.0008 / (0.0008 + 0.00999))
    assert np.isnan(precision.precision(0.0, 0.0, 0.001))


def test_proper_scores_are_those_of_scikit_learn():
    rng = np.random.default_rng(3)
    probability, positive = rng.random(200), rng.random(200) < 0.3
    weights = reliability.at_prevalence(positive, 0.05)
    assert weights.sum() == pytest.approx(1)
    assert weights[positive].sum() == pytest.approx(0.05)
    assert weights @ reliability.brier(probability, positive) == pytest.approx(
        brier_score_loss(positive, probability, sample_weight=weights)
    )
    assert weights @ reliability.log_loss(probability, positive) == pytest.approx(
        log_loss(positive, probability, sample_weight=weights)
    )


def test_calibration_error_is_the_slow_sum_over_bins():
    rng = np.random.default_rng(4)
    probability, positive = np.round(rng.random(300), 2), rng.random(300) < 0.4
    weights, own = reliability.at_prevalence(positive, 0.1), reliability.equal_mass_bins(probability, 7)
    slow = 0.0
    for number in range(own.max() + 1):
        inside = own == number
        mass = weights[inside].sum()
        gap = (weights * probability)[inside].sum() / mass - (weights * positive)[inside].sum() / mass
        slow += mass * abs(gap)
    assert np.abs(reliability.bin_misses(probability, positive, own, weights)).sum() == pytest.approx(slow)


def test_equal_probabilities_share_a_bin():
    own = reliability.equal_mass_bins(np.repeat([0.1, 0.2, 0.9], [50, 3, 47]), 10)
    assert [np.unique(own[part]).size for part in (slice(0, 50), slice(50, 53), slice(53, 100))] == [1, 1, 1]
    assert np.unique(own).size == own.max() + 1 == 3


def test_risk_is_the_loss_of_all_at_full_coverage_and_its_area_rewards_knowing_when_one_is_wrong():
    loss, weights = np.repeat([0.0, 1.0], [80, 20]), np.full(100, 0.01)
    coverage, risk = reliability.risk_coverage(np.arange(100)[::-1], loss, weights)
    assert (coverage[-1], risk[-1]) == (pytest.approx(1), pytest.approx(0.2))
    knowing = reliability.risk_area(coverage, risk)
    blind = reliability.risk_area(*reliability.risk_coverage(np.zeros(100), loss, weights))
    wrong = reliability.risk_area(*reliability.risk_coverage(np.arange(100), loss, weights))
    assert blind == pytest.approx(0.2)
    assert knowing == pytest.approx(sum(max(0, k - 80) / k for k in range(1, 101)) / 100)
    assert knowing < blind < wrong


@pytest.mark.parametrize("ties", [9, 1, 0])
def test_rank_correlation_is_that_of_scipy_and_of_rows_that_are_repeated(ties):
    rng = np.random.default_rng(5)
    x = np.round(rng.normal(size=80), ties)
    y = np.round(x + rng.normal(size=80), ties)
    assert rankcorrelation.spearman(x, y) == pytest.approx(stats.spearmanr(x, y).statistic)
    times = rng.integers(1, 4, 80)
    expected = stats.spearmanr(np.repeat(x, times), np.repeat(y, times)).statistic
    assert rankcorrelation.spearman(x, y, times) == pytest.approx(expected)
    assert np.isnan(rankcorrelation.spearman(x, np.zeros(80)))


def test_holm_steps_down():
    np.testing.assert_allclose(rankcorrelation.holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(rankcorrelation.holm([0.9, 0.8]), [1, 1])


@pytest.mark.parametrize("rho", [0.0, 0.3, 0.7])
def test_interval_of_a_rank_correlation_holds_the_truth(rho):
    rng, truth = np.random.default_rng(6), 6 / np.pi * np.arcsin(rho / 2)
    hits, beyond = [], []
    for _ in range(1000):
        x = rng.normal(size=60)
        found = rankcorrelation.spearman(x, rho * x + np.sqrt(1 - rho**2) * rng.normal(size=60))
        lower, upper = rankcorrelation.interval(found, 60, 0.95)
        hits.append(lower <= truth <= upper)
        beyond.append(rankcorrelation.p_beyond(found, 60, max(truth, 0.2)) < 0.05)
    assert np.mean(hits) == pytest.approx(0.95, abs=0.025)
    assert np.mean(beyond) < 0.08


def test_median_interval_is_that_of_the_sign_test():
    values = np.arange(1.0, 21)
    median, lower, upper = quantiles.median_interval(values, 0.95)
    assert (median, lower, upper) == (10.5, 6, 15)  # tables of the sign test: n = 20, ranks 6 and 15
    assert quantiles.median_interval(values[:5], 0.95)[1:] == (-np.inf, np.inf)
    rng = np.random.default_rng(7)
    for n in (12, 40):
        ends = np.array([quantiles.median_interval(rng.exponential(size=n), 0.95)[1:] for _ in range(2000)])
        assert np.mean((ends[:, 0] <= np.log(2)) & (np.log(2) <= ends[:, 1])) > 0.945


def test_resamples_belong_to_objects_and_not_to_their_order():
    ids = np.array([5, 9, 2**60, 11])
    whole = draws.resampled(1, "a", ids, range(200))
    np.testing.assert_array_equal(draws.resampled(1, "a", ids[::-1], range(200)), whole[:, ::-1])
    np.testing.assert_array_equal(draws.resampled(1, "a", ids[1:3], range(50, 60)), whole[50:60, 1:3])
    assert (whole > 0).all()
    many = draws.resampled(1, "a", np.arange(500), range(100))
    assert (many.mean(), many.var()) == (pytest.approx(1, abs=0.02), pytest.approx(1, abs=0.05))


def test_ends_widen_for_a_few():
    drawn = np.linspace(0, 2, 2001)
    assert bootstrap.ends(1.0, drawn, 10**6, 0.95) == pytest.approx((0.05, 1.95), abs=1e-3)
    factor = np.sqrt(5 / 4) * stats.t.ppf(0.975, 4) / stats.norm.ppf(0.975)
    assert bootstrap.ends(1.0, drawn, 5, 0.95) == pytest.approx((1 - 0.95 * factor, 1 + 0.95 * factor), abs=1e-3)
    assert np.isnan(bootstrap.ends(1.0, np.full(3, np.nan), 5, 0.95)).all()


def calibrated(score, apart, prevalence, slope=1.0, offset=0.0):
    """The true probability of `normal` scores at a share of positives, or one that is off."""
    return expit(slope * (apart * score - apart**2 / 2 + logit(prevalence)) + offset)


@pytest.mark.parametrize(
    ("m", "n", "apart", "prevalence", "slope", "offset"),
    [(12, 400, 2, 0.01, 1, 0), (60, 400, 2, 0.3, 1, 0), (60, 400, 2, 0.3, 0.5, 0), (60, 400, 2, 0.01, 1, 1.5)],
)
def test_interval_of_the_calibration_error_holds_it_whether_calibrated_or_not(m, n, apart, prevalence, slope, offset):
    rng, hits, above = np.random.default_rng(8), [], []
    many, truth = normal(rng, 40_000, 80_000, apart)
    far, weights = calibrated(many, apart, prevalence, slope, offset), reliability.at_prevalence(truth, prevalence)
    for _ in range(150):
        score, positive = normal(rng, m, n, apart)
        probability = calibrated(score, apart, prevalence, slope, offset)
        own = reliability.equal_mass_bins(probability, 10)
        edges = [probability[own == i].max() for i in range(own.max())]
        expected = np.abs(reliability.bin_misses(far, truth, np.searchsorted(edges, far), weights)).sum()
        resampled = reliability.at_prevalence(positive, prevalence, rng.exponential(size=(200, m + n)))
        misses = [
            reliability.bin_misses(probability, positive, own, w)
            for w in (reliability.at_prevalence(positive, prevalence), resampled)
        ]
        error, lower, upper = reliability.error_interval(*misses, min(m, n), 0.95)
        assert lower <= error <= upper
        hits.append(lower <= expected <= upper)
        above.append(lower)
    assert np.mean(hits) > 0.9
    if (slope, offset) != (1, 0):
        assert np.median(above) > 0.25 * expected  # it is no empty promise


def test_ring_features_of_a_flat_image_are_its_brightness_and_no_scatter():
    number = profiles.rings(11, 5, [0, 1.0, 2.0], 0.5)
    radius = np.hypot(*(np.mgrid[:11, :11] - 5)) * 0.5
    np.testing.assert_array_equal(number == 0, radius < 1)
    np.testing.assert_array_equal(number == 1, (radius >= 1) & (radius < 2))
    image = np.full((1, 2, 11, 11), 3.0)
    image[0, 1, 5, 5] = np.nan
    found = profiles.ring_features(image, np.array([[1.0, 1.5]]), number, 2)
    np.testing.assert_allclose(found[0], np.arcsinh([3, 3, 0, 0, 2, 2, 0, 0]) * [1, 1, 0, 0, 1, 1, 0, 0], atol=1e-6)


def test_distance_of_means_is_found_where_there_is_one_and_its_p_is_even_where_there_is_none():
    rng = np.random.default_rng(9)
    near = [twosamples.mean_distance(*rng.normal(size=(2, 15, 3)), rng, 99)[1] for _ in range(150)]
    assert np.mean(np.array(near) <= 0.1) == pytest.approx(0.1, abs=0.08)
    distance, p = twosamples.mean_distance(rng.normal(0, 1, (60, 3)), rng.normal([2, 0, 0], 1, (60, 3)), rng, 99)
    assert distance == pytest.approx(2, abs=0.6)
    assert p == 0.01
