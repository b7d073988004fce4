"""Hold what is on disk against what was promised: digests of the stores, numbers of the report."""

from __future__ import annotations

import json

from lenscal.run import Place, PlanError, contents_of, progress_of
from lenscal.run.stages import STAGES, Part

_BLOCKED = ("cutouts", "quality", "injections", "scores")


def verify_stores(place: Place) -> list[tuple[str, bool]]:
    """For each product: whether every block still has the digest of its marker, and every other file its content."""
    found: dict[str, bool] = {}
    for name in _BLOCKED:
        stage = STAGES[name]
        progress = progress_of(place, stage)
        if progress.done is None:
            raise PlanError(f"{name} is not complete; run it before it can be verified")
        for block in stage.blocks(place):
            part = stage.part(place, block)
            outcome = progress.outcome(block)
            store = name if part.group is None else f"{name}/{part.group}"
            found[store] = found.get(store, True) and outcome is not None and outcome.digest == _digest(part)
    for name, stage in STAGES.items():
        progress = progress_of(place, stage)
        if name not in _BLOCKED and progress.done is not None and progress.done.get("contents"):
            found[name] = progress.done["contents"] == contents_of(progress)
    return list(found.items())


def _digest(part: Part) -> int | None:
    """Of what is on disk; None when it cannot be read."""
    try:
        return part.digest()
    except (ValueError, OSError, RuntimeError):
        return None


def verify_numbers(place: Place) -> list[tuple[str, object, object, bool]]:
    """Every number of the report: id, as printed, as derived again, equal or not."""
    from lenscal import report
    from lenscal.run.stages.report import report_inputs

    path = place.path("report") / "numbers.json"
    if not path.exists():
        raise PlanError(f"'{path}' is missing; run the report first")
    return report.verify(report_inputs(place), json.loads(path.read_text()))
