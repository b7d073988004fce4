"""`lenscal add`: the cube of two finished runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lenscal.cli.refusal import refusals, settings_of

if TYPE_CHECKING:
    from lenscal.audit.adding import Summand


def add(
    first: Annotated[Path, typer.Argument(help="Run file of a finished run, or a folder that `lenscal add` wrote.")],
    second: Annotated[Path, typer.Argument(help="The same, with other trials of the same detector.")],
    out: Annotated[Path, typer.Argument(help="Folder to write: completeness.zarr of both, and every trial.")],
) -> None:
    """Add the trials of two finished runs: the cube of both, as one run of all trials would have it.

    Trials on one host stay trials on one host, since its counts are kept. To make a second run, copy the run file, give
    it other stores and injections.first_trial, the number at which the first run ended, and run it. Runs with another
    detector, threshold, grid or survey, or with the same trials, are refused by name.
    """
    summands = [_opened(path) for path in (first, second)]
    with refusals():
        from lenscal.audit.adding import add as do

        cube = do(*summands, out)
        width = (cube["upper"] - cube["lower"]).isel(level=0).max() / 2
        cells = cube["sufficient"]
        wide = f"widest 68.27 % interval +-{float(width):.3f}" if width.notnull() else "too few hosts for an interval"
        typer.echo(
            f"{int(cube['n_injected'].sum()):,} trials in {out / 'completeness.zarr'}; "
            f"{int(cells.sum()):,} of {cells.size:,} cells sufficient (each population of hosts counts), {wide}"
        )


def _opened(path: Path) -> Summand:
    if path.is_dir():
        with refusals():
            from lenscal.audit.adding import Summand

            return Summand.of_sum(path)
    settings = settings_of(path)
    with refusals():
        from lenscal.audit import Run
        from lenscal.audit.adding import Summand

        return Summand.of_run(Run(settings))
