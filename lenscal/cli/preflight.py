"""`lenscal preflight`: is everything there?"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from lenscal.cli.refusal import ERROR, refusals, settings_of
from lenscal.config import Detector
from lenscal.errors import LenscalError


def preflight(runfile: Annotated[Path, typer.Argument(help="Run file.")]) -> None:
    """Check that what a run reads is there and that it can write, before it starts: a verdict and the fix for each."""
    settings = settings_of(runfile)
    checks = _Checks()
    check, tried = checks.check, checks.tried
    with refusals():
        from lenscal import extras
        from lenscal.audit import Run, published
        from lenscal.io import checksums, remote, sweeps
        from lenscal.io.tables import lenses as catalogues

        place, survey = Run(settings), settings.survey
        fix = f"draw it: lenscal mock {runfile}" if survey.mock else "correct survey.root"

        def sweep_files() -> str:
            files = sweeps.sweep_files(survey.root)
            listed = len(checksums.published(files, survey.root)) if settings.objects.checksums else 0
            return (
                f"{len(files)} sweep files, {listed} with a published SHA-256 to be held against"
                + published.lacking(place)
            )

        tried("survey", lambda: "; ".join([survey.root, *(place.survey.check())]), fix)
        if place.survey.has_catalogue:
            tried("sweeps", sweep_files, fix)
        for path in survey.randoms:
            there = remote.is_remote(path) or Path(path).is_file()
            check(sweeps.name_of(path), path, "" if there else "correct survey.randoms")
        for items, read in (
            (settings.objects.lenses, catalogues.read_lenses),
            (settings.objects.contaminants, catalogues.read_contaminants),
        ):
            for item in items:
                tried(
                    item.name,
                    lambda item=item, read=read: f"{len(read(item)):,} rows in {item.source}",
                    "correct its source or columns in the run file",
                )
        for stamps in [settings.injections.source_stamps, settings.realism.source_stamps]:
            if stamps:
                check(
                    Path(stamps).name, stamps, "" if Path(stamps).exists() else "run what makes it, or correct the path"
                )
        if settings.detector.artifact:
            fix = (
                "correct detector.artifact or its declaration (lenscal detector describe RUNFILE), or run what makes it"
            )
            checks.tried("detector", lambda: _brought(settings.detector), fix)
        checks.stores(settings.stores)
        check("PyTorch", "trains the detector and gives scores", extras.fix("torch"))
    table = Table("input", "verdict", "found", "fix", box=None)
    for row in checks.rows:
        table.add_row(*map(escape, row))
    Console().print(table)
    if any(verdict != "ok" for _, verdict, _, _ in checks.rows):
        raise typer.Exit(ERROR)


def _brought(settings: Detector) -> str:
    """What a brought detector is, after it was held to what a detector is."""
    from lenscal import detector

    found = detector.bring(settings.artifact, settings.declaration)
    undeclared = getattr(found, "about", {}).get("undeclared", [])
    return f"{found!r}" + (f"; not declared: {', '.join(undeclared)}" if undeclared else "")


class _Checks:
    """Rows of the table: what was looked for, the verdict, what was found, and the fix."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, str, str, str]] = []

    def check(self, what: str, found: str, fix: str = "") -> None:
        self.rows.append((what, "ok" if not fix else "missing", found, fix))

    def tried(self, what: str, ask: Callable[[], str], fix: str) -> None:
        try:
            found = ask()
        except (LenscalError, OSError) as error:
            self.check(what, str(error), fix)
        else:
            self.check(what, found)

    def stores(self, folder: Path) -> None:
        """Whether the folder of stores can be written, and has room."""
        from lenscal.io import folders

        if folders.is_remote(folder):
            probe = folder / ".plan" / "preflight"
            try:
                folders.write_bytes(probe, b"")
                folders.remove(probe)
                self.check("stores", str(folder))
            except folders.StoreError as error:
                self.check("stores", str(folder), str(error))
            return
        parent = next(p for p in [folder, *folder.parents] if p.exists())
        fix = "" if os.access(parent, os.W_OK) else f"'{parent}' is not writable: choose another `stores`"
        self.check("stores", str(folder), fix)
        free = shutil.disk_usage(parent).free / 1e9
        self.check("disk", f"{free:.0f} GB free", "" if free > 5 else "make room: a small run needs 5 GB")
