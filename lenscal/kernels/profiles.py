"""Light in rings about the centre of a stamp: what a classifier sees that is shown one part of it alone."""

import numpy as np


def rings(side, centre, edges, pixel_scale) -> np.ndarray:
    """Ring (side, side) of each pixel, by the radius of its middle; -1 outside of all.

    Parameters
    ----------
    side : int
    centre : float
        Run of the object along both axes, in pixels.
    edges : (k + 1,) array
        Radii in arcsec, growing; a ring holds its inner edge.
    pixel_scale : float
        Arcsec per pixel.
    """
    radius = np.hypot(*np.meshgrid(*2 * [np.arange(side) - centre])) * pixel_scale
    number = np.searchsorted(np.asarray(edges, float), radius, side="right") - 1
    return np.where((number >= 0) & (number < len(edges) - 1), number, -1)


def ring_features(images, sigma, number, count) -> np.ndarray:
    """Brightness and unevenness of each ring in units of the noise of its pixels.

    Parameters
    ----------
    images : (n, band, y, x) array
        NaN counts as not observed.
    sigma : (n, band) array
        Noise of a pixel, above 0.
    number : (y, x) integer array
        From `rings`.
    count : int
        Rings.

    Returns
    -------
    (n, 2 * band * ring) array
        Of each band and ring: asinh of the mean over sigma, then log1p of the scatter of its pixels over sigma; 0 where
        a ring has no pixel.
    """
    images = np.asarray(images, float) / np.asarray(sigma, float)[:, :, None, None]
    n, n_band = images.shape[:2]
    inside = (number.ravel()[:, None] == np.arange(count)).astype(float)
    flat = images.reshape(n, n_band, -1)
    seen = np.isfinite(flat)
    flat = np.where(seen, flat, 0.0)
    pixels = np.maximum(seen @ inside, 1)
    mean = flat @ inside / pixels
    scatter = np.sqrt(np.maximum(flat**2 @ inside / pixels - mean**2, 0))
    return np.concatenate([np.arcsinh(mean), np.log1p(scatter)], axis=-1).reshape(n, -1)
