"""Comparisons of two samples agree with SciPy, with scikit-learn, with brute force, and their
intervals hold what they promise.
"""

import math

import numpy as np
import pytest
from scipy import stats

from lenscal.kernels import features, twosamples


def test_distance_is_the_ks_distance_of_what_was_binned():
    rng = np.random.default_rng(1)
    first, second = rng.integers(0, 20, 300), rng.integers(2, 20, 500)
    counts = [np.bincount(values, minlength=20) for values in (first, second)]
    assert twosamples.distance(*counts) == pytest.approx(stats.ks_2samp(first, second).statistic)


def test_permutation_p_agrees_with_the_exact_one():
    rng = np.random.default_rng(2)
    first, second = rng.normal(size=20), rng.normal(0.6, size=25)
    d, p = twosamples.permutation_p(first, second, np.random.default_rng(0), 4000)
    exact = stats.ks_2samp(first, second, method="exact")
    assert d == pytest.approx(exact.statistic)
    assert p == pytest.approx(exact.pvalue, abs=0.03)


def test_a_shift_of_all_stamps_is_found_and_none_is_not():
    rng = np.random.default_rng(3)
    edges = np.linspace(-6, 6, 61)
    stamps = lambda n, scale: np.stack([np.histogram(rng.normal(0, scale, 400), edges)[0] for _ in range(n)])  # noqa: E731
    alike = [
        twosamples.stamp_permutation_p(stamps(30, 1.0), stamps(60, 1.0), np.random.default_rng(0), 400)[1]
        for _ in range(40)
    ]
    assert np.median(alike) == pytest.approx(0.5, abs=0.25)
    assert sum(p <= 0.05 for p in alike) <= 6
    real = stamps(30, 1.0)
    d, p, scaled = twosamples.stamp_permutation_p(real, stamps(60, 1.3), np.random.default_rng(0))
    assert p < 0.01
    assert d > np.quantile(scaled, 0.99)


@pytest.mark.parametrize(("lost", "won"), [(0, 0), (3, 9), (10, 10), (25, 4)])
def test_mcnemar_is_the_binomial_test(lost, won):
    exact, middle = twosamples.mcnemar(lost, won)
    expected = stats.binomtest(min(lost, won), lost + won, 0.5).pvalue if lost + won else 1.0
    assert exact == pytest.approx(expected)
    assert middle <= exact


@pytest.mark.parametrize(("lost", "won"), [(0, 1), (2, 5), (5, 2), (3, 3), (1, 1), (10, 10), (40, 40)])
def test_mid_p_takes_half_of_what_was_seen(lost, won):
    # Fagerland et al. (2013), equation 3: of the tail counted twice, and of the whole where both tails meet.
    chance = [math.comb(lost + won, k) / 2 ** (lost + won) for k in range(lost + won + 1)]
    k = min(lost, won)
    expected = 1 - chance[k] / 2 if lost == won else 2 * sum(chance[:k]) + chance[k]
    assert twosamples.mcnemar(lost, won)[1] == pytest.approx(expected, rel=1e-12)


def test_mid_p_of_three_lost_and_three_won_is_the_published_number():
    assert twosamples.mcnemar(3, 3) == (1.0, pytest.approx(0.84375))


def test_texture_is_blind_to_quarter_turns_and_sees_grain():
    rng = np.random.default_rng(7)
    image = rng.standard_normal((4, 3, 41, 41))
    one = features.texture(image)
    np.testing.assert_allclose(features.texture(np.rot90(image, axes=(2, 3))), one, atol=2e-3)
    assert one.shape == (4, len(features.names(("g", "r", "z"))))
    names = features.names(("g", "r", "z"))
    power = one[:, [i for i, name in enumerate(names) if name.startswith("r_power")]]
    assert abs(power.mean()) < 0.3  # white noise of unit variance has power 1 everywhere
    grain = features.texture(image + np.cos(np.pi * np.arange(41))[None, None, None, :])
    assert grain[:, names.index("r_power7")].mean() > power[:, 7].mean() + 0.5
