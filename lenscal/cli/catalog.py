"""`lenscal catalog`: what can be opened by name."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from lenscal.cli.refusal import refusals


def catalog(run: Annotated[str, typer.Option(help="Run whose stores are listed.")] = "small") -> None:
    """List every data set of catalogs.yaml by name, with what it holds."""
    with refusals():
        from lenscal.io.catalog import describe

        table = Table("name", "holds", "there", box=None)
        for name, about, there in describe(run):
            table.add_row(name, about, "yes" if there else "no")
        Console().print(table)
