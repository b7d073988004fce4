"""Hold what is on disk against what was promised: digests of the stores, numbers of the report."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from lenscal.audit.pipeline import plan_of
from lenscal.audit.products import Run
from lenscal.audit.stages import STAGES
from lenscal.engine import Part, PlanError, Stage
from lenscal.engine.contents import contents_of, rest_of
from lenscal.engine.markers import Progress
from lenscal.io import stores

_BLOCKED = ("cutouts", "quality", "injections", "scores")


def verify_stores(run: Run) -> list[tuple[str, bool]]:
    """For each product: whether every block still has the digest of its marker, and every other file its content."""
    found: dict[str, bool] = {}
    plan = plan_of(run)
    for name in _BLOCKED:
        stage = STAGES[name]
        progress = plan.progress(name)
        if plan.done(name) is None:
            raise PlanError(f"{name} is not complete; run it before it can be verified")
        for block in stage.blocks(run):
            part = stage.part(run, block)
            outcome = progress.outcome(block)
            store = name if part.group is None else f"{name}/{part.group}"
            found[store] = found.get(store, True) and outcome is not None and outcome.digest == _digest(part)
        found[name] = found.get(name, True) and plan.done(name).get("rest") == _rest(run, stage, progress)
    for name in STAGES:
        progress, done = plan.progress(name), plan.done(name)
        if name not in _BLOCKED and (progress.folder / "done.json").exists():
            found[name] = done is not None and done["contents"] == contents_of(progress)
    gates = json.loads(json.dumps(stores.plain([asdict(gate) for gate in plan.gates()])))
    found["gates.json"] = _json(run.folder / "gates.json") == gates
    return list(found.items())


def _rest(run: Run, stage: Stage, progress: Progress) -> str | None:
    """Of the files that no block fills; None when they cannot be read."""
    try:
        return rest_of(run, stage, progress)
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


def verify_numbers(run: Run) -> list[tuple[str, object, object, bool]]:
    """Every number of the report: id, as printed, as derived again, equal or not."""
    from lenscal import report
    from lenscal.audit.stages.report import report_inputs

    path = run.path("report") / "numbers.json"
    if not path.exists():
        raise PlanError(f"'{path}' is missing; run the report first")
    return report.verify(report_inputs(run, pictured=False), json.loads(path.read_text()))
