"""Images on another pixel grid, flux conserved: each output pixel takes the share of every
input pixel that it covers.
"""

from __future__ import annotations

import numpy as np


def overlaps(n_in: int, n_out: int, ratio: float) -> np.ndarray:
    """Share of each input pixel that falls into each output pixel, along one axis, both rows about a common centre.

    Parameters
    ----------
    n_in, n_out : int
        Pixels of the two rows.
    ratio : float
        Side of an output pixel over the side of an input pixel.

    Returns
    -------
    (n_out, n_in) float64 array
        A column sums to 1 where the output row covers the input pixel; a row sums to `ratio` where the input covers
        the output pixel.
    """
    left_in = np.arange(n_in) - n_in / 2
    left_out = (np.arange(n_out) - n_out / 2) * ratio
    right = np.minimum(left_in[None, :] + 1, left_out[:, None] + ratio)
    left = np.maximum(left_in[None, :], left_out[:, None])
    return np.clip(right - left, 0, None)


def resample(image: np.ndarray, pixel_scale: float, new_scale: float, size: int) -> np.ndarray:
    """Image of flux per pixel on square pixels of another size, about the same centre.

    The area (drizzle, pixfrac 1) weighting of Fruchter & Hook (2002, PASP 114, 144) for aligned grids: surface
    brightness is constant within an input pixel. It blurs by the output pixel where the input is finer, and it
    correlates the noise of neighbours where the ratio is no whole number.

    Parameters
    ----------
    image : (..., y, x) array
        Flux per pixel; NaN where nothing was observed.
    pixel_scale, new_scale : float
        In the same unit, of input and output.
    size : int
        Side of the output in output pixels.

    Returns
    -------
    (..., size, size) float64 array
        NaN in every pixel that the input does not cover whole, or that an unobserved input pixel reaches into.
    """
    image = np.asarray(image, dtype=np.float64)
    ratio = new_scale / pixel_scale
    rows, columns = (overlaps(n, size, ratio) for n in image.shape[-2:])
    missing = np.isnan(image)
    flux = rows @ np.where(missing, 0.0, image) @ columns.T
    covered = rows @ np.where(missing, 0.0, 1.0) @ columns.T
    return np.where(covered > ratio**2 * (1 - 1e-9), flux, np.nan)
