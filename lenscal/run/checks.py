"""Hold what is on disk against what was promised: digests of the stores, numbers of the report."""

from __future__ import annotations

import json

from lenscal.io import stores
from lenscal.run import Place, PlanError, progress_of
from lenscal.run.stages import STAGES, Stage
from lenscal.schema import CUTOUTS, INJECTIONS, QUALITY, SCORES_CUTOUTS, SCORES_INJECTIONS, Declaration

_BLOCKED: dict[str, tuple[tuple[str, str | None, Declaration], ...]] = {
    "cutouts": (("cutouts", None, CUTOUTS),),
    "quality": (("quality", None, QUALITY),),
    "injections": (("injections", None, INJECTIONS),),
    "scores": (("scores", "cutouts", SCORES_CUTOUTS), ("scores", "injections", SCORES_INJECTIONS)),
}


def verify_stores(place: Place) -> list[tuple[str, bool]]:
    """For each store of blocks: whether every block still has the digest of its marker."""
    found = []
    for name, parts in _BLOCKED.items():
        stage = STAGES[name]
        progress = progress_of(place, stage)
        if progress.done is None:
            raise PlanError(f"{name} is not complete; run it before it can be verified")
        for store, group, declaration in parts:
            good = True
            for block in stage.blocks(place):
                if group is not None and not block.name.startswith(group):
                    continue
                outcome = progress.outcome(block)
                good &= outcome is not None and outcome.digest == _digest(place, stage, store, group, declaration, dict(block.part))
            found.append((store if group is None else f"{store}/{group}", good))
    return found


def _digest(place: Place, stage: Stage, store: str, group: str | None, declaration: Declaration, part: dict) -> int:
    if "start" in part:
        region = {"galaxy": slice(part["start"], part["stop"])}
    else:
        region = {dim: slice(part[dim], part[dim] + 1) for dim in declaration.block}
    dataset = place.store(store, group).isel(region).load()
    return stores.digest(declaration.describe(dataset), declaration.block)


def verify_numbers(place: Place) -> list[tuple[str, object, object, bool]]:
    """Every number of the report: id, as printed, as derived again, equal or not."""
    from lenscal import report
    from lenscal.run.summary import report_inputs

    path = place.path("report") / "numbers.json"
    if not path.exists():
        raise PlanError(f"'{path}' is missing; run the report first")
    return report.verify(report_inputs(place), json.loads(path.read_text()))
