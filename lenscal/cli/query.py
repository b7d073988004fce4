"""`lenscal query`: a number out of the completeness cube."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from lenscal.cli.refusal import refusals, settings_of


def query(
    place: Annotated[Path, typer.Argument(help="Run file, or a completeness.zarr.")],
    theta_e: Annotated[float, typer.Option(help="Einstein radius \\[arcsec].")],
    psf: Annotated[float, typer.Option(help="PSFSIZE_R \\[arcsec].")],
    depth: Annotated[float, typer.Option(help="PSFDEPTH_R, 5-sigma \\[AB mag].")],
    population: Annotated[
        str, typer.Option(help="Population of hosts: survey or lens-like; the one that the cube means by default.")
    ] = "",
) -> None:
    """Print the completeness of the cell that holds these conditions, with its interval and what stands behind it."""
    with refusals():
        import numpy as np

        from lenscal.cube import cell_of, of_population
        from lenscal.io.light import open_small

        path = place if place.suffix == ".zarr" else settings_of(place).stores / "completeness.zarr"
        cube: Any = of_population(cast(Any, open_small(path)), population or None)
        cell: Any = cell_of(cube, theta_e, psf, depth)
        typer.echo(
            f"cell theta_e {_one(cell, 'theta_e'):g} arcsec, psf_fwhm {_one(cell, 'psf_fwhm'):g} arcsec, depth "
            f"{_one(cell, 'depth'):g} mag: {cell['status'].values.item()}"
        )
        for t in range(cube["threshold"].values.size):
            one = cell.isel(threshold=t)
            n, k = int(_one(one, "n_injected")), int(_one(one, "n_detected"))
            rate = _one(one, "false_positive_rate")
            if n == 0:
                typer.echo(f"  at false-positive rate {rate:.3g}: no data")
                continue
            middle = _one(one.isel(quantile=int(np.abs(cube["quantile"].values - 0.5).argmin())), "completeness")
            typer.echo(
                f"  at false-positive rate {rate:.3g}: {middle:.3f} (median; {_ends(one, 'lower', 'upper')}); {k} of "
                f"{n} trials, {int(_one(one, 'n_hosts'))} hosts"
            )
            if "total_lower" in one:
                text = _ends(one, "total_lower", "total_upper")
                known = [(str(c), one.isel(cause=i)) for i, c in enumerate(cube["cause"].values)]
                causes = ", ".join(
                    f"{c} {_below_and_above(_one(by, 'systematic_lower'), _one(by, 'systematic_upper'))}"
                    for c, by in known
                )
                typer.echo(f"    with systematic errors {text} ({causes or 'none is known'})")
        typer.echo(f"  population of hosts: {cube.attrs.get('population', 'survey')}")
        if cube.attrs.get("recovery"):
            typer.echo(f"  real lenses beside injections: {cube.attrs['recovery']}")
        if cube.attrs.get("few_events"):
            typer.echo(f"  mind that {cube.attrs['few_events']}")
        for mark in ("mock", "not_scientific"):
            if cube.attrs.get(mark):
                typer.echo("  made from the embedded (mock) sky" if mark == "mock" else f"  {cube.attrs[mark]}")


def _one(cell: Any, name: str) -> float:
    """The only number of an array."""
    return float(cell[name].values)


def _below_and_above(below: float, above: float) -> str:
    """How far a systematic error reaches either way; 0 has no sign of its own."""
    return f"-{abs(below):.3f} +{abs(above):.3f}"


def _ends(one: Any, lower: str, upper: str) -> str:
    """Both ends at each level, or why there are none."""
    ends = [
        (float(level), _one(one.isel(level=i), lower), _one(one.isel(level=i), upper))
        for i, level in enumerate(one["level"].values)
    ]
    if any(math.isnan(low) for _, low, _ in ends):
        hosts = f"{_one(one, 'hosts_effective'):.1f} effective hosts here" if "hosts_effective" in one else "its hosts"
        return f"no interval: {hosts}, and those of the other cells, do not tell how alike the trials of a host are"
    return ", ".join(f"{level:.4g}: {low:.3f} to {high:.3f}" for level, low, high in ends)
