"""One block of a stage, as a worker does it."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from lenscal.config import Settings
from lenscal.run.place import Place
from lenscal.run.plan import Block, Outcome, Progress
from lenscal.run.stages import STAGES, Part


@lru_cache(maxsize=4)
def _place(settings: str) -> Place:
    """One place per worker and run, so that tables are read once."""
    return Place(Settings.model_validate_json(settings))


def do_block(settings: str, name: str, block: Block, wanted: dict) -> Outcome:
    """On a worker: one block of a stage, and its marker; what is on disk already counts when it is what the marker says."""
    place = _place(settings)
    stage = STAGES[name]
    progress = Progress(place, name, wanted)
    part = stage.part(place, block)
    outcome = progress.outcome(block)
    if outcome is not None:
        if part is None or outcome.files == part.files():
            return outcome
        if not _holds(part, outcome.digest):
            outcome = None
    if outcome is None:
        outcome = stage.work(place, block)
    outcome = replace(outcome, files="" if part is None else part.files())
    progress.mark(block, outcome)
    return outcome


def _holds(part: Part, digest: int) -> bool:
    """Whether a region of a store has this digest; what cannot be read has none."""
    try:
        return part.digest() == digest
    except (ValueError, OSError, RuntimeError):
        return False
