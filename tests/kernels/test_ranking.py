"""The area under the curve is that of all pairs, and its interval holds the truth also with a dozen lenses, near 1,
and without any difference.
"""

from importlib import import_module

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from lenscal.kernels import ranking, twosamples


def pairs(positives, negatives):
    """Each positive against each negative: 1 above, 1/2 equal, 0 below."""
    return (positives[:, None] > negatives) + 0.5 * (positives[:, None] == negatives)


@pytest.mark.parametrize(("m", "n"), [(2, 2), (11, 300), (40, 7), (25, 25)])
@pytest.mark.parametrize("decimals", [0, 1, 9])
def test_area_is_that_of_all_pairs(m, n, decimals):
    rng = np.random.default_rng(m)
    positives, negatives = np.round(rng.normal(0.7, 1, m), decimals), np.round(rng.normal(0, 1, n), decimals)
    value, lower, upper = ranking.auc(positives, negatives)
    assert value == pytest.approx(pairs(positives, negatives).mean())
    assert value == pytest.approx(roc_auc_score(np.repeat([1, 0], [m, n]), np.append(positives, negatives)))
    assert 0 <= lower < value <= upper <= 1


def test_one_function_serves_detector_and_probe():
    rng = np.random.default_rng(3)
    positives, negatives = np.round(rng.normal(1, 1, 15), 1), np.round(rng.normal(0, 1, 60), 1)
    expected = ranking.auc(positives, negatives, 0.95)
    assert import_module("lenscal.scores.gates").auc(positives, negatives) == expected
    label = np.repeat([True, False], [15, 60])
    assert twosamples.area_under_curve(np.append(positives, negatives), label, 0.95) == expected


def test_lower_end_is_delongs_on_the_logit_with_half_a_lens_at_the_median():
    rng = np.random.default_rng(4)
    positives, negatives = rng.normal(1.2, 1, 12), rng.normal(0, 1, 80)
    _, lower, upper = ranking.auc(positives, negatives, 0.9)
    won = pairs(positives, negatives)
    weight = np.append(np.ones(12), 0.5)
    place = np.append(won.mean(1), 0.5)
    centre = np.average(place, weights=weight)
    variance = np.sum(weight * (place - centre) ** 2) / 11.5 / 12.5 + won.mean(0).var(ddof=1) / 80
    half = stats.norm.ppf(0.95) * np.sqrt(variance) / (centre * (1 - centre))
    assert np.log(lower / (1 - lower)) == pytest.approx(np.log(centre / (1 - centre)) - half)
    plain = np.sqrt(won.mean(1).var(ddof=1) / 12 + won.mean(0).var(ddof=1) / 80) / (won.mean() * (1 - won.mean()))
    highest = max(
        np.log(centre / (1 - centre)) + half, np.log(won.mean() / (1 - won.mean())) + stats.norm.ppf(0.95) * plain
    )
    assert np.log(upper / (1 - upper)) == pytest.approx(highest)


@pytest.mark.parametrize(("m", "n"), [(11, 945), (30, 30), (5, 3)])
@pytest.mark.parametrize("constant", [0.0, -7.5, 1e300])
def test_a_constant_detector_has_the_width_of_one_that_knows_nothing(m, n, constant):
    value, lower, upper = ranking.auc(np.full(m, constant), np.full(n, constant))
    assert value == 0.5
    assert lower < 0.5 < upper
    # The exact variance of Mann & Whitney for an order by chance, on the logit; half a lens more hardly counts.
    half = stats.norm.ppf(0.975) * np.sqrt((m + n + 1) / (12 * m * n)) * 4
    assert np.log(upper / (1 - upper)) == pytest.approx(half, rel=1e-9)
    assert lower == pytest.approx(1 - upper)


@pytest.mark.parametrize("others", [1, 10, 100])
def test_a_detector_that_is_constant_for_all_lenses_proves_nothing(others):
    negatives = np.ones(945)
    negatives[:others] = 0
    value, lower, _ = ranking.auc(np.ones(11), negatives)
    assert value > 0.5
    assert lower < 0.5


@pytest.mark.parametrize(("m", "n"), [(3, 4), (11, 945), (945, 11)])
def test_where_nothing_is_out_of_order_the_bound_is_exact(m, n):
    found = ranking.auc(np.arange(m) + 1e4, np.arange(float(n)))
    assert found == (1, pytest.approx(0.025 ** (1 / min(m, n))), 1)
    assert ranking.auc(np.arange(m) - 1e4, np.arange(float(n))) == (0, 0, pytest.approx(1 - 0.025 ** (1 / min(m, n))))


@pytest.mark.parametrize("m", [5, 11, 50])
def test_one_pair_out_of_order_moves_the_lower_end_a_little_and_never_up(m):
    negatives = np.arange(945.0)
    lower, lost = [], [0, 1, 2, 5, 20, 100, 400, 900]
    for behind in lost:
        positives = np.arange(m) + 2000.0
        positives[0] = 944.5 - behind
        lower.append(ranking.auc(positives, negatives)[1])
    assert (np.diff(lower) <= 0.01).all(), "a worse order has no higher lower end"
    assert lower[0] - lower[1] < 0.1, "DeLong alone went from 0.715 to 0.9985"
    assert max(lower) == lower[0]


def test_found_and_missed_are_mirror_images():
    rng = np.random.default_rng(5)
    positives, negatives = np.round(rng.normal(1, 1, 9), 1), np.round(rng.normal(0, 1, 40), 1)
    value, lower, upper = ranking.auc(positives, negatives)
    assert ranking.auc(-positives, -negatives) == pytest.approx((1 - value, 1 - upper, 1 - lower))


def test_an_empty_class_has_no_area_and_a_single_member_no_interval():
    assert np.isnan(ranking.auc(np.array([]), np.ones(3))).all()
    assert np.isnan(ranking.auc(np.ones(3), np.array([]))).all()
    assert ranking.auc(np.array([1.5]), np.arange(4.0)) == (0.5, 0, 1)


def sample(kind, area, m, n, rng):
    """Scores with this area: unit normals, lenses that scatter twice as much, or a few lenses
    lost among the negatives.
    """
    width = 2.0 if kind == "wide" else 1.0
    lost = 0.02 if kind == "lost" else 0.0
    shift = np.sqrt(1 + width**2) * stats.norm.ppf((area - lost / 2) / (1 - lost))
    positives = rng.normal(shift, width, m)
    positives[rng.random(m) < lost] = rng.normal()
    return positives, rng.normal(0, 1, n)


@pytest.mark.parametrize("kind", ["alike", "wide", "lost"])
@pytest.mark.parametrize(
    ("m", "n", "area"),
    [(11, 945, 0.985), (11, 945, 0.95), (11, 945, 0.8), (50, 945, 0.985), (21, 84, 0.7), (21, 84, 0.95)],
)
def test_intervals_of_the_area_hold_the_truth_also_near_one_and_for_a_dozen_lenses(kind, m, n, area):
    rng = np.random.default_rng(6)
    found = np.array([ranking.auc(*sample(kind, area, m, n, rng))[1:] for _ in range(600)])
    inside = np.mean((found[:, 0] <= area) & (area <= found[:, 1]))
    error = np.sqrt(0.95 * 0.05 / 600)
    # An upper end at 1 cannot miss: there 97.5 % is what 95 % means.
    assert 0.93 - 3 * error < inside < 0.98 + 2 * error
