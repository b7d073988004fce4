"""Selection channels in pairs: a number only where they are known to be independent, bounds and a reason elsewhere."""

import judged
import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from lenscal import config, gates, schema
from lenscal.scores import recapture

SETTINGS = config.Scores()


def lenses(count=1500, bond=0.0, third=0.5, seed=1):
    """Known lenses of three channels; whether the first has a lens moves the odds of the second by exp(bond)."""
    rng = np.random.default_rng(seed)
    first, other = rng.random(count) < 0.5, rng.random(count) < third
    second = rng.random(count) < expit(-0.4 + bond * (first - 0.5))
    names = np.array(["imaging-ml", "spectroscopic", "visual"])
    channel = ["|".join(names[list(own)]) for own in zip(first, second, other)]
    table = pd.DataFrame(
        {
            "galaxy_id": np.arange(count) * 7 + 3,
            "label": 1,
            "psfsize_r": rng.uniform(1, 1.5, count),
            "psfdepth_r": np.where(rng.random(count) < 0.1, np.nan, rng.uniform(23, 25, count)),
        }
    )
    facts = pd.DataFrame({"channel": channel}, index=table["galaxy_id"])
    seen = first | second | other
    return table[seen], facts[seen], (first, second, other)


def of(found, first, second):
    rows = found[(found["first"] == first) & (found["second"] == second)]
    return rows[rows["group"] == "all"].iloc[0], rows


def test_independent_channels_give_the_number_of_lenses():
    table, facts, (first, second, _) = lenses()
    whole, rows = of(recapture.pairs(table, facts, SETTINGS), "imaging-ml", "spectroscopic")
    assert (whole["n_first"], whole["n_second"]) == (first.sum(), second.sum())
    assert whole["n_both"] == (first & second).sum()
    assert whole["n_all"] == (first | second).sum()
    assert whole["verdict"] == "independent"
    assert whole["third"] == "visual"
    assert whole["lower"] < 1500 < whole["upper"]
    assert whole["bound_lower"] < whole["lower"] < whole["upper"] < whole["bound_upper"]
    assert rows["group"].tolist() == ["all", "seeing", "seeing", "depth", "depth"]
    seeing = rows[rows["group"] == "seeing"]
    assert seeing["n_all"].sum() == whole["n_all"]
    assert rows[rows["group"] == "depth"]["n_all"].sum() < whole["n_all"], "a lens of unknown depth is in neither half"


@pytest.mark.parametrize("bond", [np.log(8.0), -np.log(8.0)])
def test_channels_that_depend_give_no_number_and_fail_the_gate(bond):
    table, facts, _ = lenses(bond=bond)
    found = recapture.pairs(table, facts, SETTINGS)
    whole, rows = of(found, "imaging-ml", "spectroscopic")
    assert whole["verdict"] == "dependent"
    assert np.isnan(rows[["number", "lower", "upper"]]).all(axis=None)
    assert "they depend: odds ratio" in whole["why_not"]
    assert np.isfinite(whole["bound_upper"])
    made = recapture.gate(found)
    assert made.verdict == gates.FAIL
    assert made.value == 1
    assert "imaging-ml and spectroscopic, among lenses of visual" in made.evidence


def test_where_nothing_tells_there_is_a_reason_in_place_of_a_number():
    table, facts, _ = lenses(third=0.0)
    whole, _ = of(recapture.pairs(table, facts, SETTINGS), "imaging-ml", "spectroscopic")
    assert whole["verdict"] == "not known"
    assert whole["why_not"] == "there is no third channel, 10 needed to tell whether they depend"
    assert np.isnan(whole["number"])
    assert recapture.gate(recapture.pairs(table, facts, SETTINGS)).verdict == gates.NOT_JUDGED
    few, small, _ = lenses(count=60)
    whole, _ = of(recapture.pairs(few, small, SETTINGS), "imaging-ml", "spectroscopic")
    assert whole["verdict"] == "not known"
    assert "too few lenses to tell" in whole["why_not"]
    assert np.isnan(whole["number"])


def test_a_channel_that_has_all_or_none_of_the_third_is_said():
    table, facts, _ = lenses()
    facts = facts.assign(channel=[f"{own}|imaging-ml" if "visual" in own else own for own in facts["channel"]])
    whole, _ = of(recapture.pairs(table, facts, SETTINGS), "imaging-ml", "spectroscopic")
    assert whole["why_not"] == "of the lenses of visual, imaging-ml has all or none"


def test_order_of_rows_changes_nothing_and_negatives_do_not_count():
    table, facts, _ = lenses()
    more = pd.concat([table, table.assign(galaxy_id=table["galaxy_id"] + 1, label=0)]).sample(frac=1, random_state=1)
    pd.testing.assert_frame_equal(
        recapture.pairs(table, facts, SETTINGS), recapture.pairs(more, facts.sample(frac=1, random_state=2), SETTINGS)
    )


def test_without_channels_the_table_is_empty_and_nothing_is_judged():
    table, facts, _ = lenses()
    for known in (facts.drop(columns="channel"), facts.assign(channel=""), facts.assign(channel="imaging-ml")):
        found = recapture.pairs(table, known, SETTINGS)
        assert found.empty
        assert list(found) == list(schema.JUDGEMENT["recapture"].variables)
        assert recapture.gate(found).verdict == gates.NOT_JUDGED


def test_the_table_is_as_declared():
    declared = schema.JUDGEMENT["recapture"]
    found = recapture.pairs(*lenses()[:2], SETTINGS)
    assert list(found) == list(declared.variables)
    declared.check_table(declared.cast_table(found))
    assert judged.SETTINGS.channel_min >= 4
