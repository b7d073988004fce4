"""Seeing, depth, exposures and extinction of each brick: every cell of the run's grid in validation and in test."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from lenscal import config, schema
from lenscal import grid as bins
from lenscal.errors import InputError
from lenscal.kernels import draws
from lenscal.mock import telescopes

EXTINCTION = {"g": 3.214, "r": 2.165, "z": 1.211, "i": 1.592, "w1": 0.184, "w2": 0.113, "w3": 0.0241, "w4": 0.00910}
"""A / E(B-V) of DR10 (SFD98 scale)."""
BETAS, BETA_SHARES = (2.5, 3.5), (0.75, 0.25)
"""Moffat beta of the PSFs: the DECam median is 2.7; these two have a transform in closed form,
three times faster to draw.
"""
_JITTER = 0.3  # of a step of the grid, either way: a brick stays in its cell although its seeing varies by 2 %


def cells(sky: config.Sky, grid: config.Grid) -> list[tuple[float, float]]:
    """(psf_fwhm, depth) centres of the grid that the sky's ranges reach."""
    low_psf, high_psf = sky.psfsize_r_arcsec
    low_depth, high_depth = sky.psfdepth_r_mag
    found = [
        (float(psf), float(depth))
        for psf in grid.psf_fwhm.centres
        for depth in grid.depth.centres
        if low_psf <= psf <= high_psf and low_depth <= depth <= high_depth
    ]
    if not found:
        raise InputError(
            f"no cell of injections.grid lies in the sky's ranges (sky.psfsize_r_arcsec {sky.psfsize_r_arcsec}, "
            f"sky.psfdepth_r_mag {sky.psfdepth_r_mag}); widen them or move the grid"
        )
    return found


def _within(value: float, limits: tuple[float, float]) -> float:
    return float(np.clip(value, *limits))


def bands_of(brick: Iterable[str]) -> list[str]:
    """Bands that a brick, or a table of bricks, was observed in, by wavelength."""
    return [band for band in schema.OPTICAL if f"psfsize_{band}" in brick]


def assign(
    bricks: pd.DataFrame, sky: config.Sky, grid: config.Grid, seed: int, bands: Sequence[str] = schema.BANDS
) -> pd.DataFrame:
    """Bricks with their conditions, under the telescopes of the sky's region; see `observed`.

    Raises
    ------
    InputError
        Validation or test lacks a populated cell of the grid.
    """
    table = observed(bricks, sky, grid, seed, bands, schema.release(sky.release, sky.region))
    check(table, cells(sky, grid), grid)
    return table


def observed(
    bricks: pd.DataFrame, sky: config.Sky, grid: config.Grid, seed: int, bands: Sequence[str], release: schema.Release
) -> pd.DataFrame:
    """Bricks with their conditions, under the telescopes of a region.

    Cells are dealt in turn along the split hash of the pixels, so that any range of it as long as the list of cells,
    and thus validation and test, holds each one.

    Returns
    -------
    DataFrame
        `bricks` and psfsize_*, beta_* (Moffat), depth_* [mag], nobs_*, ebv, release, and `special`: '' or one of
        no-coverage-z, no-coverage, nan, few-exposures, many-exposures (in training pixels only), chip-gap.
    """
    dealt, optics = cells(sky, grid), telescopes.of(release)
    bricks = bricks.copy()
    special = _specials(bricks)
    columns = []
    for brick in bricks.itertuples():
        rng = draws.generator(seed, "mock-conditions", brick.brickid)
        psf, depth = dealt[brick.slot % len(dealt)]
        psf = _within(psf + _JITTER * grid.psf_fwhm.step * rng.uniform(-1, 1), sky.psfsize_r_arcsec)
        depth = _within(depth + _JITTER * grid.depth.step * rng.uniform(-1, 1), sky.psfdepth_r_mag)
        few = draws.uniform(seed, "mock-exposures", np.array([brick.healpix_128]))[0] < 0.5
        nobs = int(
            rng.choice([3, 4, 5] if few else [6, 7, 8, 9, 10], p=[0.3, 0.4, 0.3] if few else [0.3, 0.3, 0.2, 0.1, 0.1])
        )
        name = special[brick.Index]
        nobs = {"few-exposures": 2, "many-exposures": 12}.get(name, nobs)
        row = {"psfsize_r": psf, "depth_r": depth, "nobs_z": nobs, "special": name}
        row["psfsize_g"] = psf * optics.psfsize["g"] * (1 + 0.04 * rng.standard_normal())
        row["psfsize_z"] = psf * optics.psfsize["z"] * (1 + 0.04 * rng.standard_normal())
        row["depth_g"] = depth + optics.depth["g"] + 0.08 * rng.standard_normal()
        row["depth_z"] = depth + optics.depth["z"] + 0.08 * rng.standard_normal()
        row |= {f"nobs_{band}": max(2 if nobs == 2 else 3, nobs + int(rng.integers(-1, 2))) for band in "gr"}
        row |= {f"beta_{band}": float(rng.choice(BETAS, p=BETA_SHARES)) for band in schema.BANDS}
        row["ebv"] = float(np.clip(0.03 * np.exp(0.4 * rng.standard_normal()), 0.008, 0.15))
        row["release"] = release.drawn[rng.uniform() < 0.06]
        for band in schema.MORE_BANDS:
            row |= _of_band(band, brick.brickid, row, optics, seed) if band in bands else {}
        columns.append(row)
    return pd.concat([bricks, pd.DataFrame(columns)], axis=1)


