"""`lenscal explore`: a page to look with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lenscal.cli.refusal import refusals, settings_of


def explore(
    runfile: Annotated[Path, typer.Argument(help="Run file of a finished run.")],
    out: Annotated[
        Path | None, typer.Option(help="Folder to write; explore/ in the folder of the stores by default.")
    ] = None,
) -> None:
    """Write a page to look with: completeness cell by cell with the injections behind it, false positives by class and
    place, the footprint, the gates.

    The folder opens from disk (index.html) and can be sent to a colleague: it needs no server and no network.
    """
    settings = settings_of(runfile)
    with refusals():
        from lenscal.audit.exploring import explore as do

        folder = settings.stores / "explore" if out is None else out
        size = do(settings, folder)
        typer.echo(f"{folder / 'index.html'}: {size / 1e6:.1f} MB; open it in a browser")
