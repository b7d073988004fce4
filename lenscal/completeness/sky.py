"""How much sky and how many hosts have the conditions of each cell."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from lenscal import config, schema
from lenscal import grid as bins
from lenscal.errors import InputError


def occupancy(bricks: pd.DataFrame, hosts: pd.DataFrame, grid: config.Grid) -> xr.Dataset:
    """Sky and hosts with the conditions of each cell. Bins hold their lower edge, not their upper one.

    Parameters
    ----------
    bricks : DataFrame
        psfsize_r [arcsec], psfdepth_r [AB mag], area [degree^2]; no rows where the area is not known.
    hosts : DataFrame
        psf_fwhm and depth: centres of each host's cell.
    grid : config.Grid

    Returns
    -------
    Dataset (psf_fwhm, depth)
        area, host_pool. Attributes: area_total, area_inside and the area left out by reason [degree^2];
        half_width_<axis>.
    """
    psf, depth, area = (bricks[name].to_numpy(float) for name in ("psfsize_r", "psfdepth_r", "area"))
    if np.any(depth > 40):
        raise InputError(
            f"bricks: psfdepth_r reaches {np.nanmax(depth):g}, which is no magnitude; convert "
            "1/nanomaggy^2 to 5-sigma magnitudes first"
        )
    if not np.all(area >= 0):
        raise InputError("bricks: area holds a negative number or NaN; expected degree^2")
    edges_psf, edges_depth = grid.psf_fwhm.edges, grid.depth.edges
    attrs, left = {"area_total": float(area.sum())}, np.ones(area.size, bool)
    for reason, out in bins.outside({"psf": (edges_psf, psf), "depth": (edges_depth, depth)}):
        attrs["area_without_conditions" if reason == "unknown" else f"area_{reason.replace(' ', '_')}"] = float(
            area[out].sum()
        )
        left &= ~out
    attrs["area_inside"] = float(area[left].sum())
    attrs |= {f"half_width_{dim}": getattr(grid, dim).step / 2 for dim in schema.CELL}
    shape = len(grid.psf_fwhm.centres), len(grid.depth.centres)
    inside, pool = np.zeros(shape), np.zeros(shape, np.int64)
    place = (bins.place(edges, values[left]) for edges, values in ((edges_psf, psf), (edges_depth, depth)))
    np.add.at(inside, tuple(place), area[left])
    centres = {dim: getattr(grid, dim).centres for dim in ("psf_fwhm", "depth")}
    place = tuple(np.abs(hosts[dim].to_numpy(float)[:, None] - values).argmin(1) for dim, values in centres.items())
    for index, (dim, values) in zip(place, centres.items()):
        if np.any(wrong := ~(np.abs(hosts[dim].to_numpy(float) - values[index]) <= 1e-6)):
            raise InputError(
                f"hosts: {int(wrong.sum())} hosts have a {dim} that is no bin centre of the grid; "
                "assign them with the same grid"
            )
    np.add.at(pool, place, 1)
    dims = ("psf_fwhm", "depth")
    dataset = xr.Dataset(
        {"area": (dims, inside), "host_pool": (dims, pool)},
        {dim: (dim, values) for dim, values in centres.items()},
        attrs,
    )
    return schema.COMPLETENESS.describe(dataset)
