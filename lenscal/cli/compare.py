"""`lenscal compare`: two detectors on the same trials."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lenscal.cli.refusal import refusals, settings_of


def compare(
    first: Annotated[Path, typer.Argument(help="Run file of the first detector; its run is finished.")],
    second: Annotated[Path, typer.Argument(help="Run file of the second: the same but for name, stores and detector.")],
    out: Annotated[
        Path | None,
        typer.Option(help="Folder to write; `<stores of the first>/compare/<stores of the second>` by default."),
    ] = None,
) -> None:
    """Hold two detectors beside each other on the same injections and objects: what each finds, either, both,
    and the difference by cell.

    Each is taken at its own threshold for the same false-positive rate. Pairs are made by id; trials of one host are
    taken together. Writes a page (index.html) and Parquet tables.
    """
    settings = settings_of(first), settings_of(second)
    with refusals():
        from lenscal.audit import Run
        from lenscal.audit.compare import compare as do
        from lenscal.report.comparing import sentence

        names = Path(settings[0].stores).name, Path(settings[1].stores).name
        folder = out or Path(settings[0].stores) / "compare" / names[1]
        tables = do(Run(settings[0]), Run(settings[1]), folder)
        for name, table in tables.items():
            if name.startswith("all-"):
                rate = name.removeprefix("all-").removesuffix(".parquet")
                typer.echo(f"at false-positive rate {rate}: " + sentence(names, table.iloc[0]))
        typer.echo(f"page: {folder / 'index.html'}")
