"""`lenscal mock`: draw the embedded sky."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from lenscal.cli.refusal import refusals, settings_of
from lenscal.errors import InputError


def mock(
    runfile: Annotated[Path, typer.Argument(help="Run file with a section `sky`, such as pipelines/small.yaml.")],
    scale: Annotated[float, typer.Option(help="Times as many bricks and lenses.", min=0.05)] = 1.0,
    workers: Annotated[int, typer.Option(help="Processes.", min=1)] = 2,
    again: Annotated[bool, typer.Option("--again", help="Draw it anew even when it is there.")] = False,
) -> None:
    """Draw the embedded sky: a seeded mock survey in the files of DR10 or DR11, for trials without the survey.

    It is written to `survey.root` of the run file. The same seed gives the same bytes. It is a mock: nothing made from
    it says anything about the real sky, and every product repeats that.
    """
    settings = settings_of(runfile)
    with refusals():
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        from lenscal import mock as sky
        from lenscal.io import locks

        if settings.sky is None:
            raise InputError(
                f"run file '{runfile}' has no section `sky`, so there is nothing to draw; see pipelines/small.yaml"
            )
        if not again and sky.is_current(settings, scale):
            typer.echo(f"embedded sky is there: {settings.survey.root}")
            return
        columns = (
            TextColumn("drawing the embedded sky"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("bricks"),
            TimeRemainingColumn(),
        )
        root = Path(settings.survey.root)
        taken = f"a run reads the embedded sky in '{root}', or another process draws it; wait for it or stop it"
        with (
            locks.alone(root, ".mock", taken) if (root / ".mock").is_file() else nullcontext(),
            Progress(*columns) as bar,
        ):
            task = bar.add_task("bricks", total=None)
            summary = sky.draw(
                settings, scale, lambda done, total: bar.update(task, completed=done, total=total), workers
            )
        typer.echo(f"embedded sky: {settings.survey.root}")
        for name, value in summary.items():
            typer.echo(f"  {name}: {value}")
