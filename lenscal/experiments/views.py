"""Changes of pixels: arc taken out, host taken off, recoloured, blurred or clipped. What was not
observed (NaN) stays so.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.ndimage import gaussian_filter

from lenscal import schema
from lenscal.kernels import draws, hosts, magnitudes, noise

GUIDE = 1  # band r gives the ellipse of a host's model
FWHM = 2 * np.sqrt(2 * np.log(2))  # of a Gaussian over its sigma


@dataclass(frozen=True)
class Views:
    """What the images of some trials are made of, all (n, band, y, x) in nanomaggy.

    Attributes
    ----------
    image : array
        Host, arc and the arc's shot noise: what the detector sees.
    host : array
        The host as observed.
    smooth_arc : array
        The arc without shot noise.
    sigma : (n, band) array
        Noise of a pixel of the host.
    lags : (n, band, l + 1, 2 l + 1) array
        Table of its correlation, as in `kernels.noise.pair_sum`.
    seeing : (n, band) array
        FWHM of the PSF, arcsec.
    colours : (n, 2) array
        g - r and r - z of the host.
    ids : (n,) int array
        Of the trials; noise is drawn by them.
    pixel_scale : float
        Arcsec per pixel.
    centre : int
        1 where the object stands at the pixel size / 2 of an even image: its first row and column are left out of
        models.
    """

    image: np.ndarray
    host: np.ndarray
    smooth_arc: np.ndarray
    sigma: np.ndarray
    lags: np.ndarray
    seeing: np.ndarray
    colours: np.ndarray
    ids: np.ndarray
    pixel_scale: float
    centre: int = 0

    @property
    def bands(self) -> tuple[str, ...]:
        """Of the images, by how many they are: g, r, z (or the first of them), or g, r, i, z."""
        count = self.host.shape[1]
        return schema.BANDS_OF_COUNT.get(count, schema.BANDS[:count])

    @property
    def arc(self) -> np.ndarray:
        """The arc with its shot noise; NaN where the host has NaN."""
        return self.image - self.host

    @cached_property
    def host_model(self) -> np.ndarray:
        """Smooth light of the central galaxy, measured on the host without its arc."""
        return smooth(self.host, self.sigma, self.centre)


def smooth(images: np.ndarray, sigma: np.ndarray, centre: int) -> np.ndarray:
    """Models of the central galaxies (`arcs.host_models`), 0 on the rows and columns that would put them off the
    centre, and where there is no noise measure.
    """
    out = np.zeros(images.shape)
    good = np.flatnonzero((np.isfinite(sigma) & (sigma > 0)).all(1))
    if good.size:
        out[good, :, centre:, centre:] = hosts.host_models(images[good, :, centre:, centre:], sigma[good], GUIDE)
    return np.where(np.isfinite(out), out, 0)


def host_alone(views: Views) -> np.ndarray:
    """The arc removed."""
    return views.host


def blank_sky(views: Views, seed: int) -> np.ndarray:
    """Noise like the host's own sky, and nothing else: its sigma, its correlation of neighbours."""
    kernels = noise.resampling_kernels(views.lags)
    out = np.full(views.host.shape, np.nan)
    reach, (_, _, n_y, n_x) = noise.REACH, views.host.shape
    numbers = [(*schema.BANDS, *schema.MORE_BANDS).index(name) for name in views.bands]  # i draws after g, r, z
    for row, band in np.ndindex(*views.host.shape[:2]):
        kernel = kernels[row, band].astype(float)
        if not np.isfinite(kernel).all():
            continue
        rng = draws.generator(seed, f"blank sky {numbers[band]}", int(views.ids[row]))
        white = rng.standard_normal((n_y + 2 * reach, n_x + 2 * reach))
        windows = np.lib.stride_tricks.sliding_window_view(white, kernel.shape)
        out[row, band] = (
            views.sigma[row, band] * np.einsum("yxij,ij->yx", windows, kernel) / np.sqrt(np.square(kernel).sum())
        )
    return _unobserved(out, views.host)


def arc_on_blank_sky(views: Views, seed: int) -> np.ndarray:
    """The arc, with its shot noise, on noise like that of the host's sky."""
    return blank_sky(views, seed) + views.arc


def recoloured(views: Views, image: np.ndarray, colours: np.ndarray) -> np.ndarray:
    """An image whose host has other colours: its smooth light beside r is scaled, r, the arc and the noise stay.

    Parameters
    ----------
    views : Views
        Bands g, r, z, or g, r, i, z.
    image : array
        With the host in it, such as `views.image` or `views.host`.
    colours : (2,) or (n, 2) array
        g - r and r - z that the host is to have.
    """
    change = np.broadcast_to(colours, views.colours.shape) - views.colours
    fainter = {"g": change[:, 0], "r": np.zeros(len(change)), "z": -change[:, 1]}
    fainter["i"] = magnitudes.i_between(fainter["r"], fainter["z"])
    return relit(views, image, np.column_stack([fainter[band] for band in views.bands]))


def relit(views: Views, image: np.ndarray, change: np.ndarray) -> np.ndarray:
    """An image whose host is fainter by `change` (n, band) magnitudes: its smooth light is scaled, all else stays. No
    change where that is not finite.
    """
    factor = 10 ** (-0.4 * np.where(np.isfinite(change), change, 0))
    return image + (factor - 1)[:, :, None, None] * views.host_model


def host_subtracted(views: Views, with_arc: bool) -> np.ndarray:
    """The image less a smooth model of its galaxy, measured on the image itself (`with_arc`) or on the
    host before the arc came.
    """
    return views.image - (smooth(views.image, views.sigma, views.centre) if with_arc else views.host_model)


def clipped(views: Views, percent: float) -> np.ndarray:
    """Each image and band cut off at its own percentile."""
    flat = views.image.reshape(*views.image.shape[:2], -1)
    seen = np.isfinite(flat).any(-1)
    top = np.full(seen.shape, np.inf)
    top[seen] = np.nanpercentile(flat[seen], percent, axis=-1)
    return np.minimum(views.image, top[:, :, None, None])


def blurred(views: Views, worse: float, what: str = "both") -> np.ndarray:
    """Arc and smooth host ("both"), or one of them ("arc", "host"), seen with a FWHM that is `worse` arcsec larger;
    the noise stays as it is.

    The PSFs are taken for Gaussians: the light is convolved with one whose FWHM is the root of the difference of
    squares.
    """
    light = {"arc": views.smooth_arc, "host": views.host_model, "both": views.smooth_arc + views.host_model}[what]
    width = np.sqrt((views.seeing + worse) ** 2 - views.seeing**2) / FWHM / views.pixel_scale
    out = np.array(views.image, float)
    for row, band in np.ndindex(*width.shape):
        if np.isfinite(width[row, band]):
            plane = np.nan_to_num(light[row, band])
            out[row, band] += gaussian_filter(plane, width[row, band], mode="nearest") - plane
    return out


def _unobserved(images: np.ndarray, like: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(like), images, np.nan)
