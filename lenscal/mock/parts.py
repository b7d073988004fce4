"""The regions that see the embedded sky: which bricks each has, and under what conditions.

Of a sky of both regions, bricks near the declination where the north begins are in both: the same objects, seen by the
telescopes of each, with the PSF and noise of each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lenscal import config, schema
from lenscal.mock import conditions, geometry

STRIP = 0.6  # degrees about the border within which both regions observed: beyond the reach of a brick on one side
_OTHER_SEED = 1 << 40


@dataclass(frozen=True)
class Part:
    """What one region has of the sky."""

    release: schema.Release
    bricks: pd.DataFrame
    """With conditions."""
    seed: int
    """Of its seeing, noise and measurements, which those of the other region do not share."""


def of(
    bricks: pd.DataFrame, release: schema.Release, sky: config.Sky, grid: config.Grid, seed: int, bands: Sequence[str]
) -> tuple[list[Part], pd.DataFrame]:
    """The regions, and the table of all bricks, each with the conditions of the region that keeps its middle.

    Parameters
    ----------
    bricks : DataFrame
        From `geometry.bricks`.
    release : Release
        Of one region, or of both.
    """
    if not release.parts:
        assigned = conditions.assign(bricks, sky, grid, seed, bands)
        return [Part(release, assigned, seed)], assigned
    off = geometry.dec_of(bricks["healpix_128"].to_numpy()) - border(release)
    found, kept = [], release.region_at(bricks["ra"].to_numpy(), bricks["dec"].to_numpy())
    ebv = None
    for one, sees in zip(release.regions, (off < STRIP, off > -STRIP)):
        own_seed = seed if ebv is None else seed ^ _OTHER_SEED
        own = bricks[sees].reset_index(drop=True)
        table = conditions.observed(own, sky, grid, own_seed, bands, one).assign(region=one.region)
        ebv = table.set_index("brickid")["ebv"] if ebv is None else ebv
        table["ebv"] = table["brickid"].map(ebv).fillna(table["ebv"])  # dust lies before both telescopes
        found.append(Part(one, table, own_seed))
    every = pd.concat([part.bricks for part in found], ignore_index=True)
    home = every[every["region"].to_numpy() == pd.Series(kept, bricks["brickid"]).loc[every["brickid"]].to_numpy()]
    home = home.set_index("brickid").loc[bricks["brickid"]].reset_index()
    conditions.check(home, conditions.cells(sky, grid), grid)
    return found, home


def border(release: schema.Release) -> float | None:
    """Declination [degree] at which the north begins, of both regions; None of one."""
    return release.parts[-1].dec_from if release.parts else None


def placed(truth: pd.DataFrame, parts: Sequence[Part], release: schema.Release) -> pd.DataFrame:
    """The truth with the region that keeps each object and its RELEASE there, of a sky of both regions."""
    if not release.parts:
        return truth
    region = release.region_at(truth["ra"].to_numpy(), truth["dec"].to_numpy())
    codes = np.zeros(len(truth), np.int64)
    for part in parts:
        own = region == part.release.region
        codes[own] = part.bricks.set_index("brickid")["release"].loc[truth["brickid"][own]].to_numpy()
    return truth.assign(region=region, release=codes)
