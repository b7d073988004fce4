"""Which seeing and depth the footprint has, by area, and the grid that covers it."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lenscal import config, schema
from lenscal.kernels import magnitudes

_MAGNITUDE_MAX = 40.0  # no 5-sigma magnitude of any survey is fainter
_COLUMNS = {"psf_fwhm": "psfsize_r", "depth": "psfdepth_r"}


def _known(bricks: pd.DataFrame) -> pd.DataFrame:
    values = bricks[list(_COLUMNS.values())].to_numpy(float)
    area = bricks["area"].to_numpy(float)
    if not np.all(area >= 0):
        raise ValueError("bricks: area holds a negative number or NaN; expected degree^2")
    known = bricks[np.isfinite(values).all(axis=1) & (area > 0)]
    if known.empty:
        raise ValueError(f"bricks: none of {len(bricks)} has seeing, depth and area in r; check survey-bricks of the survey")
    return known


def of_randoms(points: pd.DataFrame) -> pd.DataFrame:
    """Random points as pieces of sky, as `plane` and `recommended` take bricks.

    Parameters
    ----------
    points : DataFrame
        psfsize_r [arcsec] and psfdepth_r, 0 where there is no exposure in r; area [degree^2] of one point. Depths are inverse variances
        when one is above 40, which no magnitude is, else AB magnitudes.

    Returns
    -------
    DataFrame
        psfsize_r, psfdepth_r [AB mag], area; NaN without an exposure in r.
    """
    size, depth = (points[name].to_numpy() for name in ("psfsize_r", "psfdepth_r"))
    inverse = bool(np.any(depth > _MAGNITUDE_MAX))
    observed = (size > 0) & (depth > 0)
    depth = magnitudes.depth(depth, schema.ZEROPOINT) if inverse else depth
    blank = np.float32(np.nan)
    return points.assign(psfsize_r=np.where(observed, size, blank), psfdepth_r=np.where(observed, depth, np.nan).astype("f4"))


def recommended(bricks: pd.DataFrame, step: dict[str, float], tail: float = 0.01) -> dict[str, config.Axis]:
    """The smallest grid, its centres whole multiples of the steps, that leaves out at most `tail` of the area at either end.

    Parameters
    ----------
    bricks : DataFrame
        psfsize_r [arcsec], psfdepth_r [AB mag], area [degree^2].
    step : dict
        Of psf_fwhm and depth.
    tail : float

    Returns
    -------
    dict of Axis
        psf_fwhm, depth.

    Raises
    ------
    ValueError
        When no brick has conditions, or an area is negative.
    """
    known, axes = _known(bricks), {}
    for name, column in _COLUMNS.items():
        values, area, width = known[column].to_numpy(float), known["area"].to_numpy(float), step[name]
        cell = np.floor(values / width + 0.5).astype(np.int64)  # of the centre cell * width; a bin holds its lower edge
        cells = np.arange(cell.min(), cell.max() + 1)
        share = np.bincount(cell - cell.min(), weights=area, minlength=cells.size) / area.sum()
        below, above = np.cumsum(share), np.cumsum(share[::-1])[::-1]
        first, last = cells[np.argmax(below > tail)], cells[cells.size - 1 - np.argmax(above[::-1] > tail)]
        axes[name] = config.Axis(start=round(float(first * width), 6), stop=round(float(last * width), 6), step=width)
    return axes


def plane(bricks: pd.DataFrame, psf_fwhm: config.Axis, depth: config.Axis) -> pd.DataFrame:
    """Area [degree^2] of each cell of the plane, with rows and columns for what lies below and above the grid.

    Returns
    -------
    DataFrame
        Index psf_fwhm, columns depth: "below", the bin centres, "above". All cells add to the area with known conditions.
    """
    known = _known(bricks)
    labels, places = {}, {}
    for name, axis in (("psf_fwhm", psf_fwhm), ("depth", depth)):
        labels[name] = ["below", *(f"{centre:g}" for centre in axis.centres), "above"]
        places[name] = np.searchsorted(axis.edges, known[_COLUMNS[name]].to_numpy(float), "right")
    area = np.zeros((len(labels["psf_fwhm"]), len(labels["depth"])))
    np.add.at(area, (places["psf_fwhm"], places["depth"]), known["area"].to_numpy(float))
    return pd.DataFrame(area, pd.Index(labels["psf_fwhm"], name="psf_fwhm"), pd.Index(labels["depth"], name="depth"))
