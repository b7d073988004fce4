"""`lenscal run`: do what a run file says."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from lenscal.cli.refusal import GATES, refusals, settings_of


def run(
    runfile: Annotated[Path, typer.Argument(help="Run file, such as pipelines/small.yaml.")],
    stages: Annotated[
        str, typer.Option(help="Only these stages, separated by commas; what they read must be complete.")
    ] = "",
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, only the summary.")] = False,
) -> None:
    """Do the stages of a run file: what is complete is skipped, an interrupted run goes on where it stopped.

    Stages: objects, manifest, cutouts, quality, injections, detector, scores, realism, completeness, failures, report.
    Exit code: 0 done, 1 refused (one sentence says why), 2 a critical gate failed, 130 stopped by Ctrl-C.
    """
    settings = settings_of(runfile)
    with refusals():
        from lenscal.audit import run as do
        from lenscal.audit.stages import STAGES
        from lenscal.audit.summary import print_summary
        from lenscal.engine.terminal import Terminal

        names = [name.strip() for name in stages.split(",") if name.strip()] or None
        display = Terminal([n for n in STAGES if names is None or n in names], quiet=quiet)
        result = do(settings, names, display)
        print_summary(result, settings, Console())
        if any(gate.critical for gate in result.failed):
            raise typer.Exit(GATES)
