"""`lenscal history` and `lenscal restore`: results that a changed run file replaced."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lenscal.cli.refusal import refusals, settings_of


def history(runfile: Annotated[Path, typer.Argument(help="Run file.")]) -> None:
    """List the results that a run replaced and still keeps: when, which stages, how large, and what differed then.

    They are kept up to `keep_earlier_gb` of the run file, the newest first. Whoever sets the run file back and runs it
    gets them back by themselves; `lenscal restore` does so by number.
    """
    settings = settings_of(runfile)
    with refusals():
        from rich.console import Console
        from rich.table import Table

        from lenscal.audit.earlier import generations

        found = generations(settings)
        if not found:
            typer.echo(
                f"{settings.name}: nothing was replaced so far that is kept (keep_earlier_gb is "
                f"{settings.keep_earlier_gb:g})"
            )
            return
        table = Table("number", "replaced (UTC)", "stages", "size", box=None)
        for one in found:
            table.add_row(str(one.number), one.when, ", ".join(one.stages), f"{one.size / 1e6:.1f} MB")
        Console().print(table)
        for one in found:  # whole, as a column would cut it
            typer.echo(f"{one.number}: differs from the run file of now in {one.why}")


def restore(
    runfile: Annotated[Path, typer.Argument(help="Run file.")],
    number: Annotated[int, typer.Argument(help="As `lenscal history` lists it.")],
    out: Annotated[Path, typer.Argument(help="Where to write the run file of then.")],
) -> None:
    """Bring replaced results back, and write the run file that they belong to; what stands in their place is kept."""
    settings = settings_of(runfile)
    with refusals():
        from lenscal.audit.earlier import bring_back

        stages = bring_back(settings, number, out)
        typer.echo(f"{', '.join(stages)}: as they were; their run file is {out}: lenscal status {out}")
