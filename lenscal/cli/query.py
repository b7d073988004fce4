"""`lenscal query`: a number out of the completeness cube."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lenscal.cli.refusal import refusals

if TYPE_CHECKING:
    import xarray as xr


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
        from lenscal import completeness
        from lenscal.config import load
        from lenscal.io import stores

        path = place if place.suffix == ".zarr" else load(place).stores / "completeness.zarr"
        cube = stores.open(path).load()
        cube = completeness.of_population(cube, population or None)
        cell = completeness.cell_of(cube, theta_e, psf, depth)
        typer.echo(
            f"cell theta_e {float(cell.theta_e):g} arcsec, psf_fwhm {float(cell.psf_fwhm):g} arcsec, depth "
            f"{float(cell.depth):g} mag: {cell['status'].item()}"
        )
        for t in range(cube.sizes["threshold"]):
            one = cell.isel(threshold=t)
            n, k = int(one["n_injected"]), int(one["n_detected"])
            rate = float(one["false_positive_rate"])
            if n == 0:
                typer.echo(f"  at false-positive rate {rate:.3g}: no data")
                continue
            middle = float(one["completeness"].sel(quantile=0.5))
            typer.echo(
                f"  at false-positive rate {rate:.3g}: {middle:.3f} (median; {_ends(one, 'lower', 'upper')}); {k} of "
                f"{n} trials, {int(one['n_hosts'])} hosts"
            )
            if "total_lower" in one:
                text = _ends(one, "total_lower", "total_upper")
                causes = ", ".join(
                    f"{c} -{float(one['systematic_lower'].sel(cause=c)):.3f} "
                    f"+{float(one['systematic_upper'].sel(cause=c)):.3f}"
                    for c in cube["cause"].values
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


def _ends(one: xr.Dataset, lower: str, upper: str) -> str:
    """Both ends at each level, or why there are none."""
    ends = [
        (float(level), float(one[lower].sel(level=level)), float(one[upper].sel(level=level)))
        for level in one["level"].values
    ]
    if any(math.isnan(low) for _, low, _ in ends):
        hosts = f"{float(one['hosts_effective']):.1f} effective hosts here" if "hosts_effective" in one else "its hosts"
        return f"no interval: {hosts}, and those of the other cells, do not tell how alike the trials of a host are"
    return ", ".join(f"{level:.4g}: {low:.3f} to {high:.3f}" for level, low, high in ends)
