"""Cells with few trials put together with a neighbour, on request; what was put together is recorded."""

from __future__ import annotations

import numpy as np
import xarray as xr

from lenscal import config, schema
from lenscal.completeness.counts import add
from lenscal.completeness.posterior import posteriors
from lenscal.errors import InputError


def groups(trials: np.ndarray, below: int) -> np.ndarray:
    """Which neighbours of a row go together so that each group has enough trials.

    From the first on, a cell takes the next until they have `below` trials at every theta_e; what is left over at the
    end joins the last group.

    Parameters
    ----------
    trials : (theta_e, n) int array
    below : int

    Returns
    -------
    (n,) int array
        Number of the group of each cell, from 0 on.
    """
    out, sum_, group = np.zeros(trials.shape[1], np.int64), np.zeros(trials.shape[0], np.int64), 0
    for place in range(trials.shape[1]):
        out[place] = group
        sum_ = sum_ + trials[:, place]
        if sum_.min() >= below:
            group, sum_ = group + 1, np.zeros_like(sum_)
    if group and sum_.min() < below:
        out[out == group] = group - 1
    return out


def merged(counts: xr.Dataset, settings: config.Completeness, runs: int | None = None) -> xr.Dataset:
    """The cube of counts whose thin cells are put together with their neighbours along depth.

    Cells of one seeing are put together along depth until each group has `settings.merge_below` trials at every
    theta_e; all cells of a group have its number, which is that of one cell with the trials and hosts of all.

    Parameters
    ----------
    counts : Dataset
        As from `count` or `add`.
    settings : config.Completeness
    runs : int, optional
        Where all cells lie along psf_fwhm, how many of them in turn are neighbours.

    Returns
    -------
    Dataset
        As from `posteriors`, without hosts; `merged`, how many cells a number is of, `merge_group`, the number of the
        group, and the attribute `merge_below`.

    Raises
    ------
    InputError
        `merge_below` is 0, or the counts carry no hosts.
    """
    if not settings.merge_below:
        raise InputError("completeness.merge_below is 0; give it the trials that a cell has to have")
    counts = add(counts)
    n = counts["n_injected"].transpose(*schema.CELL).values
    rows = n.reshape(n.shape[0], -1, runs or n.shape[2])
    number, start = [], 0
    for row in range(rows.shape[1]):
        own = groups(rows[:, row], settings.merge_below)
        number.append(own + start)
        start += int(own.max()) + 1
    group = np.concatenate(number).reshape(n.shape[1:])
    cube = posteriors(_grouped(counts, group, start), settings).drop_dims("host")
    at = xr.DataArray(group, dims=("psf_fwhm", "depth"), coords={dim: counts[dim] for dim in ("psf_fwhm", "depth")})
    spread = cube.isel(depth=0, drop=True).rename(psf_fwhm="group").drop_vars("group").isel(group=at)
    size = np.bincount(group.ravel())[group]
    about = {"units": "1", "long_name": "cells that the number of a cell is of; 1 where it is its own"}
    spread = spread.assign_coords(
        {dim: counts[dim].variable for dim in ("psf_fwhm", "depth")}
    )  # with their half widths
    return spread.assign(
        merged=(at.dims, size, about),
        merge_group=(at.dims, group, {"units": "1", "long_name": "number of the group of cells put together"}),
    ).assign_attrs(cube.attrs, merge_below=settings.merge_below)


def _grouped(counts: xr.Dataset, group: np.ndarray, groups_: int) -> xr.Dataset:
    """Counts of the groups, along psf_fwhm; hosts of two cells that are put together are theirs."""
    places = {
        (float(p), float(d)): group[i, j]
        for i, p in enumerate(counts["psf_fwhm"].values)
        for j, d in enumerate(counts["depth"].values)
    }
    of = [places[float(p), float(d)] for p, d in zip(counts["host_psf_fwhm"].values, counts["host_depth"].values)]

    def total(name: str) -> np.ndarray:
        values = counts[name].transpose(*schema.CELL, ...).values
        flat = values.reshape(values.shape[0], group.size, *values.shape[3:])
        out = np.zeros((values.shape[0], groups_, *values.shape[3:]), np.int64)
        np.add.at(out, (slice(None), group.ravel()), flat)
        return out[:, :, None]

    data = {
        "n_injected": (schema.CELL, total("n_injected")),
        "n_failed": (schema.CELL, total("n_failed")),
        "n_detected": ((*schema.CELL, "threshold"), total("n_detected")),
    }
    kept = {name: counts[name].variable for name in ("host_injected", "host_detected", "host_weight")}
    coords = {
        "theta_e": counts["theta_e"].variable,
        "psf_fwhm": np.arange(groups_, dtype=float),
        "depth": [0.0],
        **{name: counts[name].variable for name in ("threshold", "population", "host_id")},
        **{name: counts[name].variable for name in ("false_positive_rate",) if name in counts.coords},
        "host_psf_fwhm": ("host", np.array(of, float)),
        "host_depth": ("host", np.zeros(len(of))),
    }
    attrs = {"detector_hash": counts.attrs.get("detector_hash", "")}
    return add(xr.Dataset(data | kept, coords, attrs))
