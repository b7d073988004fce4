"""Pieces of sky with their seeing and depth, put into HEALPix pixels: parts of bricks, or random points."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from lenscal import grid, healpix
from lenscal.completeness import conditions
from lenscal.errors import InputError

_STEPS = 4  # parts of a brick along the side of a pixel
_EDGES = ("ra1", "ra2", "dec1", "dec2")
_ROWS = 20_000  # bricks in memory at a time, all parts of them


def check(bricks: pd.DataFrame) -> pd.DataFrame:
    """Seeing, depth and area of the bricks, once they and their edges are those of a survey.

    Raises
    ------
    InputError
        A column is missing, a depth is no magnitude, or a brick has edges that are none.
    """
    if lacking := [name for name in _EDGES if name not in bricks]:
        raise InputError(
            f"sky map: the table of bricks lacks {', '.join(lacking)}; expected survey-bricks of the survey"
        )
    pieces = conditions.of_bricks(bricks)
    ra1, ra2, dec1, dec2 = (bricks[name].to_numpy(float) for name in _EDGES)
    if wrong := int(np.count_nonzero(~((ra2 > ra1) & (dec2 > dec1) & (dec1 >= -90) & (dec2 <= 90)))):
        raise InputError(
            f"sky map: {wrong:,} of {len(bricks):,} bricks have edges that enclose nothing; expected degrees"
        )
    return pieces


def of_bricks(bricks: pd.DataFrame, nside: int) -> pd.DataFrame:
    """Bricks cut into parts of one area, each in the pixel that holds its middle.

    Parameters
    ----------
    bricks : DataFrame
        ra1, ra2, dec1, dec2 [degree], psfsize_r [arcsec], psfdepth_r [AB mag], area [degree^2].
    nside : int

    Returns
    -------
    DataFrame
        pixel (nested), psfsize_r, psfdepth_r (NaN without an exposure), area: one row for each brick and pixel.

    Raises
    ------
    InputError
        A column is missing, or a brick has edges that are none.
    """
    healpix.check_nside(nside, "sky map")
    pieces = check(bricks)
    ra1, ra2, dec1, dec2 = (bricks[name].to_numpy(float) for name in _EDGES)
    side = np.degrees(np.sqrt(4 * np.pi / 12)) / nside
    steps = int(np.clip(np.ceil(_STEPS * np.median(dec2 - dec1) / side), 1, 64))
    part = (np.arange(steps) + 0.5) / steps
    found = []
    for start in range(0, len(bricks), _ROWS):
        rows = slice(start, start + _ROWS)
        low, high = (np.sin(np.radians(dec[rows])) for dec in (dec1, dec2))
        dec = np.degrees(np.arcsin(np.clip(low[:, None] + (high - low)[:, None] * part, -1, 1)))
        ra = ra1[rows][:, None] + (ra2 - ra1)[rows][:, None] * part
        shape = (dec.shape[0], steps, steps)
        pixel = healpix.pixels_of(
            np.broadcast_to(ra[:, None], shape).ravel(), np.broadcast_to(dec[:, :, None], shape).ravel(), nside
        )
        brick = np.repeat(np.arange(start, start + shape[0]), steps**2)
        key, parts = np.unique(brick << 30 | pixel, return_counts=True)
        found.append((key >> 30, key & ((1 << 30) - 1), parts / steps**2))
    brick, pixel, share = (np.concatenate(column) for column in zip(*found))
    out = pieces.iloc[brick].reset_index(drop=True)
    return out.assign(pixel=pixel, area=out["area"].to_numpy() * share)[["pixel", "psfsize_r", "psfdepth_r", "area"]]


def of_randoms(parts: Iterable[pd.DataFrame], nside: int, edges: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """Random points, put together by pixel and cell of seeing and depth, so that memory does not follow their number.

    Parameters
    ----------
    parts : iterable of DataFrame
        Points as `conditions.of_randoms` takes them, with ra, dec [degree].
    nside : int
    edges : mapping
        Of psf_fwhm and depth: edges of the bins of the cube (`completeness.edges_of`).

    Returns
    -------
    DataFrame
        As from `of_bricks`, psfsize_r and psfdepth_r the middles of cells; NaN outside of the grid and without an
        exposure.
    """
    healpix.check_nside(nside, "sky map")
    total = pd.Series(dtype=float)
    sides = len(edges["psf_fwhm"]) - 1, len(edges["depth"]) - 1
    cells = sides[0] * sides[1]
    for points in conditions.in_magnitudes(parts):
        size, depth, area = (points[name].to_numpy(float) for name in ("psfsize_r", "psfdepth_r", "area"))
        at = grid.place(edges["psf_fwhm"], np.where(size > 0, size, np.nan)), grid.place(edges["depth"], depth)
        inside = (at[0] >= 0) & (at[0] < sides[0]) & (at[1] >= 0) & (at[1] < sides[1])
        cell = np.where(inside, at[0] * sides[1] + at[1], cells)
        pixel = healpix.pixels_of(points["ra"].to_numpy(float), points["dec"].to_numpy(float), nside)
        total = total.add(pd.Series(area).groupby(pixel * (cells + 1) + cell).sum(), fill_value=0.0)
    key = total.index.to_numpy(np.int64)
    pixel, cell = key // (cells + 1), key % (cells + 1)
    middles = [(edges[dim][1:] + edges[dim][:-1]) / 2 for dim in ("psf_fwhm", "depth")]
    place = np.minimum(cell, cells - 1)
    known = cell < cells
    return pd.DataFrame(
        {
            "pixel": pixel,
            "psfsize_r": np.where(known, middles[0][place // sides[1]], np.nan),
            "psfdepth_r": np.where(known, middles[1][place % sides[1]], np.nan),
            "area": total.to_numpy(float),
        }
    )
