"""`lenscal status`: how far a run is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from lenscal.cli.refusal import refusals, settings_of


def status(runfile: Annotated[Path, typer.Argument(help="Run file.")]) -> None:
    """Show which stages of a run are complete, how many blocks the others have, and which gates failed."""
    settings = settings_of(runfile)
    with refusals():
        from lenscal.audit import PlanError, Run, plan_of
        from lenscal.audit.stages import STAGES
        from lenscal.io import folders
        from lenscal.io.stores import StoreError

        place = Run(settings)
        plan = plan_of(place)
        table = Table("stage", "state", "blocks", "seconds", "gates failed", box=None)
        for name in STAGES:
            try:
                progress, done = plan.progress(name), plan.done(name)
            except PlanError:
                table.add_row(name, "waits for what it reads", "", "", "")
                continue
            except StoreError as error:
                table.add_row(name, escape(f"cannot start: {error}"), "", "", "")
                continue
            if done:
                failed = [gate["id"] for gate in done["gates"] if gate["verdict"] == "fail"]
                table.add_row(name, "complete", str(done["blocks"]), f"{done['seconds']:.1f}", ", ".join(failed))
            elif progress.started:
                blocks = len(folders.matching(progress.folder / "blocks", "*.json"))
                table.add_row(name, "interrupted: run again to go on", str(blocks), "", "")
            else:
                table.add_row(
                    name,
                    escape("changed: " + ", ".join(progress.changes)) if progress.changes else "not started",
                    "",
                    "",
                    "",
                )
        console = Console()
        console.print(f"{settings.name}: {place.folder}", markup=False, highlight=False, soft_wrap=True)
        console.print(table)
