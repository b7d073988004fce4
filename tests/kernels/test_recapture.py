"""Two lists tell how many there are while they are independent; a third one tells whether they are."""

import numpy as np
import pytest
from scipy.special import expit

from lenscal.kernels import recapture


def lists(rng, number, chances, bond=0.0):
    """What three lists find of `number` objects, the first two bound by an odds ratio exp(`bond`)."""
    third = rng.random(number) < chances[2]
    first = rng.random(number) < chances[0]
    logit = np.log(chances[1] / (1 - chances[1]))
    second = rng.random(number) < expit(logit + bond * (first - chances[0]))
    return first, second, third


def counts(first, second):
    return first.sum(), second.sum(), (first & second).sum()


def test_a_list_within_another_is_no_census():
    assert recapture.chapman(50, 20, 20) == 50
    low, high = recapture.interval(50, 20, 20, 0.95)
    assert low == 50
    assert 60 < high < 80  # 20 of 20 on the other: a share above 0.83 (exact), so that 60 at least must be allowed for
    _, wide = recapture.bounds(50, 20, 20, 5, 0.95)
    assert wide == pytest.approx(50 + 5 * (high - 50))


@pytest.mark.parametrize(
    ("number", "chances"), [(40, (0.1, 0.9)), (40, (0.2, 0.9)), (100, (0.3, 0.9)), (60, (0.3, 0.8))]
)
def test_short_lists_of_which_one_has_nearly_all_hold_the_number(number, chances):
    rng = np.random.default_rng(4)
    drawn = [counts(*lists(rng, number, (*chances, 0.5))[:2]) for _ in range(1500)]
    drawn = [one for one in drawn if one[2]]
    ends = np.array([recapture.interval(*one, 0.95) for one in drawn])
    assert ((ends[:, 0] <= number) & (ends[:, 1] >= number)).mean() > 0.91
    assert (ends[:, 1] > ends[:, 0]).all()
    ends = np.array([recapture.bounds(*one, 5, 0.95) for one in drawn])
    assert ((ends[:, 0] <= number) & (ends[:, 1] >= number)).mean() > 0.96


def test_known_answer():
    # 200 marked, 150 seen again of which 32 marked: 201 * 151 / 33 - 1
    assert recapture.chapman(200, 150, 32) == pytest.approx(918.727, abs=1e-3)
    # 168.5 * 118.5 / 32.5 = 614.38 unseen, times and over exp(1.96 * 0.2223): by hand
    spread = np.exp(1.959964 * np.sqrt(1 / 32.5 + 1 / 168.5 + 1 / 118.5 + 32.5 / (168.5 * 118.5)))
    low, high = recapture.interval(200, 150, 32, 0.95)
    assert low == pytest.approx(317.5 + 614.377 / spread, abs=0.01)
    assert high == pytest.approx(317.5 + 614.377 * spread, abs=0.01)


@pytest.mark.parametrize("chances", [(0.5, 0.4, 0.3), (0.25, 0.6, 0.3), (0.3, 0.2, 0.3)])
def test_independent_lists_hold_the_number_at_its_level(chances):
    rng = np.random.default_rng(1)
    held = {0.6827: 0, 0.95: 0}
    drawn = [counts(*lists(rng, 400, chances)[:2]) for _ in range(1500)]
    for level in held:
        ends = np.array([recapture.interval(*one, level) for one in drawn])
        held[level] = ((ends[:, 0] <= 400) & (ends[:, 1] >= 400)).mean()
    assert held[0.95] == pytest.approx(0.95, abs=0.02)
    assert held[0.6827] == pytest.approx(0.6827, abs=0.04)
    numbers = [recapture.chapman(*one) for one in drawn]
    assert np.mean(numbers) == pytest.approx(400, rel=0.02)


@pytest.mark.parametrize("bond", [np.log(4.0), -np.log(4.0)])
def test_lists_that_depend_miss_the_number_and_bounds_hold_it(bond):
    rng = np.random.default_rng(2)
    missed = inside = 0
    for _ in range(200):
        first, second, _ = lists(rng, 2000, (0.4, 0.4, 0.5), bond)
        low, high = recapture.interval(*counts(first, second), 0.95)
        missed += not low <= 2000 <= high
        low, high = recapture.bounds(*counts(first, second), 5.0, 0.95)
        inside += low <= 2000 <= high
    assert missed > 190
    assert inside > 190


def test_dependence_is_told_by_a_third_list_and_false_alarms_keep_their_level():
    rng = np.random.default_rng(3)
    alarms, found, held = 0, 0, 0
    for _ in range(400):
        for bond in (0.0, np.log(6.0)):
            first, second, third = lists(rng, 500, (0.5, 0.4, 0.4), bond)
            a, b = first[third], second[third]
            table = [[(a & b).sum(), (a & ~b).sum()], [(~a & b).sum(), (~a & ~b).sum()]]
            _, low, high, p = recapture.dependence(np.array(table), 0.95)
            if bond:
                found += p < 0.05
            else:
                alarms += p < 0.05
                held += low <= 1 <= high
    assert alarms / 400 < 0.07
    assert held / 400 > 0.93
    assert found / 400 > 0.9


def test_lists_without_an_object_in_common_tell_nothing():
    assert np.isnan(recapture.interval(5, 7, 0, 0.95)).all()
    assert np.isnan(recapture.bounds(5, 7, 0, 2.0, 0.95)).all()
