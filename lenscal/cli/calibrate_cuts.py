"""`lenscal calibrate-cuts`: cuts of the confuser classes by quantile, printed as YAML to be
frozen into the run file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lenscal.cli.refusal import refusals


def calibrate_cuts(
    runfile: Annotated[Path, typer.Argument(help="YAML run file; its stage objects must be complete.")],
    share: Annotated[float, typer.Option(help="Members of each class for each galaxy of the rule of N1.")] = 0.03,
    rows: Annotated[int, typer.Option(help="Galaxies to calibrate on, at least (whole leaves are taken).")] = 200_000,
) -> None:
    """Print `confuser_cuts` under which each class of N2 has a given share of members; paste it under `manifest`."""
    with refusals():
        import yaml

        from lenscal.audit import Run, scanning
        from lenscal.config import load

        frozen, report, seen = scanning.calibrate(Run(load(runfile)), share, rows)
        typer.echo(
            f"# beside {seen:,} galaxies of the rule of N1; each class is meant to have {share:g} times as "
            "many members in the footprint"
        )
        for row in report.itertuples(index=False):
            typer.echo(
                f"# {row[0]}: {row.cut} {row.before:g} held {row.share_before:.4f}, {row.after:g} "
                f"holds {row.share_after:.4f}"
            )
        typer.echo(yaml.safe_dump({"confuser_cuts": frozen}, sort_keys=False).rstrip())
