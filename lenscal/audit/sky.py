"""The sky of a run, piece by piece, and what a map of completeness over it is for others."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from lenscal import completeness, schema
from lenscal.audit.pipeline import plan_of
from lenscal.audit.products import Run
from lenscal.errors import InputError
from lenscal.io import moc, netcdf, stores

STORE, REGION = "completeness_map.zarr", "supported.moc.fits"


def pieces(run: Run, cube: xr.Dataset, nside: int) -> pd.DataFrame | None:
    """Pieces of the survey's sky with their seeing and depth, by pixel: parts of bricks, or random points where the run
    file names some; None of stamps, which are no sky.
    """
    from lenscal.completeness import sky_pieces

    survey = run.settings.survey
    if not run.survey.has_catalogue:
        return None
    if survey.randoms:
        from lenscal.io.randoms import read_randoms

        edges = {dim: completeness.edges_of(cube, dim) for dim in ("psf_fwhm", "depth")}
        points = read_randoms(survey.randoms, survey.randoms_density, places=True, release=survey.of_points)
        return sky_pieces.of_randoms(points, nside, edges)
    return sky_pieces.of_bricks(run.survey.bricks(), nside)


def write_map(
    run: Run, out: Path, nside: int = 256, theta_e: Mapping[float, float] | None = None, threshold: int = 0
) -> xr.Dataset:
    """Write completeness over the footprint of a run as files for others.

    Parameters
    ----------
    run : Run
        Of a run whose completeness is finished.
    out : Path
        Folder, new or of a former map: sky-map.zarr, sky-map.nc, sky-map.png and .pdf, and `REGION`, where it may be
        used at every Einstein radius.
    nside : int
        A power of two.
    theta_e : mapping of float to float, optional
        Weights of Einstein radii in a population; one map for each radius by default.
    threshold : int
        Counted from 0.

    Returns
    -------
    Dataset
        As from `completeness.sky_map`.

    Raises
    ------
    InputError
        Completeness is not finished, the run is of stamps, the folder holds something else, or an argument is none.
    """
    if not plan_of(run).done("completeness"):
        raise InputError("map: the completeness of this run is not finished; run `lenscal run RUNFILE` first")
    if out.exists() and (not out.is_dir() or (any(out.iterdir()) and not (out / "sky-map.zarr").is_dir())):
        raise InputError(f"map: '{out}' holds something else than a map; name another folder")
    cube = run.store("completeness").load()
    conditions = pieces(run, cube, nside)
    if conditions is None:
        raise InputError("map: the survey of this run is a folder of stamps, which are no footprint")
    found = completeness.sky_map(cube, conditions, nside, theta_e, threshold)
    attrs = {
        key: value for key, value in cube.attrs.items() if key in ("lenscal_version", "timestamp", "seed", "layer")
    }
    found = found.assign_attrs(attrs)
    stores.write(out / "sky-map.zarr", schema.SKY_MAP if theta_e is None else schema.SKY_MAP_OF_ONE, found, {})
    stores.write_bytes(out / "sky-map.nc", netcdf.netcdf(stores.open(out / "sky-map.zarr")))
    for name, content in pictures(found).items():
        stores.write_bytes(out / name, content)
    stores.write_bytes(out / REGION, region(found))
    return found


def region(found: xr.Dataset) -> bytes:
    """Where a map may be used at every radius, as a MOC."""
    supported = found["supported"].astype(bool)
    good = supported.all("theta_e") if "theta_e" in supported.dims else supported
    return moc.moc(found["cell_ids"].values[good.values], int(found.attrs["nside"]))


def pictures(found: xr.Dataset) -> dict[str, bytes]:
    """The map drawn, as PNG and PDF."""
    from lenscal.report.figures import sky, style

    with style.styled():
        figure = sky.draw(found, middle_radius(found))
        return {"sky-map.png": style.png(figure), "sky-map.pdf": style.pdf(figure)}


def middle_radius(found: xr.Dataset) -> float | None:
    """The Einstein radius in the middle of a map's; None where it has one number a pixel."""
    radii = found["theta_e"].values if "theta_e" in found.dims else np.empty(0)
    return float(radii[radii.size // 2]) if radii.size else None
