"""`lenscal preflight`: is everything there?"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from lenscal.cli.refusal import ERROR, refusals, settings_of


def preflight(runfile: Annotated[Path, typer.Argument(help="Run file.")]) -> None:
    """Check that what a run reads is there and that it can write, before it starts: a verdict and the fix for each."""
    settings = settings_of(runfile)
    rows = []

    def check(what: str, found: str, fix: str = "") -> None:
        rows.append((what, "ok" if not fix else "missing", found, fix))

    with refusals():
        from lenscal.io import folders
        from lenscal.run import Place

        place = Place(settings)
        root = Path(settings.survey.root)
        try:
            place.survey.check()
            check("survey", str(root))
        except (ValueError, OSError) as error:
            check("survey", str(error), "draw it: lenscal mock " + str(runfile) if settings.survey.mock else "correct survey.root")
        for catalogue in [*settings.objects.lenses, *settings.objects.contaminants]:
            there = catalogue.source == "lenscat" or Path(catalogue.source).exists()
            check(catalogue.name, catalogue.source, "" if there else "correct its source in the run file")
        for stamps in [settings.injections.source_stamps, settings.realism.source_stamps, settings.detector.frozen]:
            if stamps:
                check(Path(stamps).name, stamps, "" if Path(stamps).exists() else "run what makes it, or correct the path")
        folder = settings.stores
        if folders.is_remote(folder):
            probe = folder / ".plan" / "preflight"
            try:
                folders.write_bytes(probe, b"")
                folders.remove(probe)
                check("stores", str(folder))
            except folders.StoreError as error:
                check("stores", str(folder), str(error))
        else:
            parent = next(p for p in [folder, *folder.parents] if p.exists())
            check("stores", str(folder), "" if os.access(parent, os.W_OK) else f"'{parent}' is not writable: choose another `stores`")
            free = shutil.disk_usage(parent).free / 1e9
            check("disk", f"{free:.0f} GB free", "" if free > 5 else "make room: a small run needs 5 GB")
    table = Table("input", "verdict", "found", "fix", box=None)
    for row in rows:
        table.add_row(*row)
    Console().print(table)
    if any(verdict != "ok" for _, verdict, _, _ in rows):
        raise typer.Exit(ERROR)
