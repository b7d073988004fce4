"""`lenscal conditions`: seeing and depth of the footprint by area, and the grid that covers them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lenscal.cli.refusal import refusals
from lenscal.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from lenscal.config import Grid


def conditions(
    runfile: Annotated[
        Path, typer.Argument(help="YAML run file of a survey with its table of bricks, or with random points.")
    ],
    randoms: Annotated[
        list[str] | None,
        typer.Option(
            help=(
                "A file (or address) of random points, in place of the run file's survey.randoms or table of "
                "bricks; more than one may be given."
            )
        ),
    ] = None,
    density: Annotated[
        float | None, typer.Option(help="Points to the square degree of each, where the header does not say.")
    ] = None,
    tail: Annotated[
        float,
        typer.Option(help="Share of the area that the recommended grid may leave out at either end.", min=0, max=0.4),
    ] = 0.01,
) -> None:
    """Print the area in each cell of the run file's grid, what lies outside, and a grid that covers the footprint."""
    with refusals():
        from lenscal.audit import Run
        from lenscal.config import load

        settings = load(runfile)
        survey = settings.survey
        if not Run(settings).survey.has_catalogue:
            raise InputError(
                f"survey.layout is '{survey.layout}': only a survey with a table of bricks or random points has an area"
            )
        if density is not None and not randoms:
            raise InputError(
                "--density is of the files that --randoms names, and it names none; that of the run "
                "file's is survey.randoms_density"
            )
        if randoms:
            survey = survey.model_copy(update={"randoms": randoms, "randoms_density": density})
        grid, bricks = settings.injections.grid, Run(settings.model_copy(update={"survey": survey})).sky()
        _tell(bricks, grid, tail)


def _tell(bricks: pd.DataFrame, grid: Grid, tail: float) -> None:
    import yaml

    from lenscal.completeness import conditions as plane_of

    area = plane_of.plane(bricks, grid.psf_fwhm, grid.depth)
    total = float(bricks["area"].sum())
    places = _places(float(area.to_numpy().max()))
    typer.echo(
        f"area [degree^2] by psf_fwhm [arcsec, down] and depth [mag, across]; {total:.{places}f} in all, from "
        f"{bricks.attrs['area_from']}"
    )
    typer.echo(area.to_string(float_format=f"{{:.{places}f}}".format))
    inside, known = float(area.iloc[1:-1, 1:-1].to_numpy().sum()), float(area.to_numpy().sum())
    typer.echo(
        f"inside the grid {inside / total:.1%}, outside {(known - inside) / total:.1%}, without "
        f"conditions in r {1 - known / total:.1%}"
    )
    axes = plane_of.recommended(bricks, {"psf_fwhm": grid.psf_fwhm.step, "depth": grid.depth.step}, tail)
    typer.echo(f"# a grid of the same steps that leaves out at most {tail:g} of the area at either end of either axis")
    typer.echo(
        yaml.safe_dump({"grid": {name: axis.model_dump() for name, axis in axes.items()}}, sort_keys=False).rstrip()
    )


def _places(largest: float) -> int:
    """Decimal places of areas: two, or as many as give the largest three digits."""
    return max(2, 2 - math.floor(math.log10(largest))) if largest > 0 else 2
