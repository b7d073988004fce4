"""`lenscal export`: images of a run, for a detector that stays with its owner."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lenscal.cli.refusal import refusals, settings_of
from lenscal.errors import InputError

if TYPE_CHECKING:
    from rich.console import Console

    from lenscal.audit import Run


def export(
    runfile: Annotated[
        Path, typer.Argument(help="Run file whose injections are complete, such as pipelines/small.yaml.")
    ],
    out: Annotated[Path, typer.Argument(help="Folder to write; one that a stopped export left is gone on with.")],
    what: Annotated[
        str, typer.Option(help="Which images, with commas between: injections, cutouts.")
    ] = "injections,cutouts",
    format_: Annotated[
        str,
        typer.Option(
            "--format",
            help="zarr, fits, npz or hdf5; coolest: lens models with pixels, of one cell; "
            "tree: what was found, no images.",
        ),
    ] = "zarr",
    cell: Annotated[
        str, typer.Option(help="With coolest: theta_e \\[arcsec], seeing \\[arcsec] and depth \\[mag] of the cell.")
    ] = "",
    trials: Annotated[int, typer.Option(help="With coolest: how many trials of the cell.", min=1)] = 10,
    band: Annotated[str, typer.Option(help="With coolest: band of the pixels.")] = "r",
) -> None:
    """Write the images that a detector has to score, with their ids, in parts of 1,024;
    injections are rendered on demand.

    Score them with whatever you have, write a table with the columns id and score, and set `detector.artifact` of the
    run file to it: `lenscal run` then audits the detector by its scores, and everything before the detector is reused.

    With --format coolest, the first trials of a cell are written as COOLEST lens models: a JSON each, with the image,
    its noise and the PSF beside it.

    With --format tree, OUT becomes one Zarr store with the cubes, false-positive rates, gates and allocations of a
    finished run, a group each: xarray.open_datatree(OUT, engine="zarr").
    """
    settings = settings_of(runfile)
    with refusals():
        from rich.console import Console

        from lenscal.audit import Run

        said = Console()
        if format_ == "tree":
            from lenscal.io import opened, trees

            _say(said, f"{', '.join(trees.write(opened.open_run(settings.stores), out))} in {out}")
        elif format_ == "coolest":
            from lenscal.audit import coolest

            _say(said, f"{coolest.export(Run(settings), out, _cell(cell), trials, band)} models in {out}")
        else:
            names = [name.strip() for name in what.split(",") if name.strip()]
            rows = _images(Run(settings), out, names, format_, said)
            _say(said, f"{', '.join(f'{count:,} {kind}' for kind, count in rows.items())} in {out}")
            _say(
                said,
                "next: score every id, write a table with the columns id and score, and set detector.artifact of the "
                "run file to it",
            )


def _say(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def _images(run: Run, out: Path, what: list[str], format_: str, console: Console) -> dict[str, int]:
    """Write the images under a progress bar; how many of each kind."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from lenscal.audit.export import export as do

    with Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=console
    ) as bar:
        tasks: dict[str, object] = {}

        def say(kind: str, done: int, total: int) -> None:
            if kind not in tasks:
                tasks[kind] = bar.add_task(kind, total=total)
            bar.update(tasks[kind], completed=done)  # type: ignore[arg-type]

        return do(run, out, what, format_, say)["rows"]


def _cell(text: str) -> tuple[float, float, float]:
    """Three numbers, as --cell gives them."""
    try:
        theta_e, psf, depth = (float(part) for part in text.split(","))
    except ValueError:
        raise InputError(f"--cell is {text!r}; expected three numbers, such as 1.5,1.25,23.5") from None
    return theta_e, psf, depth
