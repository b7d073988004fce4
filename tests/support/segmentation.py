"""Source mask and sky noise of a stamp by photutils and astropy, as an outside oracle of
`lenscal.kernels.pixels` (12 times slower).
"""

from __future__ import annotations

import numpy as np
from astropy.convolution import Gaussian2DKernel, convolve
from astropy.stats import SigmaClip, mad_std
from photutils.segmentation import detect_sources
from photutils.utils import circular_footprint

from lenscal.kernels import pixels


def source_mask(image: np.ndarray, sky: np.ndarray) -> np.ndarray:
    """Segments above the lower threshold of which a pixel is above the higher one, grown; thresholds
    from the sky, three times.
    """
    seen = np.isfinite(image)
    kernel = Gaussian2DKernel(pixels.SMOOTHING, x_size=11, y_size=11)
    under = convolve(seen.astype(float), kernel, boundary="fill")
    smooth = convolve(np.where(seen, image, 0).astype(float), kernel, boundary="fill")
    smooth = np.where(seen, smooth / np.where(seen, under, 1), np.nan)
    found = np.zeros(image.shape, bool)
    for _ in range(3):
        use = smooth[sky & ~found & seen]
        level, sigma = np.median(use), mad_std(use)
        segments = detect_sources(smooth, level + pixels.THRESHOLD * sigma, n_pixels=1, connectivity=8, mask=~seen)
        if segments is None:
            return np.zeros(image.shape, bool)
        bright = np.unique(segments.data[np.where(seen, smooth, -np.inf) > level + pixels.SEED * sigma])
        segments.keep_labels(bright[bright > 0])
        found = segments.make_source_mask(footprint=circular_footprint(pixels.GROWTH))
    return found & seen


def sky_sigma(image: np.ndarray, sky: np.ndarray) -> float:
    """Sigma-clipped MAD of the sky that is left without the sources."""
    values = image[sky & ~source_mask(image, sky) & np.isfinite(image)].astype(float)
    return float(mad_std(SigmaClip(sigma=3, maxiters=5, cenfunc="median", stdfunc=mad_std)(values, masked=False)))
