"""What a galaxy looks like on its image: how long, how round, ringed, patchy, and what stands beside it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import ndimage

_DETECTED = 3.0  # sigma of the smoothed image: pixels of the galaxy
_PEAK = 5.0  # sigma of the smoothed image: peaks beside it
_FWHM = 2.3548


class Structure(NamedTuple):
    """Measures of one image; NaN where the galaxy itself is not detected."""

    axis_ratio: float
    """Minor over major axis from second moments within 3 sigma, without the PSF's."""
    size: float
    """Major axis of the moments (one sigma of a Gaussian), without the PSF, over the sigma of the PSF."""
    ring: float
    """How much the profile by elliptical radius rises again outwards of a dip, over the profile's peak."""
    ring_snr: float
    """The same rise over its error."""
    texture: float
    """Scatter about the profile by elliptical radius beyond that of the noise, over the mean within the galaxy."""
    texture_snr: float
    """Significance of that scatter, from its expected spread."""
    beside: float
    """Distance of the strongest other peak, in pixels; NaN without one."""
    share: float
    """Height of that peak over the central one."""


def structure(image, sigma, psf_fwhm, nearest, farthest) -> Structure:
    """Structure of the galaxy at the centre of an image.

    Parameters
    ----------
    image : (y, x) array
        NaN counts as unobserved.
    sigma : float
        Noise of a pixel.
    psf_fwhm : float
        In pixels.
    nearest, farthest : float
        Distances at which another peak counts, in pixels.
    """
    image = np.nan_to_num(np.asarray(image, np.float64))
    width = psf_fwhm / _FWHM
    smooth = ndimage.gaussian_filter(image, width)
    noise = sigma / np.sqrt(4 * np.pi) / width  # of white noise after the Gaussian
    y, x = np.indices(image.shape)
    cy, cx = (np.array(image.shape) - 1) / 2
    labels, _ = ndimage.label(smooth > _DETECTED * noise)
    centre = round(cy), round(cx)
    own = labels == labels[centre]
    if not labels[centre]:
        return Structure(*[np.nan] * 8)
    height = smooth[centre]
    distance, share = _beside(smooth, noise, np.hypot(y - cy, x - cx), nearest, farthest, height, width)

    light = np.where(own, np.maximum(image, 0), 0)
    total = light.sum()
    my, mx = (light * y).sum() / total, (light * x).sum() / total
    xx, yy, xy = ((light * a).sum() / total for a in ((x - mx) ** 2, (y - my) ** 2, (x - mx) * (y - my)))
    middle, arm = (xx + yy) / 2, np.hypot((xx - yy) / 2, xy)
    major, minor = (np.sqrt(max(value - width**2, (0.3 * width) ** 2)) for value in (middle + arm, middle - arm))
    angle, q = 0.5 * np.arctan2(2 * xy, xx - yy), max(minor / major, 0.15)
    u, v = (x - cx) * np.cos(angle) + (y - cy) * np.sin(angle), -(x - cx) * np.sin(angle) + (y - cy) * np.cos(angle)
    radius = np.hypot(u, v / q) * np.sqrt(q)
    ring, ring_snr, texture, texture_snr = _profile(image, radius, own, sigma)
    return Structure(minor / major, major / width, ring, ring_snr, texture, texture_snr, distance, share)


def _beside(smooth, noise, distance, nearest, farthest, height, width):
    peak = (smooth == ndimage.maximum_filter(smooth, size=2 * int(np.ceil(width)) + 1)) & (smooth > _PEAK * noise)
    peak &= (distance >= nearest) & (distance <= farthest)
    if not peak.any() or height <= 0:
        return np.nan, 0.0
    best = np.argmax(np.where(peak, smooth, -np.inf))
    return float(distance.flat[best]), float(smooth.flat[best] / height)


def _profile(image, radius, own, sigma):
    """Rise of the profile by radius outwards of a dip, and scatter about it."""
    step = np.floor(radius).astype(np.int64)
    inside = own & (step < 60)
    bins = step[inside].max() + 1
    count = np.bincount(step[inside], minlength=bins)
    middle = ndimage.median(image, np.where(inside, step + 1, 0), np.arange(1, bins + 1))
    full = count >= 5
    profile, error = middle[full], 1.2533 * sigma / np.sqrt(count[full])
    ring = ring_snr = 0.0
    lowest = 0
    for i in range(1, profile.size):
        rise = profile[i] - profile[lowest]
        if rise > 0 and rise / np.hypot(error[i], error[lowest]) > ring_snr:
            ring, ring_snr = rise / profile.max(), rise / np.hypot(error[i], error[lowest])
        if profile[i] < profile[lowest]:
            lowest = i
    use = inside & (radius > 3)
    if use.sum() < 20 or profile.size < 3:
        return ring, ring_snr, 0.0, 0.0
    centres = np.bincount(step[inside], weights=radius[inside], minlength=bins)[full] / count[full]
    expected = np.interp(radius[use], centres, profile)
    bound = 10 * sigma + 0.5 * np.abs(expected)  # a neighbour's core is not the galaxy's texture
    residual = np.clip(image[use] - expected, -bound, bound)
    excess = np.mean(residual**2) - sigma**2
    mean = max(image[use].mean(), sigma)
    return ring, ring_snr, float(np.sqrt(max(excess, 0)) / mean), float(excess / (sigma**2 * np.sqrt(2 / use.sum())))
