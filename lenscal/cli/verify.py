"""`lenscal verify`: derive a report's numbers again, and the stores' digests."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lenscal.cli.refusal import ERROR, refusals, settings_of


def verify(
    runfile: Annotated[Path, typer.Argument(help="Run file.")],
    show: Annotated[bool, typer.Option("--show", help="Print every number with its query.")] = False,
) -> None:
    """Derive every number of the report again from the stores, and hold the stores against their digests.

    Exit code 1 when a number or a store differs from what was written.
    """
    settings = settings_of(runfile)
    with refusals():
        from lenscal.audit import Run
        from lenscal.audit.checks import verify_numbers, verify_stores

        place = Run(settings)
        wrong = 0
        for name, good in verify_stores(place):
            wrong += not good
            typer.echo(f"{name:<22} {'as written' if good else 'DIFFERS from its digest'}")
        numbers = verify_numbers(place)
        for name, stored, again, good in numbers:
            wrong += not good
            if show or not good:
                typer.echo(f"{name}: report {stored}, stores {again}{'' if good else '  DIFFERS'}")
        typer.echo(f"{len(numbers)} numbers of the report derived again, {sum(not n[3] for n in numbers)} differ")
        if wrong:
            raise typer.Exit(ERROR)
