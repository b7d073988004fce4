"""One block of a stage, as whoever works does it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from lenscal.engine.addresses import short
from lenscal.engine.blocks import Block, Outcome
from lenscal.engine.code import same_code
from lenscal.engine.errors import PlanError
from lenscal.engine.markers import Progress
from lenscal.engine.pipeline import Pipeline
from lenscal.engine.stage import Stage
from lenscal.io import folders


@dataclass(frozen=True)
class Order:
    """What a worker is told of a stage: how to open its pipeline, its name, its address and code."""

    message: tuple[Callable[[str], Pipeline], str]
    stage: str
    wanted: dict
    code: str


@lru_cache(maxsize=4)
def _opened(message: tuple[Callable[[str], Pipeline], str], name: str, address: str) -> tuple[Pipeline, Any, str]:
    """The pipeline and what a stage is given of its run, once per worker and address, so that tables are read once; and
    the hash of the settings in it.
    """
    pipeline = message[0](message[1])
    return pipeline, pipeline.given(name), short(pipeline.held(name))


def do_block(order: Order, block: Block) -> Outcome:
    """On a worker: one block of a stage, and its marker; what is on disk already counts when it
    is what the marker says.

    Raises
    ------
    PlanError
        The worker has other sources of lenscal than the run, or they changed meanwhile; or other settings than the run;
        or the block gave another digest than before, with the same sources.
    """
    pipeline, run, stage, progress = _ordered(order)
    return done_block(pipeline, run, stage, progress, block)


def hold_block(order: Order, block: Block) -> Outcome | None:
    """On a worker: see `held_block`.

    Raises
    ------
    PlanError
        As `do_block`.
    """
    _, run, stage, progress = _ordered(order)
    return held_block(run, stage, progress, block)


def _ordered(order: Order) -> tuple[Pipeline, Any, Stage, Progress]:
    """The pipeline of an order, what the stage is given of its run, the stage, and its progress."""
    same_code(order.code)
    pipeline, run, arrived = _opened(order.message, order.stage, short(order.wanted))
    if arrived != short(order.wanted["settings"]):
        raise PlanError(
            "the settings that arrived at this worker are not those of the run; start workers of the same "
            "release as the run, and run again"
        )
    return pipeline, run, pipeline.stages[order.stage], Progress(pipeline.folder, order.stage, order.wanted)


def done_block(pipeline: Pipeline, run: Any, stage: Stage, progress: Progress, block: Block) -> Outcome:
    """The outcome of a block: that of its marker where its files are those that the marker saw, else of its work."""
    known = outcome = progress.outcome(block)
    if outcome is not None and stage.sources(run, outcome.sources) != outcome.sources:
        outcome = stage.renewed(run, block, outcome)
    if outcome is not None:
        left = stage.left(run, block, outcome)
        as_marked = left is None or outcome.files == left.files()
        if as_marked and outcome is known:
            return outcome
        if not as_marked and not left.holds(outcome):
            outcome = None
    if outcome is None:
        outcome = stage.work(run, block)
        if known is not None and known.sources == outcome.sources and known.digest != outcome.digest:
            raise PlanError(
                f"{stage.name} {block.name}: the block has another digest than when it was done before "
                f"({outcome.digest:032x}, not {known.digest:032x}) though nothing that it reads has changed: it draws "
                "on something outside its address; mend that and remove its stage's products"
            )
    return marked(run, stage, progress, block, outcome)


def held_block(run: Any, stage: Stage, progress: Progress, block: Block) -> Outcome | None:
    """The outcome of a block of a finished stage with the versions of now, where what it read and wrote has the content
    of then; None of another. The marker of a block that read something else goes: it is not held against that twice.
    """
    known = outcome = progress.outcome(block)
    if outcome is None:
        return None
    if stage.sources(run, outcome.sources) != outcome.sources:
        outcome = stage.renewed(run, block, outcome)
        if outcome is None:
            folders.remove(progress.folder / "blocks" / f"{block.name}.json")
            return None
    left = stage.left(run, block, outcome)
    as_marked = left is None or outcome.files == left.files()
    if not as_marked and not left.holds(outcome):
        return None
    return outcome if as_marked and outcome is known else marked(run, stage, progress, block, outcome)


def marked(run: Any, stage: Stage, progress: Progress, block: Block, outcome: Outcome) -> Outcome:
    """The outcome with the versions of its files, as its marker now has it."""
    left = stage.left(run, block, outcome)
    outcome = replace(outcome, files="" if left is None else left.files())
    same_code(progress.code)  # what was loaded in between may be newer than the rest
    progress.mark(block, outcome)
    return progress.outcome(block) or outcome  # as a run that goes on later has it
