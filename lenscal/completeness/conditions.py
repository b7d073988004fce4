"""Which seeing and depth the footprint has, by area, and the grid that covers it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pandas as pd

from lenscal import config, grid, schema
from lenscal.errors import InputError
from lenscal.kernels import magnitudes

_CELL = 0.001  # arcsec and magnitude: random points within one are put together
_COLUMNS = {"psf_fwhm": "psfsize_r", "depth": "psfdepth_r"}


def _known(bricks: pd.DataFrame) -> pd.DataFrame:
    values = bricks[list(_COLUMNS.values())].to_numpy(float)
    area = bricks["area"].to_numpy(float)
    if not np.all(area >= 0):
        raise InputError("bricks: area holds a negative number or NaN; expected degree^2")
    known = bricks[np.isfinite(values).all(axis=1) & (area > 0)]
    if known.empty:
        raise InputError(
            f"bricks: none of {len(bricks)} has seeing, depth and area in r; check survey-bricks of the survey"
        )
    return known


def of_bricks(bricks: pd.DataFrame) -> pd.DataFrame:
    """Bricks as pieces of sky, as `plane` and `recommended` take them.

    Parameters
    ----------
    bricks : DataFrame
        psfsize_r [arcsec] and psfdepth_r [AB mag], 0 where there is no exposure in r; area [degree^2].

    Returns
    -------
    DataFrame
        psfsize_r, psfdepth_r, area; NaN without an exposure.

    Raises
    ------
    ValueError
        A column is missing, as where only the geometry of the bricks is at hand, or a depth is no magnitude.
    """
    names = [*_COLUMNS.values(), "area"]
    if missing := [name for name in names if name not in bricks.columns]:
        raise InputError(
            f"table of bricks: {len(bricks):,} rows without {', '.join(missing)}; expected those of "
            "survey-bricks-dr10-south.fits.gz, or of the run's own release and region: put it below "
            "survey.root, or name random points (survey.randoms)"
        )
    size, depth = (bricks[name].to_numpy(float) for name in _COLUMNS.values())
    if wrong := int(np.count_nonzero(magnitudes.no_magnitudes(depth))):
        raise InputError(
            f"table of bricks: psfdepth_r of {wrong:,} of {len(bricks):,} bricks is no magnitude "
            f"(up to {np.nanmax(depth):g}); the survey's has 5-sigma AB magnitudes, 1/nanomaggy^2 "
            "is of sweeps and random points"
        )
    return _pieces(size, depth, bricks["area"].to_numpy(float))


def _pieces(size: np.ndarray, depth: np.ndarray, area: np.ndarray) -> pd.DataFrame:
    observed = (size > 0) & (depth > 0)
    return pd.DataFrame(
        {"psfsize_r": np.where(observed, size, np.nan), "psfdepth_r": np.where(observed, depth, np.nan), "area": area}
    )


def of_randoms(parts: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Random points as pieces of sky, as `plane` and `recommended` take them.

    Points of nearly the same conditions are put together in cells of 0.001 arcsec by 0.001 mag, so that memory does not
    follow their number; edges of a grid that are whole multiples of that cut no cell.

    Parameters
    ----------
    parts : iterable of DataFrame
        Points, some at a time: psfsize_r [arcsec] and psfdepth_r, 0 where there is no exposure in r; area [degree^2] of
        one point. Depths are inverse variances where their file says so (`attrs["inverse"]`), or where one can be no
        magnitude (`magnitudes.are_inverse`), else AB magnitudes.

    Returns
    -------
    DataFrame
        psfsize_r, psfdepth_r [AB mag] (middles of the cells), area; NaN without an exposure in r.

    Raises
    ------
    ValueError
        When some parts hold inverse variances and others magnitudes.
    """
    cells, blank = pd.Series(dtype=float), 0.0
    for points in in_magnitudes(parts):
        size, depth, area = (points[name].to_numpy(float) for name in (*_COLUMNS.values(), "area"))
        observed = (size > 0) & (depth > 0)
        blank += float(area[~observed].sum())
        key = np.floor(size[observed] / _CELL).astype(np.int64) << 32 | np.floor(depth[observed] / _CELL).astype(
            np.int64
        )
        cells = cells.add(pd.Series(area[observed]).groupby(key).sum(), fill_value=0.0)
    key = cells.index.to_numpy(np.int64)
    size, depth = ((number + 0.5) * _CELL for number in (key >> 32, key & 0xFFFFFFFF))
    return _pieces(np.append(size, 0.0), np.append(depth, 0.0), np.append(cells.to_numpy(float), blank))


def in_magnitudes(parts: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
    """Random points with their depths as AB magnitudes.

    Raises
    ------
    ValueError
        When some parts hold inverse variances and others magnitudes.
    """
    units: set[bool] = set()
    for points in parts:
        size, depth = (points[name].to_numpy(float) for name in _COLUMNS.values())
        observed = (size > 0) & (depth > 0)
        if observed.any():
            stated = points.attrs.get("inverse")
            if stated is False and magnitudes.are_inverse(depth):
                wrong = int(np.count_nonzero(magnitudes.no_magnitudes(depth)))
                raise InputError(
                    f"random points: {wrong:,} of {len(depth):,} depths can be no magnitudes, and their file says "
                    "that they are (mag); fetch it again"
                )
            units.add(magnitudes.are_inverse(depth) if stated is None else stated)
        if len(units) > 1:
            raise InputError(
                "random points: depths of some are inverse variances and of others magnitudes; give files of one unit"
            )
        yield points.assign(psfdepth_r=magnitudes.depth(depth, schema.ZEROPOINT)) if True in units else points


def recommended(bricks: pd.DataFrame, step: dict[str, float], tail: float = 0.01) -> dict[str, config.Axis]:
    """The smallest grid, its centres whole multiples of the steps, that leaves out at most `tail`
    of the area at either end.

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
        Index psf_fwhm, columns depth: "below", the bin centres, "above". All cells add to the area with known
        conditions.
    """
    known = _known(bricks)
    labels, places = {}, {}
    for name, axis in (("psf_fwhm", psf_fwhm), ("depth", depth)):
        labels[name] = ["below", *(f"{centre:g}" for centre in axis.centres), "above"]
        places[name] = grid.place(axis.edges, known[_COLUMNS[name]]) + 1  # below is the first row
    area = np.zeros((len(labels["psf_fwhm"]), len(labels["depth"])))
    np.add.at(area, (places["psf_fwhm"], places["depth"]), known["area"].to_numpy(float))
    return pd.DataFrame(area, pd.Index(labels["psf_fwhm"], name="psf_fwhm"), pd.Index(labels["depth"], name="depth"))
