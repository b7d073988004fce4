"""`lenscal preflight`: would a run refuse anything?"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from lenscal.cli.refusal import ERROR, refusals, settings_of
from lenscal.errors import LenscalError

if TYPE_CHECKING:
    from lenscal.audit import Run

ROOM_GB = 5
"""Free space below which a small run may not end."""


def preflight(
    runfile: Annotated[Path, typer.Argument(help="Run file.")],
    json: Annotated[bool, typer.Option("--json", help="Print the rows, and what the run costs, as JSON.")] = False,
) -> None:
    """Ask beforehand, and of all stages, what a run would refuse: a verdict and the fix for each.

    What is refused here a run refuses before it begins, in the same words. With machines in EC2 (`cluster.ec2`) also
    account, bucket, rights, quotas, image, memory, and what the run is expected to cost. Exit code: 0 nothing is
    missing, 1 something is.
    """
    settings = settings_of(runfile)
    checks = Checks()
    with refusals():
        from lenscal.audit import Run
        from lenscal.audit.stages import STAGES

        run = Run(settings)
        for name in STAGES:
            _stage(run, name, runfile, checks)
        _stores(run, checks)
        _sky(run, checks)
    from lenscal.cli import cluster_costs

    costs = cluster_costs.added(settings, checks.rows)
    if json:
        cluster_costs.printed(checks.rows, costs)
    else:
        checks.show(Console())
        cluster_costs.show(costs)
    if checks.refused:
        raise typer.Exit(ERROR)


def _stage(run: Run, name: str, runfile: Path, checks: Checks) -> None:
    """All questions of one stage, then what it reads from outside, as a run asks them."""
    from lenscal.audit import foreseen
    from lenscal.audit.stages import STAGES
    from lenscal.engine.markers import folder_of, refuse_strangers

    stage, before = STAGES[name], checks.refused
    for question in foreseen.questions(run, name):
        checks.tried(question.about, question.ask, question.fix.replace("RUNFILE", str(runfile)))
    if checks.refused == before:
        checks.quietly(name, lambda: stage.inputs(run), f"correct the section {name} of the run file")
    checks.quietly(
        name,
        lambda: refuse_strangers(folder_of(run.folder, name), name, stage.products(run)),
        "move it away, or choose another `stores`",
    )


def _sky(run: Run, checks: Checks) -> None:
    """Whether the embedded sky may be read now."""
    from lenscal.io import locks

    root = run.settings.survey.root

    def free() -> None:
        what = f"the embedded sky in '{root}'"
        with locks.reading(Path(root) / ".mock", what) if run.settings.survey.mock else nullcontext():
            pass

    checks.quietly("sky", free, "wait until it is drawn")


def _stores(run: Run, checks: Checks) -> None:
    """Whether the folder of stores can be written, and has room."""
    from lenscal.io import folders, locks

    folder = run.folder
    if folders.is_remote(folder):

        def bucket() -> str:
            probe = folder / ".plan" / "preflight"
            folders.write_bytes(probe, b"")
            folders.remove(probe)
            return str(folder)

        checks.tried("stores", bucket, "correct `stores`, or the endpoint and keys in the environment")
        return

    def writable() -> str:
        made = [path for path in (folder / ".plan", folder, *folder.parents) if not path.exists()]
        try:
            with locks.alone(folder / ".plan"):
                return str(folder)
        finally:
            with suppress(OSError):  # nothing that was made for the question stays
                if folder / ".plan" in made:
                    (folder / ".plan" / "lock").unlink(missing_ok=True)
                for path in made:
                    path.rmdir()

    checks.tried("stores", writable, "choose another `stores`, or wait for the other run")
    there = next((path for path in (folder, *folder.parents) if path.is_dir()), None)
    if there is not None:
        free = shutil.disk_usage(there).free / 1e9
        checks.note("disk", f"{free:.0f} GB free", "" if free > ROOM_GB else f"make room: a small run needs {ROOM_GB}")


class Checks:
    """Rows of the table: what was looked for, the verdict, what was found, and the fix."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, str, str, str]] = []

    @property
    def refused(self) -> int:
        """Rows for which a run would not begin."""
        return sum(verdict == "missing" for _, verdict, _, _ in self.rows)

    def check(self, what: str, found: str, fix: str = "") -> None:
        """A row: fine without a fix; one that is there already is not said twice."""
        row = (what, "ok" if not fix else "missing", found, fix)
        if not any((verdict, said) == row[1:3] for _, verdict, said, _ in self.rows):
            self.rows.append(row)

    def note(self, what: str, found: str, advice: str = "") -> None:
        """A row that refuses nothing."""
        self.rows.append((what, "low" if advice else "ok", found, advice))

    def tried(self, what: str, ask: Callable[[], str], fix: str) -> None:
        """A row with what was found, or with the sentence of what a run would refuse."""
        try:
            found = ask()
        except (LenscalError, OSError) as error:
            self.check(what, str(error), fix)
        else:
            self.check(what, found)

    def quietly(self, what: str, ask: Callable[[], object], fix: str) -> None:
        """A row only where a run would refuse."""
        try:
            ask()
        except (LenscalError, OSError) as error:
            self.check(what, str(error), fix)

    def show(self, console: Console) -> None:
        """Print the table."""
        table = Table(box=None)
        for name in ("input", "verdict", "found", "fix"):
            table.add_column(name, overflow="fold")
        for row in self.rows:
            table.add_row(*map(escape, row))
        console.print(table)
