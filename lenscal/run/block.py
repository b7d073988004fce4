"""One block of a stage, as a worker does it."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from lenscal.config import Settings
from lenscal.run.given import given, held
from lenscal.run.place import Place
from lenscal.run.plan import Block, Outcome, PlanError, Progress, same_code, short
from lenscal.run.stages import STAGES, Stage


@lru_cache(maxsize=4)
def _place(settings: str, name: str) -> tuple[Place, str]:
    """One place per worker, run and stage, so that tables are read once; and the hash of the settings that are held by its address."""
    whole = Place(Settings.model_validate_json(settings))
    return given(whole, name), short(held(whole, name))


def do_block(settings: str, name: str, block: Block, wanted: dict, code: str) -> Outcome:
    """On a worker: one block of a stage, and its marker; what is on disk already counts when it is what the marker says.

    Raises
    ------
    PlanError
        The worker has other sources of lenscal than the run (`code`), or they changed meanwhile; or other settings than the run.
    """
    same_code(code)
    place, arrived = _place(settings, name)
    if arrived != short(wanted["settings"]):
        raise PlanError("the settings that arrived at this worker are not those of the run; start workers of the same release as the run, and run again")
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
    same_code(progress.code)  # what was loaded in between may be newer than the rest
    progress.mark(block, outcome)
    return progress.outcome(block) or outcome  # as a run that goes on later has it
