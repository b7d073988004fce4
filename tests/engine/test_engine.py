"""The engine on toy stages: what is complete is left, what differs is done again, what cannot be is
refused before any work.
"""

import contextlib
import json
import os
import subprocess
import sys

import pytest
from places import TESTS
from toys import Failing, Fickle, Run, Toy, opened, pipeline

from lenscal import engine
from lenscal.clusters import Local
from lenscal.engine import InProcess, Plan, PlanError, events
from lenscal.engine.executors.on_dask import OnDask
from lenscal.gates import Gate
from lenscal.io import folders
from lenscal.io.stores import StoreError


@pytest.fixture
def run(tmp_path):
    return Run(tmp_path / "run")


def states(result):
    return {stage.name: stage.state for stage in result.stages}


def three(run, **changes):
    return [Toy("a", **changes), Toy("b", ("a",)), Toy("c", ("a", "b"))]


def test_a_finished_run_does_nothing_and_has_the_same_digests(run):
    first = engine.run(pipeline(run, *three(run)))
    stages = three(run)
    again = engine.run(pipeline(run, *stages))
    assert set(states(first).values()) == {"done"}
    assert set(states(again).values()) == {"was complete"}
    assert [stage.calls for stage in stages] == [[], [], []]
    assert [stage.digest for stage in first.stages] == [stage.digest for stage in again.stages]
    assert (
        json.loads((run.folder / "c" / "002.json").read_text()) == 4 + 4 + 8
    )  # what it has itself, and what a and b have


@pytest.mark.parametrize(
    "look",
    [
        lambda plan: plan.gates(),
        lambda plan: [plan.is_complete(name) for name in plan.pipeline.stages],
        lambda plan: plan.check(["c"]),
    ],
)
def test_one_look_at_a_finished_run_evaluates_each_plan_once(run, look):
    engine.run(pipeline(run, *three(run)))
    stages = three(run)
    plan = Plan(pipeline(run, *stages))
    look(plan)
    look(plan)
    assert [stage.looked for stage in stages] == [1, 1, 1]


def test_a_finished_run_that_is_run_again_evaluates_each_plan_once(run):
    engine.run(pipeline(run, *three(run)))
    stages = three(run)
    engine.run(pipeline(run, *stages))
    assert [stage.looked for stage in stages] == [1, 1, 1]


def test_another_setting_is_named_and_done_again(run):
    engine.run(pipeline(run, *three(run)))
    other = Run(run.folder, (("factor", 3.0),))
    result = engine.run(pipeline(other, *three(other)))
    assert result.stages[0].because == ("settings.factor",)
    assert json.loads((run.folder / "a" / "002.json").read_text()) == 6


def test_a_stage_of_another_format_is_done_again_and_so_is_what_reads_it(run):
    engine.run(pipeline(run, *three(run)))
    assert states(engine.run(pipeline(run, *three(run, format=2)))) == {
        "a": "done",
        "b": "was complete",
        "c": "was complete",
    }  # the digest is what it was


def test_a_file_that_differs_costs_its_block_alone(run):
    engine.run(pipeline(run, *three(run)))
    (run.folder / "b" / "001.json").write_text("7")
    stages = three(run)
    engine.run(pipeline(run, *stages))
    assert [stage.calls for stage in stages] == [[], ["001"], []]
    assert json.loads((run.folder / "b" / "001.json").read_text()) == 4


def test_a_file_of_nobody_is_taken_away(run):
    engine.run(pipeline(run, *three(run)))
    (run.folder / "b" / "stray.json").write_text("7")
    engine.run(pipeline(run, *three(run)))
    assert not (run.folder / "b" / "stray.json").exists()


def test_a_block_that_fails_is_named_and_the_others_stay_complete(run):
    with pytest.raises(StoreError, match="block 001 has no disk"):
        engine.run(pipeline(run, Failing("a")))
    (run.folder / "mended").touch()
    stage = Failing("a")
    engine.run(pipeline(run, stage))
    assert stage.calls == ["001", "002"]


def test_an_outside_file_that_changes_in_between_is_another_address(run, tmp_path):
    there = Run(run.folder, outside=tmp_path / "table.txt")
    there.outside.write_text("one")
    engine.run(pipeline(there, Toy("a")))
    there.outside.write_text("two")
    result = engine.run(pipeline(there, Toy("a")))
    assert states(result) == {"a": "done"}
    assert result.stages[0].because == ("inputs.outside",)


def test_an_outside_file_that_changes_while_earlier_stages_work_is_seen_by_the_next(run, tmp_path):
    there = Run(run.folder, outside=tmp_path / "table.txt")
    there.outside.write_text("one")

    class Changing(Toy):
        def inputs(self, run):
            return {}

        def finish(self, run, outcomes):
            run.outside.write_text("two")
            return super().finish(run, outcomes)

    engine.run(pipeline(there, Changing("a"), Toy("b", ("a",))))
    plan = json.loads((run.folder / ".plan" / "b" / "plan.json").read_text())
    assert plan["wanted"]["inputs"] == {"outside": "two"}


