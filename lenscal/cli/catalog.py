"""`lenscal catalog`: what can be opened by name."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from lenscal.cli.refusal import refusals


def catalog(
    run: Annotated[str, typer.Option(help="Run whose stores are listed.")] = "small",
    path: Annotated[Path | None, typer.Option(help="Another catalogs.yaml than that of the checkout.")] = None,
) -> None:
    """List every data set of catalogs.yaml by name, with what it holds."""
    with refusals():
        from lenscal.io.datasets import describe

        table = Table("name", "holds", "there", box=None)
        for name, about, there in describe(run, path):
            table.add_row(escape(name), escape(about), "yes" if there else "no")
        Console().print(table)
