"""All questions of a stage, in the order in which they are asked."""

from __future__ import annotations

from collections.abc import Callable

from lenscal.audit.foreseen import catalogues, detecting, sample, trials
from lenscal.audit.foreseen.question import Question
from lenscal.audit.products import Run

__all__ = ["QUESTIONS", "Question", "hold", "questions"]

QUESTIONS: dict[str, Callable[[Run], list[Question]]] = {
    "objects": catalogues.objects,
    "manifest": sample.manifest,
    "cutouts": sample.cutouts,
    "quality": sample.quality,
    "injections": trials.injections,
    "detector": detecting.detector,
    "scores": detecting.scores,
    "judgement": catalogues.judgement,
    "realism": trials.realism,
    "completeness": trials.completeness,
}
"""By stage; what is not here rests on other stages alone."""


def questions(run: Run, stage: str) -> list[Question]:
    """What is to be asked before a stage is done."""
    return QUESTIONS[stage](run) if stage in QUESTIONS else []


def hold(run: Run, stage: str) -> None:
    """Ask all questions of a stage.

    Raises
    ------
    LenscalError
        The first that has no good answer.
    """
    for question in questions(run, stage):
        question.ask()