def test_a_block_that_gives_another_digest_than_before_is_refused(run):
    engine.run(pipeline(run, Fickle("a")))
    (run.folder / "a" / "001.json").write_text("7")
    with pytest.raises(
        PlanError,
        match=(
            r"a 001: the block has another digest than when it was done before .* draws on "
            r"something outside its address"
        ),
    ):
        engine.run(pipeline(run, Fickle("a")))


def test_an_outside_file_that_changes_while_its_own_stage_works_leaves_that_stage_to_be_done_again(run, tmp_path):
    there = Run(run.folder, outside=tmp_path / "table.txt")
    there.outside.write_text("one")

    class Changing(Toy):
        def finish(self, run, outcomes):
            run.outside.write_text("two")
            return super().finish(run, outcomes)

    with pytest.raises(PlanError, match="b reads a, which is not complete"):
        engine.run(pipeline(there, Changing("a"), Toy("b", ("a",))))
    assert states(engine.run(pipeline(there, Toy("a"), Toy("b", ("a",))))) == {"a": "done", "b": "done"}


@pytest.mark.parametrize(
    "ask", [lambda plan: plan.gates(), lambda plan: plan.is_complete("a")], ids=["gates", "complete"]
)
def test_a_stage_whose_summary_the_disk_does_not_give_is_not_unfinished(run, monkeypatch, ask):
    engine.run(pipeline(run, Toy("a")))

    def refuse(*_):
        raise folders.DiskError("'done.json' cannot be read: Input/output error")

    monkeypatch.setattr("lenscal.engine.markers.read", refuse)
    with pytest.raises(folders.DiskError, match=r"done\.json"):
        ask(Plan(pipeline(run, Toy("a"))))


# --- refused before work begins


def test_two_stages_that_write_one_product_are_refused(run):
    class Same(Toy):
        def products(self, run):
            return [run.folder / "a"]

    with pytest.raises(
        PlanError, match=r"the stages 'a' and 'b' both write '.*/a'; each product has one stage that writes it"
    ):
        pipeline(run, Toy("a"), Same("b"))


@pytest.mark.parametrize(
    ("stages", "words"),
    [
        ([("a", ("b",)), ("b", ("a",))], r"stage 'a' reads 'b', which comes after it \(a circle: a reads b reads a\)"),
        (
            [("a", ("c",)), ("b", ("a",)), ("c", ("b",))],
            r"stage 'a' reads 'c', which comes after it \(a circle: a reads c reads b reads a\)",
        ),
        ([("a", ("a",))], r"stage 'a' reads 'a', which comes after it \(a circle: a reads a\)"),
        (
            [("a", ("b",)), ("b", ())],
            r"stage 'a' reads 'b', which comes after it; a stage reads what was made before it",
        ),
        ([("a", ("x",))], r"stage 'a' reads 'x', which is no stage of this pipeline \(a\)"),
    ],
)
def test_a_read_that_cannot_be_is_refused(run, stages, words):
    with pytest.raises(PlanError, match=words):
        pipeline(run, *(Toy(name, reads) for name, reads in stages))


def test_a_stage_under_another_name_is_refused(run):
    with pytest.raises(PlanError, match="the stage 'a' stands under the name 'b'"):
        engine.Pipeline({"b": Toy("a")}, run.folder, run, lambda name: run, lambda name: {})


@pytest.mark.parametrize("twice", ["in one stage", "in two"])
def test_a_gate_id_that_is_used_twice_is_refused(run, twice):
    class Gated(Toy):
        def finish(self, run, outcomes):
            gates = [Gate("rows", "c", "m", 1, minimum=0)] * (2 if twice == "in one stage" else 1)
            return gates, {}, 0

    with pytest.raises(PlanError, match="has a gate 'rows', and so has stage 'a': an id names one gate"):
        engine.run(pipeline(run, Gated("a"), Gated("b", ("a",))))


def test_an_unknown_stage_and_one_whose_reads_are_not_complete_are_refused_before_any_work(run):
    with pytest.raises(PlanError, match="no stage 'x'; stages are a, b, c"):
        engine.run(pipeline(run, *three(run)), ["x"])
    with pytest.raises(
        PlanError,
        match="c reads a, b, not complete as this run file has it: run `lenscal run --stages a,b,c`, or all stages",
    ):
        engine.run(pipeline(run, *three(run)), ["c"])


def test_what_a_stage_lacks_outside_is_said_before_the_first_stage_works(run):
    class Lacking(Toy):
        def check(self, run):
            raise StoreError("the survey is missing")

    first = Toy("a")
    with pytest.raises(StoreError, match="the survey is missing"):
        engine.run(pipeline(run, first, Lacking("b", ("a",))))
    assert first.calls == []


def test_a_store_that_no_run_made_is_never_removed(run):
    (run.folder / "a").mkdir(parents=True)
    (run.folder / "a" / "mine").write_text("x")
    with pytest.raises(PlanError, match="is there but no run of lenscal made it; move it away and run again"):
        engine.run(pipeline(run, Toy("a")))
    assert (run.folder / "a" / "mine").read_text() == "x"


