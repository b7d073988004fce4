"""HEALPix pixels of positions, nested; the one place that asks healpy for them."""

from __future__ import annotations

import numpy as np

from lenscal.errors import InputError


def pixels_of(ra: np.ndarray, dec: np.ndarray, nside: int) -> np.ndarray:
    """Pixels of positions in degrees (RA in any turn of the circle); -1 without a position on the sphere.

    Returns
    -------
    int64 array
    """
    import healpy

    ra, dec = np.asarray(ra, float), np.asarray(dec, float)
    out = np.full(ra.shape, -1, np.int64)
    known = np.isfinite(ra) & (np.abs(dec) <= 90)
    if known.any():
        out[known] = healpy.ang2pix(nside, ra[known], dec[known], nest=True, lonlat=True)
    return out


def centres(pixels: np.ndarray, order: int) -> tuple[np.ndarray, np.ndarray]:
    """Right ascension and declination [degree] of the centres of pixels (nested) of nside 2**order."""
    import healpy

    return healpy.pix2ang(1 << order, np.asarray(pixels, np.int64), nest=True, lonlat=True)


def check_nside(nside: int, what: str) -> int:
    """The nside itself, once it is one that nested pixels have.

    Raises
    ------
    InputError
        It is no power of two from 1 to 8192.
    """
    if isinstance(nside, bool) or nside != int(nside) or not 1 <= nside <= 8192 or int(nside) & (int(nside) - 1):
        raise InputError(f"{what}: nside is {nside}, expected a power of two from 1 to 8192")
    return int(nside)
