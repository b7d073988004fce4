"""`lenscal map`: completeness over the footprint of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lenscal.cli.refusal import refusals, settings_of


def map_(
    runfile: Annotated[Path, typer.Argument(help="Run file whose completeness is finished.")],
    out: Annotated[Path, typer.Argument(help="Folder to write, new or of a former map.")],
    nside: Annotated[int, typer.Option(help="HEALPix nside, a power of two; 256 has pixels of 0.23 degree.")] = 256,
    theta_e: Annotated[
        list[str] | None,
        typer.Option(
            help="An Einstein radius of the cube and its weight in a population, such as 1.5=0.4; once for each. "
            "By default one map for each radius."
        ),
    ] = None,
    threshold: Annotated[int, typer.Option(help="Which of the thresholds, counted from 0.")] = 0,
) -> None:
    """Write completeness over the footprint on HEALPix: each pixel averages the cells over its own seeing and depth.

    Writes sky-map.zarr and .nc (xarray, xdggs), a picture, and supported.moc.fits: where the numbers may be used.
    """
    settings = settings_of(runfile)
    with refusals():
        from lenscal.audit import Run
        from lenscal.audit.sky import write_map

        found = write_map(Run(settings), out, nside, weights_of(theta_e), threshold)
        area = found["area"].values
        supported = found["supported"].values.reshape(len(area), -1).all(1)
        typer.echo(
            f"{len(area):,} pixels, {area.sum():.4g} square degrees; {area[supported].sum() / area.sum():.1%} of them "
            f"may be used in {out}"
        )


def weights_of(given: list[str] | None) -> dict[float, float] | None:
    """Weights of Einstein radii as written on the command line.

    Raises
    ------
    InputError
        One is no RADIUS=WEIGHT, or a radius is named twice.
    """
    from lenscal.errors import InputError

    if not given:
        return None
    out: dict[float, float] = {}
    for text in given:
        radius, _, weight = text.partition("=")
        try:
            key, value = float(radius), float(weight or 1)
        except ValueError:
            raise InputError(f"--theta-e is '{text}', expected RADIUS or RADIUS=WEIGHT, such as 1.5=0.4") from None
        if key in out:
            raise InputError(f"--theta-e names {key:g} twice; name each radius once")
        out[key] = value
    return out
