"""Stars of a brick, and the masks that come with the bright ones."""

from __future__ import annotations

import numpy as np

from lenscal import schema
from lenscal.kernels import draws

SATURATION = {"g": 40.0, "r": 60.0, "i": 60.0, "z": 60.0}
"""Nanomaggies per pixel at which the coadds of the embedded sky saturate."""


def magnitudes(index: int, brickid: int, n: int, seed: int) -> dict[str, np.ndarray]:
    """Stars of one brick: Gaia G (NaN below its limit) and magnitudes.

    Every sixth brick has a star brighter than G = 13, every second one between 13 and 16; the faint ones follow the
    area.
    """
    rng = draws.generator(seed, "mock-stars", brickid)
    area = (n / 900) ** 2
    bright = rng.uniform(11.0, 12.9, 1) if index % 6 == 3 else []
    medium = rng.uniform(13.1, 15.9, 1) if index % 2 == 0 else []
    low, high = 10 ** (0.15 * 16.0), 10 ** (0.15 * 20.8)
    common = np.log10(low + rng.uniform(size=rng.poisson(13 * area) + 2) * (high - low)) / 0.15
    gaia = np.concatenate([bright, medium, common])
    faint = rng.uniform(21.0, 22.8, rng.poisson(7 * area))
    colour = rng.uniform(0.35, 1.45, gaia.size + faint.size)
    mag_r = np.concatenate([gaia + 0.05, faint])
    mag_z = mag_r - 0.05 - 0.42 * colour**1.4
    count = mag_r.size
    return {
        "kind": np.full(count, "star", object),
        "type": np.full(count, "PSF", object),
        "gaia_g": np.concatenate([gaia, np.full(faint.size, np.nan)]),
        "mag_g": mag_r + colour,
        "mag_r": mag_r,
        "mag_z": mag_z,
        "mag_w1": mag_z + rng.normal(0.6, 0.1, count),
        "r_e": np.zeros(count),
        "q": np.ones(count),
        "pa": np.zeros(count),
        "n": np.zeros(count),
    }


def mask_radius(gaia_g: np.ndarray) -> np.ndarray:
    """Radius [arcsec] of the mask of a Gaia star, 150 px x 2.5^((11 - G)/3) (legacypipe);
    MEDIUM to it, BRIGHT to half.
    """
    return np.minimum(1800.0, 150 * 2.5 ** ((11 - np.asarray(gaia_g)) / 3)) * schema.PIXEL_SCALE


def star_mask(n: int, x: np.ndarray, y: np.ndarray, gaia_g: np.ndarray) -> np.ndarray:
    """(n, n) int32 with the bits BRIGHT (G < 13) and MEDIUM (G < 16) around stars at zero-based pixels."""
    mask = np.zeros((n, n), np.int32)
    for x_k, y_k, g in zip(x, y, gaia_g):
        if not g < 16:
            continue
        radius = float(mask_radius(g)) / schema.PIXEL_SCALE
        rows = slice(max(0, int(y_k - radius)), min(n, int(y_k + radius) + 2))
        columns = slice(max(0, int(x_k - radius)), min(n, int(x_k + radius) + 2))
        if rows.start >= rows.stop or columns.start >= columns.stop:
            continue
        yy, xx = np.mgrid[rows, columns]
        distance = np.hypot(xx - x_k, yy - y_k)
        mask[rows, columns] |= np.where(distance < radius, np.int32(1 << schema.MASKBITS["MEDIUM"]), 0)
        if g < 13:
            mask[rows, columns] |= np.where(distance < radius / 2, np.int32(1 << schema.MASKBITS["BRIGHT"]), 0)
    return mask