def _of_band(band: str, brickid: int, row: dict, optics: telescopes.Telescopes, seed: int) -> dict[str, float]:
    """Conditions in a band beside g, r, z, by draws of their own, so that those of the others stay as they are."""
    rng = draws.generator(seed, f"mock-conditions-{band}", brickid)
    nobs = row["nobs_z"]
    return {
        f"psfsize_{band}": row["psfsize_r"] * optics.psfsize[band] * (1 + 0.04 * rng.standard_normal()),
        f"depth_{band}": row["depth_r"] + optics.depth[band] + 0.08 * rng.standard_normal(),
        f"nobs_{band}": max(2 if nobs == 2 else 3, nobs + int(rng.integers(-1, 2))),
        f"beta_{band}": float(rng.choice(BETAS, p=BETA_SHARES)),
    }


def _specials(bricks: pd.DataFrame) -> list[str]:
    """Oddities by brick: a few in training pixels, a chip gap in every fifth brick elsewhere."""
    names = ["" if brick.Index % 5 else "chip-gap" for brick in bricks.itertuples()]
    free = [b.Index for b in bricks.itertuples() if b.split == "train" and not b.side]
    free = free[1::2] + free[::2]  # spread along the hash order
    count = len(bricks)
    plan = ["no-coverage-z", "nan"] if count < 12 else ["no-coverage-z", "nan", "no-coverage"]
    if count >= 24:
        plan += ["few-exposures"] * max(1, count // 66) + ["many-exposures"] * max(1, count // 26)
        plan += ["no-coverage-z", "nan", "no-coverage"] * (count // 120)
    for index, name in zip(free[: len(free) - 1], plan):
        names[index] = name
    return names


def check(bricks: pd.DataFrame, dealt: list[tuple[float, float]], grid: config.Grid) -> None:
    """Refuse a sky in which validation or test lacks a populated cell of the grid."""
    for split in ("val", "test"):
        chosen = bricks[bricks.split == split]
        held = {
            (round(float(grid.psf_fwhm.centres[i]), 6), round(float(grid.depth.centres[j]), 6))
            for i, j in zip(
                bins.nearest(grid.psf_fwhm.edges, chosen.psfsize_r),
                bins.nearest(grid.depth.edges, chosen.depth_r),
            )
        }
        if missing := [cell for cell in dealt if cell not in held]:
            raise InputError(
                f"split '{split}' of the embedded sky has no brick in {len(missing)} of {len(dealt)} cells of "
                f"the grid, the first at psf_fwhm {missing[0][0]} arcsec and depth {missing[0][1]} mag; ask "
                "for more bricks (sky.bricks)"
            )


def depth_ivar(magnitude: float) -> float:
    """Inverse variance [nanomaggy^-2] of the flux of a point source, from the 5-sigma depth [mag]."""
    return float((5 / 10 ** (0.4 * (schema.ZEROPOINT - magnitude))) ** 2)


def pixel_sigma(ivar: float, psfsize: float) -> float:
    """White-noise sigma per pixel [nanomaggy] at which a PSF of that PSFSIZE [arcsec] has
    that flux inverse variance.
    """
    return schema.PIXEL_SCALE / np.sqrt(ivar * 4 * np.pi) * 2.3548 / psfsize


def moffat_fwhm(psfsize: float, beta: float) -> float:
    """FWHM [arcsec] of the Moffat profile with the noise-equivalent area of PSFSIZE: pi a^2 (2b - 1) / (b - 1)^2."""
    area = 4 * np.pi * (psfsize / 2.3548) ** 2
    a = np.sqrt(area / (np.pi * (2 * beta - 1))) * (beta - 1)
    return float(2 * a * np.sqrt(2 ** (1 / beta) - 1))
