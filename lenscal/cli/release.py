"""`lenscal release`: a finished run as a folder for others."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lenscal.cli.refusal import refusals, settings_of


def release(
    runfile: Annotated[Path, typer.Argument(help="Run file of a finished run.")],
    out: Annotated[Path, typer.Argument(help="Folder to write: new, empty, or a former release, which is replaced.")],
    license_: Annotated[
        str, typer.Option("--license", help="SPDX name of the licence, such as CC-BY-4.0, CC0-1.0, ODC-By-1.0.")
    ] = "CC-BY-4.0",
    author: Annotated[
        list[str] | None,
        typer.Option(help="'Family, Given', 'Family, Given, ORCID', or a collaboration; once for each author."),
    ] = None,
) -> None:
    """Write a finished run as a folder that others open without lenscal (an RO-Crate).

    It holds the cube (Zarr, NetCDF), a lookup table and every trial, found or missed (FITS, Parquet), with a data
    dictionary; report, run file, gates, versions, licence, citation and checksums. The run is verified first: one that
    differs from what it wrote is refused. The same run gives the same bytes.
    """
    settings = settings_of(runfile)
    with refusals():
        from lenscal.audit import Run
        from lenscal.audit.release import release as do

        files = do(Run(settings), runfile, out, license_, author or ())
        typer.echo(f"{len(files)} files, {sum(files.values()) / 1e6:.1f} MB in {out}, {license_}")
        typer.echo(f"next: read {out / 'README.md'}, and put your names into it with --author if they are not there")
