"""Hold what is on disk against what was promised: digests of the stores, numbers of the report."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from lenscal.io import stores
from lenscal.run import Place, PlanError, all_gates, contents_of, progress_of, rest_of
from lenscal.run.plan import Progress
from lenscal.run.stages import STAGES, Part, Stage

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
        found[name] = found.get(name, True) and progress.done.get("rest") == _rest(place, stage, progress)
    for name, stage in STAGES.items():
        done = (progress := progress_of(place, stage)).done
        if name not in _BLOCKED and (progress.folder / "done.json").exists():
            found[name] = done is not None and done["contents"] == contents_of(progress)
    gates = json.loads(json.dumps(stores.plain([asdict(gate) for gate in all_gates(place)])))
    found["gates.json"] = _json(place.folder / "gates.json") == gates
    return list(found.items())


def _rest(place: Place, stage: Stage, progress: Progress) -> str | None:
    """Of the files that no block fills; None when they cannot be read."""
    try:
        return rest_of(place, stage, progress)
    except (ValueError, OSError, RuntimeError):
        return None


def _json(path: Path) -> object:
    """What a file holds; None when it is not there or no JSON."""
    try:
        return json.loads(path.read_text())
    except (ValueError, OSError):
        return None


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
