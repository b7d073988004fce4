"""HEALPix pixels of positions, nested; the one place that asks healpy for them."""

from __future__ import annotations

import numpy as np


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
