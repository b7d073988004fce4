"""Whether a galaxy shows an arc: light beside the smooth model of the galaxy, by one estimator for
candidates, lenses and injections.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from lenscal import schema
from lenscal.kernels import arcs, hosts

GUIDE = "z"  # the band that gives the galaxy's ellipse: arcs are blue
DETECT = ("g", "r")


class ArcLight(NamedTuple):
    """Of some images: the galaxies' models and what is left beside them (both (n, band, y, x), nanomaggy),
    and the measures of that.
    """

    models: np.ndarray
    residuals: np.ndarray
    arcs: arcs.Arcs
    bands: tuple[str, ...]

    @property
    def snr(self) -> np.ndarray:
        """Arc SNR in g and r together, (g + r) / sqrt(2); (n,). Noise alone has one above zero: the
        radius is where it is largest.
        """
        return self.arcs.snr[:, [self.bands.index(band) for band in DETECT]].sum(axis=1) / np.sqrt(len(DETECT))


def measured(
    images: np.ndarray,
    sigma: np.ndarray,
    correlation: np.ndarray,
    radius_arcsec: tuple[float, float] = schema.ARC_RADIUS,
    bands: Sequence[str] = schema.BANDS,
) -> ArcLight:
    """Light beside the galaxies in the middle of images.

    Parameters
    ----------
    images : (n, band, y, x) array
        Nanomaggy, the galaxy at ((size - 1)/2, (size - 1)/2), NaN where nothing was observed.
    sigma, correlation : (n, band) array
        Noise of a pixel [nanomaggy] and the sum of its autocorrelation; positive numbers.
    radius_arcsec : tuple
        Where the arc's annulus is looked for, arcsec.
    bands : sequence of str
        Of the images; g, r and z are among them.
    """
    models = hosts.host_models(images, sigma, bands.index(GUIDE))
    low, high = (value / schema.PIXEL_SCALE for value in radius_arcsec)
    residuals = images - models
    detect = [bands.index(band) for band in DETECT]
    return ArcLight(models, residuals, arcs.measure(residuals, sigma, correlation, detect, low, high), tuple(bands))
