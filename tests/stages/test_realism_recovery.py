"""Recovery of real lenses beside that of their injections: today's case is NO-GO, alike is GO,
and clusters are the units.
"""

import numpy as np
import pandas as pd
import pytest

from lenscal import config
from lenscal.realism import criteria, recovery

SETTINGS = config.Realism()
CUTS = pd.DataFrame({"threshold": [0.0], "false_positive_rate": [0.01]})


def samples(real, injected, matches=4):
    """Real lenses and their matches from lists of scores."""
    ids = 500 + np.arange(len(real))
    one = pd.DataFrame({"galaxy_id": ids, "score": np.asarray(real, float)})
    two = pd.DataFrame({"anchor_id": np.repeat(ids, matches), "score": np.asarray(injected, float)})
    return one, two


def verdicts(real, injected, cuts=CUTS, settings=SETTINGS, seed=3):
    table = recovery.compared(real, injected, cuts)
    return table, {
        gate.id: (criteria.WORDS[gate.verdict], gate)
        for gate in recovery.judged(table, recovery.score_p(real, injected, seed, 2000), settings)
    }


def test_twenty_one_of_twenty_one_beside_56_of_84_is_no_go():
    """The audit of small.yaml at 60ea248: every anchor recovered, two thirds of the injections that stood for
    them, and 107 gates passed.
    """
    rng = np.random.default_rng(1)
    real, injected = samples(
        rng.normal(4, 1.5, 21).clip(0.1), np.repeat([2.0, -2.0], [56, 28])[rng.permutation(84)] + rng.normal(0, 0.3, 84)
    )
    table, found = verdicts(real, injected)
    assert (
        table["k_real"].iloc[0],
        table["n_real"].iloc[0],
        table["k_injected"].iloc[0],
        table["n_injected"].iloc[0],
    ) == (21, 21, 56, 84)
    assert table["difference"].iloc[0] == pytest.approx(-1 / 3)
    assert table["to_95"].iloc[0] < -0.1
    assert found["recovery"][0] == found["scores"][0] == "NO-GO"
    assert "NO-GO: of 21 real lenses 100 % are recovered, of the injections matched to them 67 %" in recovery.sentence(
        table, "NO-GO"
    )


def test_injections_that_are_lenses_are_go_when_there_are_enough_of_them():
    rng = np.random.default_rng(2)
    _, found = verdicts(*samples(rng.normal(2, 1, 400), rng.normal(2, 1, 1600)))
    assert found["recovery"][0] == found["scores"][0] == "GO"


def test_a_difference_that_anchors_do_not_settle_is_not_judged():
    rng = np.random.default_rng(3)
    _, found = verdicts(*samples(rng.normal(1.2, 1, 25), rng.normal(1.2, 1, 100)))
    assert found["recovery"][0] == "not judged"
    assert "is not surely within the limit of 0.1" in found["recovery"][1].cannot


def test_a_difference_beyond_the_limit_that_is_surely_one_is_no_go_however_wide_its_interval():
    rng = np.random.default_rng(8)
    table, found = verdicts(
        *samples(np.repeat([1.0, -1.0], [18, 3]), np.repeat([1.0, -1.0], [51, 33])[rng.permutation(84)])
    )
    assert table["from_95"].iloc[0] < -0.1 < table["to_95"].iloc[0] < 0
    assert found["recovery"][0] == "NO-GO"


def test_too_few_anchors_are_not_judged():
    _, found = verdicts(*samples([3, 3, 3], [-3] * 12))
    assert found["recovery"][0] == found["scores"][0] == "not judged"
    assert "3 anchors" in found["recovery"][1].cannot


def test_the_worst_threshold_decides():
    rng = np.random.default_rng(4)
    real, injected = samples(rng.normal(3, 0.2, 300), rng.normal(2, 0.2, 1200))
    table, found = verdicts(
        real, injected, pd.DataFrame({"threshold": [0.0, 2.5], "false_positive_rate": [0.05, 0.01]})
    )
    assert table["difference"].iloc[0] == 0
    assert found["recovery"][0] == "NO-GO"
    assert found["recovery"][1].value == table["difference"].iloc[1] < -0.9


def test_matches_that_stand_and_fall_together_count_as_one():
    real, injected = samples([1.0] * 40, np.repeat(np.where(np.arange(40) % 2, 1.0, -1.0), 4))
    assert recovery.compared(real, injected, CUTS)["n_effective"].iloc[0] == pytest.approx(40, abs=1)
    spread = samples([1.0] * 40, np.tile([1.0, -1.0, 1.0, -1.0], 40))[1]
    assert recovery.compared(real, spread, CUTS)["n_effective"].iloc[0] == 160


def test_a_score_at_the_threshold_is_a_recovery_and_ties_are_halves():
    real, injected = samples([0.0] * 30, [0.0] * 120)
    table, found = verdicts(real, injected)
    assert table["k_real"].iloc[0] == 30
    assert table["k_injected"].iloc[0] == 120
    assert found["scores"][1].value == 1.0


def test_interval_of_the_difference_covers_with_clusters_and_few_anchors():
    rng = np.random.default_rng(5)
    inside = 0
    for _ in range(400):
        own = rng.beta(4, 2, 25)
        injected = rng.random((25, 4)) < own[:, None]
        real = rng.random(25) < 0.75
        row = recovery.compared(*samples(np.where(real, 1, -1), np.where(injected, 1, -1).ravel()), CUTS).iloc[0]
        inside += row["from_95"] <= 4 / 6 - 0.75 <= row["to_95"]
    assert inside / 400 > 0.92


def test_score_test_keeps_its_level_whatever_clusters_share():
    rng = np.random.default_rng(6)
    small = 0
    for _ in range(300):
        shared = rng.normal(0, 3, 25)
        real, injected = samples(shared + rng.normal(0, 1, 25), (shared[:, None] + rng.normal(0, 1, (25, 4))).ravel())
        small += recovery.score_p(real, injected, int(rng.integers(1 << 30)), 200)[1] <= 0.05
    assert small / 300 < 0.085


def test_lenses_without_a_score_or_a_match_are_left_out():
    real, injected = samples([1.0, np.nan, 1.0], [1.0] * 12)
    injected = injected[injected["anchor_id"] != 502]
    table = recovery.compared(real, injected, CUTS)
    assert (table["n_real"].iloc[0], table["n_injected"].iloc[0]) == (1, 4)


def test_nothing_to_compare_says_so():
    empty = samples([], [])
    table = recovery.compared(*empty, CUTS)
    gate = recovery.judged(table, recovery.score_p(*empty, 1, 200), SETTINGS)[0]
    assert criteria.WORDS[gate.verdict] == "not judged"
    assert "nothing says that completeness is theirs" in recovery.sentence(table, "not judged")
