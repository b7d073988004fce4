"""`lenscal status`: how far a run is."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from lenscal.cli.refusal import refusals, settings_of

if TYPE_CHECKING:
    from lenscal.engine.outlook import Outlook


def status(runfile: Annotated[Path, typer.Argument(help="Run file.")]) -> None:
    """Show which stages of a run are complete, what differs where one is not, and which gates failed."""
    settings = settings_of(runfile)
    with refusals():
        from lenscal.audit import Run, plan_of
        from lenscal.engine.outlook import outlook

        run = Run(settings)
        show(f"{settings.name}: {run.folder}", outlook(plan_of(run)))


def show(title: str, stages: list[Outlook]) -> None:
    """Print what is known of some stages."""
    table = Table("stage", "state", "blocks", "seconds", "gates failed", box=None)
    for one in stages:
        seconds = "" if math.isnan(one.seconds) else f"{one.seconds:.1f}"
        blocks = str(one.blocks) if one.blocks else ""
        table.add_row(one.stage, escape(_state(one)), blocks, seconds, ", ".join(one.failed))
    console = Console()
    console.print(title, markup=False, highlight=False, soft_wrap=True)
    console.print(table)
    for one in stages:  # whole, as a column would cut them
        if one.state in ("changed", "cannot start"):
            said = "to be done again, for" if one.state == "changed" else "cannot start:"
            console.print(f"{one.stage}: {said} {', '.join(one.why)}", markup=False, highlight=False, soft_wrap=True)


def _state(one: Outlook) -> str:
    why = ", ".join(one.why)
    return {
        "interrupted": "interrupted: run again to go on",
        "kept": "kept from an earlier run: brought back",
        "changed": "to be done again",
        "follows": f"to be done after {why}" if not one.replaces else f"to be done again, because of {why}",
    }.get(one.state, one.state)
