"""`lenscal export`: images of a run, for a detector that stays with its owner."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lenscal.cli.refusal import refusals, settings_of


def export(
    runfile: Annotated[
        Path, typer.Argument(help="Run file whose injections are complete, such as pipelines/small.yaml.")
    ],
    out: Annotated[Path, typer.Argument(help="Folder to write; one that a stopped export left is gone on with.")],
    what: Annotated[
        str, typer.Option(help="Which images, with commas between: injections, cutouts.")
    ] = "injections,cutouts",
    format_: Annotated[str, typer.Option("--format", help="zarr, fits, npz or hdf5.")] = "zarr",
) -> None:
    """Write the images that a detector has to score, with their ids, in parts of 1,024;
    injections are rendered on demand.

    Score them with whatever you have, write a table with the columns id and score, and set `detector.artifact` of the
    run file to it: `lenscal run` then audits the detector by its scores, and everything before the detector is reused.
    """
    settings = settings_of(runfile)
    with refusals():
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        from lenscal.audit import Run
        from lenscal.audit.export import export as do

        console = Console()
        with Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=console
        ) as bar:
            tasks: dict[str, object] = {}

            def say(kind: str, done: int, total: int) -> None:
                if kind not in tasks:
                    tasks[kind] = bar.add_task(kind, total=total)
                bar.update(tasks[kind], completed=done)  # type: ignore[arg-type]

            names = [name.strip() for name in what.split(",") if name.strip()]
            manifest = do(Run(settings), out, names, format_, say)
        listed = ", ".join(f"{count:,} {kind}" for kind, count in manifest["rows"].items())
        console.print(f"{listed} in {out}", markup=False, highlight=False, soft_wrap=True)
        console.print(
            "next: score every id, write a table with the columns id and score, and set detector.artifact of the "
            "run file to it",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
