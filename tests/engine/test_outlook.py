"""What a run would do is said before it is done: why, after what, for how long, and what it replaces."""

import math

import pytest
from toys import Failing, Run, Toy, pipeline

from lenscal import engine
from lenscal.engine import InProcess, Plan, PlanError
from lenscal.engine.outlook import CHANGED, COMPLETE, FOLLOWS, INTERRUPTED, LACKING, NEW, outlook
from lenscal.io.stores import StoreError


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "run"


def three(run):
    return pipeline(run, Toy("a"), Toy("b", ("a",)), Toy("c", ("b",)))


def looked(run, names=None):
    return {one.stage: one for one in outlook(Plan(three(run)), names)}


def test_a_run_that_never_was_is_to_be_done_in_its_order(folder):
    found = looked(Run(folder))
    assert [(one.state, one.why) for one in found.values()] == [(NEW, ()), (FOLLOWS, ("a",)), (FOLLOWS, ("a",))]
    assert all(one.to_do and math.isnan(one.seconds) and not one.replaces for one in found.values())
    assert not folder.exists(), "looking writes nothing"


def test_a_finished_run_has_nothing_to_do(folder):
    engine.run(three(Run(folder)))
    found = looked(Run(folder))
    assert {one.state for one in found.values()} == {COMPLETE}
    assert not any(one.to_do or one.replaces for one in found.values())
    assert [one.blocks for one in found.values()] == [3, 3, 3]


def test_a_change_is_named_with_what_follows_what_it_took_and_what_it_replaces(folder):
    engine.run(three(Run(folder)))
    before = {path: path.read_bytes() for path in sorted(folder.rglob("*.json"))}
    found = looked(Run(folder, (("factor", 3.0),)))
    assert found["a"].state == CHANGED
    assert any("factor" in why for why in found["a"].why)
    assert found["b"].state == found["c"].state == FOLLOWS
    assert found["c"].why == ("a",), "the stage that began it, not each between"
    assert [one.replaces for one in found.values()] == [(folder / name,) for name in "abc"]
    assert all(one.seconds >= 0 for one in found.values())
    assert {path: path.read_bytes() for path in sorted(folder.rglob("*.json"))} == before


def test_a_run_that_failed_goes_on(folder):
    with pytest.raises(StoreError):
        engine.run(pipeline(Run(folder), Failing("a")), executor=InProcess())
    (one,) = outlook(Plan(pipeline(Run(folder), Failing("a"))))
    assert (one.state, one.blocks) == (INTERRUPTED, 1)
    assert one.to_do


def test_a_stage_that_lacks_what_nothing_ahead_makes_cannot_start(folder):
    (one,) = looked(Run(folder), ["b"]).values()
    assert one.state == LACKING
    assert "b reads a, which is not complete" in one.why[0]
    assert not one.to_do


def test_a_stage_that_there_is_not_is_refused(folder):
    with pytest.raises(PlanError, match="no stage 'x'"):
        outlook(Plan(three(Run(folder))), ["x"])
