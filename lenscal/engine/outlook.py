"""What a run would do, before it is done: stage by stage, why, how long it took the last time, what it replaces."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from lenscal.engine import history, markers
from lenscal.engine.errors import PlanError
from lenscal.engine.plan import Plan
from lenscal.io import folders, stores

COMPLETE, KEPT, INTERRUPTED, CHANGED, NEW, FOLLOWS, LACKING = (
    "complete",
    "kept",
    "interrupted",
    "changed",
    "not started",
    "follows",
    "cannot start",
)


@dataclass(frozen=True)
class Outlook:
    """Of one stage.

    Attributes
    ----------
    stage, state : str
        State is complete, kept (an earlier run had this result, which is brought back), interrupted (run again to go
        on), changed, not started, follows (what it reads is done again)
        or cannot start.
    why : tuple of str
        What differs, the stages by which it is done again, or what it lacks.
    blocks : int
        That are complete.
    seconds : float
        That it took when it was last finished; NaN where it never was.
    failed : tuple of str
        Gates that failed, of a stage that is complete.
    replaces : tuple of Path
        Products that are there and will be replaced.
    """

    stage: str
    state: str
    why: tuple[str, ...] = ()
    blocks: int = 0
    seconds: float = float("nan")
    failed: tuple[str, ...] = ()
    replaces: tuple[Path, ...] = ()

    @property
    def to_do(self) -> bool:
        """Whether a run would work on it."""
        return self.state not in (COMPLETE, LACKING)


def outlook(plan: Plan, names: Iterable[str] | None = None) -> list[Outlook]:
    """What a run would do of some stages, in the order of work; all by default. Nothing is written.

    Raises
    ------
    PlanError
        There is no such stage.
    """
    found: list[Outlook] = []
    for name in plan.names(names):
        found.append(_of(plan, name, [one.stage for one in found if one.to_do and one.state != FOLLOWS]))
    return found


def _of(plan: Plan, name: str, roots: list[str]) -> Outlook:
    stage, folder = plan.pipeline.stages[name], plan.pipeline.folder
    last = markers.read(folder, name, "done.json") or {}
    seconds = float(last.get("seconds", "nan"))
    there = tuple(path for path in stage.products(plan.pipeline.whole) if path.exists())
    try:
        progress, done = plan.progress(name), plan.done(name)
    except stores.StoreError as error:
        return Outlook(name, LACKING, (str(error),))
    except PlanError as error:
        read = tuple(root for root in roots if root in plan.behind(name))
        if not read:  # nothing ahead of it makes what it lacks
            return Outlook(name, LACKING, (str(error),))
        return Outlook(name, FOLLOWS, read, 0, seconds, (), there)
    if done:
        failed = tuple(gate["id"] for gate in done["gates"] if gate["verdict"] == "fail")
        return Outlook(name, COMPLETE, (), int(done["blocks"]), float(done["seconds"]), failed)
    if (kept := history.had_before(folder, progress) if plan.pipeline.keep else None) is not None:
        return Outlook(name, KEPT, (), int(kept.done["blocks"]), 0.0, (), there)
    if progress.started:
        blocks = len(folders.matching(progress.folder / "blocks", "*.json"))
        return Outlook(name, INTERRUPTED, (), blocks, seconds)
    changes = tuple(progress.changes)
    return Outlook(name, CHANGED if changes else NEW, changes, 0, seconds, (), there)
