"""Do what is not complete of a pipeline, stage by stage, keep count, and say at the end what was made."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field

from lenscal.engine.carrying import carry_out
from lenscal.engine.events import Events, Listener
from lenscal.engine.executors import Executor, InProcess
from lenscal.engine.history import History
from lenscal.engine.memory import give_back
from lenscal.engine.pipeline import Pipeline
from lenscal.engine.plan import Plan
from lenscal.engine.results import StageResult
from lenscal.gates import FAIL, Gate
from lenscal.io import leftovers, locks, stopping, stores


@dataclass(frozen=True)
class Result:
    """What a run did, stage by stage."""

    stages: tuple[StageResult, ...]
    seconds: float
    memory: dict[str, float] = field(default_factory=dict)
    """Peak in GB, by process."""

    @property
    def gates(self) -> list[Gate]:
        return [gate for stage in self.stages for gate in stage.gates]

    @property
    def failed(self) -> list[Gate]:
        return [gate for gate in self.gates if gate.verdict == FAIL]


def run(
    pipeline: Pipeline,
    stages: Iterable[str] | None = None,
    executor: Executor | None = None,
    listeners: Sequence[Listener] = (),
) -> Result:
    """Do the stages of a pipeline that are not complete.

    Parameters
    ----------
    pipeline : Pipeline
    stages : names, optional
        Only these; what they read must be complete. All by default.
    executor : Executor, optional
        Who does the blocks of parallel stages; this process by default.
    listeners : functions of an event, optional
        Told what happens; see `lenscal.engine.events`.

    Raises
    ------
    PlanError, StoreError, SchemaError, BlockError
        One sentence: what, where, what was expected, what to do. What is complete stays complete.
    """
    started, results, tell = time.monotonic(), [], Events(listeners)
    with _disk_told():
        plan = Plan(pipeline)
        names = plan.names(stages)
        plan.check(names)
        with locks.alone(pipeline.folder / ".plan"), executor or InProcess() as crew:
            leftovers.tidy(pipeline.folder / "gates.json")
            history = History(pipeline.folder, pipeline.message and pipeline.message[1], pipeline.keep)
            last = next((name for name in reversed(names) if pipeline.stages[name].parallel), None)
            for name in names:
                stopping.check()
                results.append(carry_out(plan, name, crew, tell, history))
                stores.write_json(pipeline.folder / "gates.json", [asdict(gate) for gate in plan.gates()])
                if name == last:
                    crew.rest()  # its memory, or its machines, serve nobody any more
                if results[-1].state == "done":
                    give_back()
            history.tidy()
    return Result(tuple(results), time.monotonic() - started, crew.memory)


@contextmanager
def _disk_told() -> Iterator[None]:
    """Turn what a disk refused, wherever it did, into one sentence with the name of the file."""
    try:
        yield
    except OSError as error:
        what = error.strerror or str(error) or type(error).__name__
        told = (
            f"the disk or a service failed: {what}"
            if error.filename is None
            else f"'{error.filename}' cannot be read or written: {what}"
        )
        raise stores.StoreError(f"{told}; what is complete stays complete: mend it and run again to go on") from error
