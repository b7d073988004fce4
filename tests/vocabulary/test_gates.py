"""A gate can fail, and a ledger misses nothing."""

import math

import pytest

from lenscal.gates import ABSENT, FAIL, NOT_JUDGED, PASS, Gate, Ledger, absent, reason, table


@pytest.mark.parametrize(
    ("value", "low", "high", "verdict"),
    [(5, 1, 10, PASS), (0, 1, None, FAIL), (11, None, 10, FAIL), (10, 1, 10, PASS), (math.nan, 0, None, FAIL)],
)
def test_verdict_follows_value_and_limits(value, low, high, verdict):
    assert Gate("a", "claim", "measure", value, low, high).verdict == verdict


def test_a_gate_without_limits_is_a_bug():
    with pytest.raises(ValueError, match="could not fail"):
        Gate("a", "claim", "measure", 1.0)


def test_a_gate_without_ground_says_so():
    assert absent("a", "claim", "no spectroscopic catalogue given").verdict == ABSENT


def test_what_the_data_cannot_settle_is_not_judged_whatever_the_number_and_says_why():
    for value in (5, 50, math.nan):
        gate = Gate("a", "claim", "measure", value, 1, 10, evidence="3 lenses", cannot="3 lenses, 20 needed")
        assert gate.verdict == NOT_JUDGED
        assert reason(gate) == "cannot be judged: 3 lenses, 20 needed"
    assert reason(Gate("a", "claim", "measure", 5, 1, 10, evidence="30 lenses")) == "30 lenses"
    with pytest.raises(ValueError, match="could not fail"):
        Gate("a", "claim", "measure", 1.0, cannot="why")


def test_a_gate_comes_back_from_its_row_as_it_was():
    gate = Gate("a", "claim", "measure", 5.0, 1, 10, cannot="why", requirement="3D")
    assert Gate(**table([gate]).to_dict("records")[0] | {"lower": None, "upper": None}) == gate


def test_a_lost_row_fails_the_ledger():
    assert Ledger(10, 7, {"NaN position": 3}).gate("x").verdict == PASS
    assert Ledger(10, 7, {"NaN position": 2}).gate("x").verdict == FAIL
    assert Ledger(10, 12).gate("x").verdict == FAIL


def test_ledgers_of_disjoint_inputs_add():
    total = Ledger(10, 7, {"a": 3}) + Ledger(5, 3, {"a": 1, "b": 1})
    assert (total.rows_in, total.rows_out, dict(total.dropped)) == (15, 10, {"a": 4, "b": 1})


def test_table_has_a_row_per_gate():
    assert list(table([Gate("a", "c", "m", 1, 0), absent("b", "c", "w")])["verdict"]) == [PASS, ABSENT]
