"""`lenscal conditions`: seeing and depth of the footprint by area, and the grid that covers them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lenscal.cli.refusal import refusals


def conditions(
    runfile: Annotated[Path, typer.Argument(help="YAML run file of a survey with its table of bricks.")],
    randoms: Annotated[list[str] | None, typer.Option(help="A file (or address) of random points instead of the table of bricks; more than one may be given.")] = None,
    density: Annotated[float | None, typer.Option(help="Points to the square degree of each, where the header does not say.")] = None,
    tail: Annotated[float, typer.Option(help="Share of the area that the recommended grid may leave out at either end.")] = 0.01,
) -> None:
    """Print the area in each cell of the run file's grid, what lies outside it, and a grid that covers the footprint."""
    with refusals():
        import yaml

        from lenscal import conditions as plane_of
        from lenscal.config import load
        from lenscal.run import Place

        settings = load(runfile)
        if settings.survey.layout != "dr10":
            raise ValueError(f"survey.layout is '{settings.survey.layout}': only a survey with a table of bricks has an area")
        grid = settings.injections.grid
        if randoms:
            from lenscal.io.randoms import read_randoms

            bricks = plane_of.of_randoms(read_randoms(randoms, density))
        else:
            bricks = Place(settings).survey.bricks()
        area = plane_of.plane(bricks, grid.psf_fwhm, grid.depth)
        total = float(bricks["area"].sum())
        typer.echo(f"area [degree^2] by psf_fwhm [arcsec, down] and depth [mag, across]; {total:.2f} in all")
        typer.echo(area.round(2).to_string())
        inside, known = float(area.iloc[1:-1, 1:-1].to_numpy().sum()), float(area.to_numpy().sum())
        typer.echo(f"inside the grid {inside / total:.1%}, outside {(known - inside) / total:.1%}, without conditions in r {1 - known / total:.1%}")
        axes = plane_of.recommended(bricks, {"psf_fwhm": grid.psf_fwhm.step, "depth": grid.depth.step}, tail)
        typer.echo(f"# a grid of the same steps that leaves out at most {tail:g} of the area at either end of either axis")
        typer.echo(yaml.safe_dump({"grid": {name: axis.model_dump() for name, axis in axes.items()}}, sort_keys=False).rstrip())
