"""Completeness over the footprint, pixel by pixel: each has its own seeing and depth, so its own mixture of cells."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
import xarray as xr

from lenscal import healpix, schema
from lenscal.completeness.averaging import refuse_merged
from lenscal.completeness.sky_cells import Cells, mixed
from lenscal.cube import of_population
from lenscal.errors import InputError
from lenscal.kernels import intervals

NSIDE = 256
UNSUPPORTED_MAX = 0.1
"""Share of a pixel without an estimate up to which its number may be used."""
PIXEL = "cells"
_SHARE, _TRIALS = 1e-4, 1e-3  # steps of a share, and of the logarithm of trials: ends of alike pixels are found once


def sky_map(
    cube: xr.Dataset,
    conditions: pd.DataFrame,
    nside: int = NSIDE,
    theta_e: Mapping[float, float] | None = None,
    threshold: int = 0,
    unsupported_max: float = UNSUPPORTED_MAX,
) -> xr.Dataset:
    """Completeness of each HEALPix pixel, averaged over the seeing and depth within it.

    The interval is that of the mean over the pixel's mixture of cells (`kernels.mixtures`), with one prior for the one
    number. Cells that many pixels share make their errors alike: a sum over pixels has the interval of its own mixture
    (`completeness.marginalise`), never that of independent pixels.

    Parameters
    ----------
    cube : Dataset
        As `schema.COMPLETENESS`, of one population or with the one that is meant.
    conditions : DataFrame
        Pieces of sky: pixel (nested, of this nside), psfsize_r [arcsec], psfdepth_r [AB mag] (NaN without an exposure),
        area [degree^2]; as from `sky_pieces.of_bricks` or `sky_pieces.of_randoms`.
    nside : int
        A power of two.
    theta_e : mapping of float to float, optional
        Weights of Einstein radii (centres of the cube) in a population, for one number a pixel; hosts that radii share
        widen its interval. By default one number for each radius.
    threshold : int
        Position along `threshold`.
    unsupported_max : float
        Share of the area of a pixel without an estimate up to which it is supported.

    Returns
    -------
    Dataset (cells, theta_e)
        completeness (median), lower and upper (level), `unsupported` (share of the area without an estimate),
        `supported`; area [degree^2]; coordinate cell_ids, nested, with the CF grid mapping `healpix`. Without theta_e
        where radii are weighed.

    Raises
    ------
    InputError
        Nside is none, pieces lack something or lie in no pixel of it, the threshold or a radius is not in the cube, or
        weights are negative or sum to nothing.
    """
    _check(conditions, nside)
    cube = of_population(cube)
    refuse_merged(cube)
    if not 0 <= threshold < cube.sizes["threshold"]:
        raise InputError(f"sky_map: threshold is {threshold}, the cube has {cube.sizes['threshold']}, counted from 0")
    one = cube.isel(threshold=threshold)
    weights = _weights(one, theta_e)
    ids, area, weight = mixed(one, conditions)
    pixels = Cells.of(one).averaged(weight, weights, area)
    prior, kind = str(one.attrs["binomial_prior"]), str(one.attrs.get("interval", "equal-tailed"))
    middle = _ends(*pixels.at(0), lambda k, n: (intervals.quantiles(k, n, [0.5], prior)[..., 0],))[0]
    ends = [
        _ends(*pixels.at(level), lambda k, n, level=level: intervals.interval(k, n, level, prior, kind))
        for level in schema.LEVELS
    ]
    lower, upper = (np.stack(end, -1) for end in zip(*ends))
    made = {
        "completeness": (middle, "median of the posterior of the pixel's mixture of cells"),
        "lower": (lower, "lower end of the interval"),
        "upper": (upper, "upper end of the interval"),
        "unsupported": (pixels.unsupported, "share of the area of the pixel without an estimate"),
        "supported": (
            (pixels.unsupported <= unsupported_max) & pixels.told,
            "completeness and interval may be used",
        ),
    }
    dims = (PIXEL, "theta_e") if theta_e is None else (PIXEL,)
    data = {
        name: (
            (*dims, "level") if values.ndim == 3 else dims,
            values if theta_e is None else values[:, 0],
            {"long_name": text, "units": "1"},
        )
        for name, (values, text) in made.items()
    }
    data["area"] = (PIXEL, area, {"long_name": "sky of the survey in the pixel", "units": "degree^2"})
    return _mapped(data, ids, nside, one, theta_e)


_KEPT = (
    "run",
    "detector_hash",
    "population",
    "binomial_prior",
    "interval",
    "recovery_verdict",
    "mock",
    "not_scientific",
    "area_from",
)


def _mapped(data: dict, ids: np.ndarray, nside: int, cube: xr.Dataset, theta_e: Mapping | None) -> xr.Dataset:
    """The Dataset on its grid, as CF describes one of HEALPix."""
    for _, _, attrs in data.values():
        attrs["grid_mapping"] = "healpix"
    grid = {"grid_mapping_name": "healpix", "refinement_level": int(np.log2(nside)), "indexing_scheme": "nested"}
    coords = {
        "cell_ids": (PIXEL, ids.astype(np.uint64), {"standard_name": "healpix_index", "units": "1"}),
        "healpix": ((), np.int8(0), grid),
        "level": ("level", list(schema.LEVELS), {"long_name": "of the interval", "units": "1"}),
    }
    attrs = {name: cube.attrs[name] for name in _KEPT if name in cube.attrs}
    attrs |= {"threshold": float(cube["threshold"]), "nside": int(nside)}
    attrs["false_positive_rate"] = float(cube["false_positive_rate"])
    if theta_e is None:
        coords["theta_e"] = cube["theta_e"].variable
    else:
        attrs["theta_e_weights"] = ", ".join(f"{radius:g}: {value:g}" for radius, value in theta_e.items())
    return xr.Dataset(data, coords, attrs)


def _check(conditions: pd.DataFrame, nside: int) -> None:
    healpix.check_nside(nside, "sky_map")
    lacking = [name for name in ("pixel", "psfsize_r", "psfdepth_r", "area") if name not in conditions]
    if lacking:
        raise InputError(
            f"sky_map: the pieces of sky lack {', '.join(lacking)}; make them with sky_pieces.of_bricks or of_randoms"
        )
    area, pixel = conditions["area"].to_numpy(float), conditions["pixel"].to_numpy()
    if not np.all(area >= 0) or not area.sum() > 0:
        raise InputError("sky_map: area of the pieces is negative, NaN, or 0 in all; expected degree^2")
    if pixel.min() < 0 or pixel.max() >= 12 * nside**2:
        raise InputError(f"sky_map: a pixel of the pieces is none of nside {nside}; make them with the same nside")


def _weights(cube: xr.Dataset, theta_e: Mapping[float, float] | None) -> np.ndarray:
    """(theta_e, out): one column for each radius, or one for a population."""
    radii = cube["theta_e"].values
    if theta_e is None:
        return np.eye(radii.size)
    found = np.zeros((radii.size, 1))
    for radius, value in theta_e.items():
        place = np.flatnonzero(np.isclose(radii, radius))
        if not place.size:
            raise InputError(f"sky_map: theta_e {radius:g} is no centre of the cube, which has {radii.tolist()}")
        found[place[0], 0] = value
    if not np.all(found >= 0) or not found.sum() > 0:
        raise InputError(
            f"sky_map: the weights of theta_e are {found[:, 0].tolist()}; expected none negative, one above 0"
        )
    return found / found.sum()


def _ends(share: np.ndarray, trials: np.ndarray, of: Callable) -> tuple[np.ndarray, ...]:
    """Quantiles of shares and trials, each pair that is the same to the steps above asked once."""
    shape = share.shape
    share, trials = share.ravel(), trials.ravel()
    good = np.flatnonzero((trials > 0) & np.isfinite(share))
    steps = [np.round(values).astype(np.int64) for values in (share[good] / _SHARE, np.log(trials[good]) / _TRIALS)]
    rough = steps[0] << 32 | (steps[1] + (1 << 31))
    _, first, back = np.unique(rough, return_index=True, return_inverse=True)
    p, n = share[good][first], trials[good][first]
    found = of(np.where(p == 1, n, p * n), n)
    out = []
    for values in found:
        full = np.full(share.size, np.nan)
        full[good] = values[back]
        out.append(full.reshape(shape))
    return tuple(out)
