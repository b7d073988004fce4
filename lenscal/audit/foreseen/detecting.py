"""The detector of a run: one that can be trained or asked, on images of this run."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from lenscal import schema
from lenscal.audit.foreseen.question import Question
from lenscal.audit.products import Run
from lenscal.errors import InputError

BROUGHT = "correct detector.artifact or its declaration (lenscal detector describe RUNFILE), or run what makes it"
HINT = (
    "correct detector.artifact of the run file, or run what makes it (real-sample.yaml takes that "
    "of small.yaml: `make audit`)"
)


def detector(run: Run) -> list[Question]:
    """Questions of the stage detector."""
    if run.settings.detector.artifact:
        return [Question("detector", partial(_brought, run), BROUGHT)]
    return [
        Question("PyTorch", _torch, "install it"),
        Question("detector", partial(_trained, run), "correct the section detector, or manifest.split_fractions"),
    ]


def _torch() -> str:
    from lenscal import extras

    extras.need("torch")
    return "trains the detector and gives scores"


def _trained(run: Run) -> str:
    """What is to be trained: an architecture, a device, and a sample with splits to train and to judge on."""
    from lenscal import detector

    settings = run.settings.detector
    detector.check(settings.architecture)
    detector.device_of(settings.training.device)
    train, val, _ = run.settings.manifest.split_fractions
    if not (train and val):
        raise InputError(
            f"detector: it is to be trained, and manifest.split_fractions gives {train:g} of the sky to train and "
            f"{val:g} to val; the sample needs lenses and negatives in both: give other fractions, or a detector "
            "(detector.artifact)"
        )
    if not [tier for tier in schema.TIERS if tier and tier not in run.settings.manifest.anchor_tiers]:
        raise InputError(
            f"detector: it is to be trained, and manifest.anchor_tiers keeps lenses of every tier "
            f"({', '.join(run.settings.manifest.anchor_tiers)}) to judge by; leave one out, or give a detector "
            "(detector.artifact)"
        )
    if not run.survey.has_catalogue and not run.survey.trains:
        raise InputError(
            "detector: it is to be trained, and no set of stamps holds lenses to train on (a set with `use: anchor` "
            "is kept to judge by); declare one as `use: positive`, or give a detector (detector.artifact)"
        )
    return f"{settings.architecture} of {settings.size} px, trained here"


def _brought(run: Run) -> str:
    """What a brought detector is, after it was held to what a detector is, and to the images of this run."""
    from lenscal import detector

    settings = run.settings.detector
    try:
        found = detector.bring(settings.artifact, settings.declaration)
    except InputError as error:
        raise InputError(f"{error}; {HINT}") from error
    fits(found, run.settings.injections.size, run.settings.survey.bands)
    undeclared = getattr(found, "about", {}).get("undeclared", [])
    return f"{found!r}" + (f"; not declared: {', '.join(undeclared)}" if undeclared else "")


def fits(found: object, size: int, bands: Sequence[str]) -> None:
    """Hold what a detector is shown against what the cutouts and injections of a run are; a table of scores is shown
    nothing.

    Raises
    ------
    InputError
        It wants more pixels, or bands that there are not.
    """
    if hasattr(found, "check"):
        return
    if found.size > size:
        raise InputError(
            f"scores: the detector wants {found.size} px, injections.size is {size}: set injections.size "
            f"to {found.size} or more (and cutouts.size to at least that)"
        )
    if missing := [band for band in found.bands if band not in bands]:
        raise InputError(
            f"scores: the detector needs bands {list(found.bands)}; the images hold {list(bands)}, {missing} missing"
            + (": ask for them (survey.bands)" if set(missing) <= set(schema.MORE_BANDS) else "")
        )


def scores(run: Run) -> list[Question]:
    """Questions of the stage scores: none beyond those of the detector."""
    return []
