"""One block of a stage, as a worker does it."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from lenscal.config import Settings
from lenscal.run.place import Place
from lenscal.run.plan import Block, Outcome, Progress
from lenscal.run.stages import STAGES, Stage


@lru_cache(maxsize=4)
def _place(settings: str) -> Place:
    """One place per worker and run, so that tables are read once."""
    return Place(Settings.model_validate_json(settings))


def do_block(settings: str, name: str, block: Block, wanted: dict) -> Outcome:
    """On a worker: one block of a stage, and its marker; what is on disk already counts when it is what the marker says."""
    place = _place(settings)
    stage = STAGES[name]
    progress = Progress(place, name, wanted)
    known = outcome = progress.outcome(block)
    if outcome is not None and stage.sources(place, outcome.sources) != outcome.sources:
        outcome = stage.renewed(place, block, outcome)
    if outcome is not None:
        left = stage.left(place, block, outcome)
        as_marked = left is None or outcome.files == left.files()
        if as_marked and outcome is known:
            return outcome
        if not as_marked and not left.holds(outcome):
            outcome = None
    return marked(place, stage, progress, block, stage.work(place, block) if outcome is None else outcome)


def marked(place: Place, stage: Stage, progress: Progress, block: Block, outcome: Outcome) -> Outcome:
    """The outcome with the versions of its files, as its marker now has it."""
    left = stage.left(place, block, outcome)
    outcome = replace(outcome, files="" if left is None else left.files())
    progress.mark(block, outcome)
    return outcome