# --- listeners


def test_listeners_hear_what_happens_in_order(run):
    heard = []
    engine.run(pipeline(run, Toy("a")), listeners=[heard.append])
    engine.run(pipeline(run, Toy("a")), listeners=[heard.append])
    kinds = [type(event).__name__ for event in heard]
    assert kinds == ["Started", *["Counted", "BlockEnded"] * 3, "Finished", "Skipped"]
    assert [event.blocks for event in heard if isinstance(event, events.BlockEnded)] == [1, 2, 3]


def test_memory_is_that_of_the_processes_that_worked(run):
    assert 0.01 < engine.run(pipeline(run, Toy("a"))).memory["driver"] < 100


# --- workers


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(events, "PATIENCE", 2.0)


@pytest.mark.parametrize("kind", ["Toy", "Dying", "Hanging"])
def test_blocks_on_workers_that_die_or_hang_give_the_bytes_of_the_loop(tmp_path, impatient, kind, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(TESTS / "support"))
    loop, there = tmp_path / "loop" / "run", tmp_path / "workers" / "run"
    calm = engine.run(opened(json.dumps(["Toy", str(loop)])), executor=InProcess())
    there.parent.mkdir()
    heard = []
    result = engine.run(
        opened(json.dumps([kind, str(there)])), executor=OnDask(Local(1, 1), block_timeout=6), listeners=[heard.append]
    )
    assert result.stages[0].digest == calm.stages[0].digest
    assert folders.contents(there / "a", folders.inventory(there / "a")) == folders.contents(
        loop / "a", folders.inventory(loop / "a")
    )
    assert (there.parent / "been").exists() == (kind != "Toy")
    again = [
        event for event in heard if isinstance(event, events.Waiting) and "the worker is started anew" in event.text
    ]
    assert bool(again) == (kind == "Hanging")
    assert set(result.memory) == {"driver", "workers"}


def test_a_block_that_fails_on_a_worker_is_one_error_that_names_it(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(TESTS / "support"))
    with pytest.raises(engine.errors.BlockError, match="a 001: block 001 has no disk"):
        engine.run(opened(json.dumps(["Failing", str(tmp_path / "run")])), executor=OnDask(Local(1, 1)))


def test_nothing_is_started_for_a_run_that_is_complete(run):
    class Never:
        def client(self):
            raise AssertionError("a cluster was started")

    engine.run(pipeline(run, Toy("a")))
    assert states(engine.run(pipeline(run, Toy("a")), executor=OnDask(Never()))) == {"a": "was complete"}


SWALLOWED = """
import contextlib, signal, sys
from pathlib import Path
from toys import Run, Toy, pipeline
from lenscal import engine
from lenscal.io import stopping

class Swallowing(Toy):
    def finish(self, run, outcomes):
        with contextlib.suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        return super().finish(run, outcomes)

second = Toy("b", ("a",))
try:
    with stopping.heard():
        engine.run(pipeline(Run(Path(sys.argv[1])), Swallowing("a"), second))
except KeyboardInterrupt:
    print("stopped before", second.calls)
"""


def test_a_stop_that_was_swallowed_stops_the_run_at_the_next_stage(run):
    """In a process of its own: a signal is a matter of the whole process."""
    done = subprocess.run(
        [sys.executable, "-c", SWALLOWED, str(run.folder)],
        env={**os.environ, "PYTHONPATH": str(TESTS / "support")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "stopped before []\n", done.stderr
    assert states(engine.run(pipeline(run, Toy("a"), Toy("b", ("a",))))) == {"a": "was complete", "b": "done"}


def test_workers_end_with_the_last_stage_that_needs_them(run):
    said = []

    class Recording(InProcess):
        def do(self, job):
            said.append(job.stage)
            super().do(job)

        def rest(self):
            said.append("rest")

    class Alone(Toy):
        parallel = False

        def work(self, run, block, say=lambda text: None):
            said.append(f"{self.name} {block.name}")
            return super().work(run, block)

    stages = Toy("a"), Alone("b", ("a",)), Toy("c", ("b",)), Alone("d", ("c",), blocks_of=1)
    engine.run(pipeline(run, *stages), executor=Recording())
    assert said == ["a", "b 000", "b 001", "b 002", "c", "rest", "d 000"]


def test_an_executor_at_rest_has_ended_its_cluster_and_starts_it_again_when_asked():
    there = []

    class Client:
        def run(self, function):
            return {"tls://127.0.0.1:1": 0.5, "tls://127.0.0.1:2": 0.25}

    class Counted:
        @contextlib.contextmanager
        def client(self):
            there.append("begins")
            yield Client()
            there.append("ends")

    with OnDask(Counted()) as executor:
        executor.rest()
        assert there == []
        first = executor.client(events.Events())
        executor.rest()
        assert there == ["begins", "ends"]
        assert executor.memory == {"workers": 0.75}
        assert executor.client(events.Events()) is not first
    assert there == ["begins", "ends"] * 2
    assert set(executor.memory) == {"workers", "driver"}
