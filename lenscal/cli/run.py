"""`lenscal run`: do what a run file says."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from lenscal.cli.refusal import GATES, refusals, settings_of

if TYPE_CHECKING:
    from lenscal.config import Settings


def run(
    runfile: Annotated[Path, typer.Argument(help="Run file, such as pipelines/small.yaml.")],
    stages: Annotated[
        str, typer.Option(help="Only these stages, separated by commas; what they read must be complete.")
    ] = "",
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, only the summary.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done, why, and what it replaces; do nothing.")
    ] = False,
    mini: Annotated[
        bool,
        typer.Option("--mini", help="A small part of the survey and few trials through every stage, in stores beside."),
    ] = False,
) -> None:
    """Do the stages of a run file: what is complete is skipped, an interrupted run goes on where it stopped.

    Stages: objects, manifest, cutouts, quality, injections, detector, scores, judgement, realism, completeness,
    failures, report.
    Exit code: 0 done, 1 refused (one sentence says why), 2 a critical gate failed, 3 blocks that failed again and again
    were set aside (all others are complete), 130 stopped by Ctrl-C.
    """
    settings = settings_of(runfile)
    with refusals():
        from lenscal.audit import run as do
        from lenscal.audit.stages import STAGES
        from lenscal.audit.summary import print_summary
        from lenscal.engine.terminal import Terminal

        settings = _mini(settings) if mini else settings
        names = [name.strip() for name in stages.split(",") if name.strip()] or None
        if dry_run:
            _said(settings, names)
            return
        display = Terminal([n for n in STAGES if names is None or n in names], quiet=quiet)
        result = do(settings, names, display)
        print_summary(result, settings, Console())
        if mini:
            _shown(settings)
        if any(gate.critical for gate in result.failed):
            raise typer.Exit(GATES)


def _mini(settings: Settings) -> Settings:
    from lenscal.audit import mini

    return mini.mini(settings)


def _shown(settings: Settings) -> None:
    """The gates and the rows of a mini test: what is to be looked at before the whole run."""
    from rich.table import Table

    from lenscal.audit import Run, mini, plan_of

    gates = Table("gate", "verdict", "value", "claim", box=None)
    for gate in plan_of(Run(settings)).gates():
        gates.add_row(gate.id, gate.verdict, f"{gate.value:.4g}", gate.claim)
    console = Console()
    console.print(gates)
    if plan_of(Run(settings)).is_complete("manifest"):
        rows = Table("pool", "split", "rows", box=None)
        for pool, split, count in mini.pools_and_splits(settings):
            rows.add_row(pool, split, f"{count:,}")
        console.print(rows)


def _said(settings: Settings, names: list[str] | None) -> None:
    """What a run would do."""
    from lenscal.audit import Run, plan_of
    from lenscal.cli.status import show
    from lenscal.engine.outlook import outlook
    from lenscal.io import folders

    run = Run(settings)
    found = outlook(plan_of(run), names)
    show(f"{settings.name}: {run.folder} (nothing is done)", found)
    todo = [one for one in found if one.to_do]
    if not todo:
        typer.echo("nothing to do: all is complete")
        return
    known = [one.seconds for one in todo if not math.isnan(one.seconds)]
    if known:
        unknown = f", and {len(todo) - len(known)} that were never finished here" if len(known) < len(todo) else ""
        typer.echo(f"to do: {len(todo)} stages, {sum(known):,.0f} s when they were last finished{unknown}")
    replaced = [path.name for one in todo for path in one.replaces]
    if replaced:
        kept = settings.keep_earlier_gb and not folders.is_remote(run.folder)
        how = f"moved aside (lenscal history), up to {settings.keep_earlier_gb:g} GB" if kept else "removed"
        typer.echo(f"replaced, the present ones {how}: {', '.join(replaced)}")
