"""Averages of the cube over conditions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from lenscal import schema
from lenscal.completeness.posterior import freedom_of
from lenscal.cube import detected_of, of_population
from lenscal.errors import InputError
from lenscal.kernels import intervals, recovery, shares


def marginalise(
    cube: xr.Dataset,
    over: str | Sequence[str] = ("psf_fwhm", "depth"),
    weights: str = "area",
    seed: int = 0,
    draws_per_cell: int = 0,
) -> xr.Dataset:
    """Completeness averaged over seeing, depth or both.

    The number is one share, and has one prior: that of the cube, put to as many trials as have the binomial error of
    the mean (`kernels.shares.mean`). Cells with other conditions have other hosts, so their errors are independent;
    those at other theta_e share hosts, and are not averaged here.

    Parameters
    ----------
    cube : Dataset
        As `schema.COMPLETENESS`, with area and host_pool.
    over : str or sequence of str
        psf_fwhm, depth or both.
    weights : str
        ``area`` (sky) or ``hosts`` (host_pool).
    seed, draws_per_cell : int
        Of no effect: nothing is drawn any more.

    Returns
    -------
    Dataset
        completeness (quantile), lower and upper (level; of the kind that the cube has) of the part with an estimate;
        `unknown`, the share of the weight without one (with area over both axes, sky outside the grid included), and
        `insufficient`, the share of it whose cells have too few trials or hosts; `bound_lower` and `bound_upper` of the
        whole, with completeness 0 and 1 in the unknown part. NaN where no cell has an estimate; no interval where too
        few hosts tell how alike their trials are, or where more than half of the weight lies in cells with fewer than
        `recovery.HOSTS_MIN` effective hosts.
    """
    cube = of_population(cube)
    refuse_merged(cube)
    dims = (over,) if isinstance(over, str) else tuple(over)
    weight = _weight_of(cube, dims, weights)
    known = cube["n_injected"] > 0
    outside = 0.0
    if weights == "area" and len(dims) == 2:
        outside = cube.attrs.get("area_total", 0.0) - cube.attrs.get("area_inside", 0.0)
    total = weight.sum(dims) + outside
    kept = [dim for dim in (*schema.CELL, "threshold") if dim not in dims]
    share_of = lambda chosen: ((weight * chosen).sum(dims) / total).where(total > 0).transpose(*kept[:-1], ...)  # noqa: E731
    unknown = 1 - share_of(known)
    hosts = cube["hosts_effective" if "hosts_effective" in cube else "n_hosts"].transpose(*schema.CELL).astype(float)
    freedom = xr.DataArray(freedom_of(hosts.values), dims="theta_e")
    few = (weight * known * (hosts < recovery.HOSTS_MIN)).sum(dims) > 0.5 * (weight * known).sum(dims)
    told = recovery.told(hosts.values) & ~few.transpose(*kept[:-1]).values[..., None]
    prior = cube.attrs["binomial_prior"]
    kind = cube.attrs.get("interval", "equal-tailed")

    def at(level: float) -> tuple[np.ndarray, np.ndarray]:
        """Effective detections and trials behind the mean, (kept) arrays."""
        effect = cube["design_effect"]
        if level:
            effect = xr.apply_ufunc(recovery.widened, effect, freedom, level)
        arrays = xr.broadcast(weight, detected_of(cube), cube["n_injected"], effect)
        shape = tuple(cube.sizes[dim] for dim in kept)
        mean, trials = shares.mean(*(array.transpose(*kept, *dims).values.reshape(*shape, -1) for array in arrays))
        trials = np.where(told, np.nan_to_num(trials), 0.0) if level else np.nan_to_num(trials)
        return np.where(mean == 1, trials, mean * trials), trials

    ends = [intervals.interval(*at(level), level, prior, kind) for level in schema.LEVELS]
    lower, upper = (xr.DataArray(np.stack(end, -1), dims=(*kept, "level")) for end in zip(*ends))
    quantiles = np.stack(
        [intervals.quantiles(*at(round(abs(2 * q - 1), 9)), [q], prior)[..., 0] for q in schema.QUANTILES], -1
    )
    out = xr.Dataset(
        {
            "completeness": ((*kept, "quantile"), quantiles),
            "lower": lower,
            "upper": upper,
            "unknown": unknown,
            "insufficient": share_of(known & ~cube["sufficient"].astype(bool)),
            "bound_lower": ((1 - unknown) * lower.where(unknown < 1, 0)).transpose(*kept, "level"),
            "bound_upper": ((1 - unknown) * upper.where(unknown < 1, 0) + unknown).transpose(*kept, "level"),
        },
        coords={dim: cube[dim].variable for dim in kept}
        | {"false_positive_rate": cube["false_positive_rate"].variable},
        attrs={**cube.attrs, "weights": weights, "averaged_over": ", ".join(dims)},
    )
    for array in out.data_vars.values():
        array.attrs["units"] = "1"
    return out.assign_coords(quantile=("quantile", list(schema.QUANTILES)), level=("level", list(schema.LEVELS)))


def refuse_merged(cube: xr.Dataset) -> None:
    """Cells that were put together have one number, of the trials of all: an average would count them as often.

    Raises
    ------
    InputError
        The cube has such cells.
    """
    if "merge_group" in cube:
        raise InputError(
            "cells of this cube share the trials of those that they were merged with (merge_group), and "
            "an average would count these once for each; average the cube itself (completeness), whose cells are apart"
        )


def _weight_of(cube: xr.Dataset, dims: tuple[str, ...], weights: str) -> xr.DataArray:
    """Weight of each cell in an average over some dims; what cannot be averaged is refused."""
    if not dims or not set(dims) <= {"psf_fwhm", "depth"}:
        raise InputError(f"marginalise over {dims}: expected psf_fwhm, depth or both (cells along theta_e share hosts)")
    names = {"area": "area", "hosts": "host_pool"}
    if weights not in names:
        raise InputError(f"weights is {weights!r}, expected 'area' or 'hosts'")
    weight = cube[names[weights]].astype(float)
    if not float(weight.sum()) > 0:
        raise InputError(
            f"marginalise: '{names[weights]}' of the cube is 0 everywhere; weigh by "
            f"{'hosts' if weights == 'area' else 'area'}"
        )
    return weight
