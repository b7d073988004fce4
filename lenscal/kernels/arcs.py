"""What is left of a lens when its galaxy is taken off: light, colour and shape of the arc, by one
estimator for any image.
"""

from typing import NamedTuple

import numpy as np

from lenscal.kernels.compiled import inner, kept

HALF_WIDTH = 2.0  # pixels: half the width of the arc's annulus
SECTORS = 16
SIDE = 0.25 * np.pi  # half opening angle of the arc's side, and of the opposite one
SHARE, SHIFT = (
    0.25,
    0.6745,
)  # the level below which a quarter of Gaussian noise lies, and how many sigma that is below its middle


class Arcs(NamedTuple):
    """Measures of many images; bands are along the last axis where there is one."""

    radius: np.ndarray
    snr: np.ndarray
    flux: np.ndarray
    bright: np.ndarray
    concentration: np.ndarray
    extent: np.ndarray
    opposite: np.ndarray


@inner()
def _boxed(image):
    """Mean of the observed pixels in 3 x 3."""
    n_y, n_x = image.shape
    out = np.full((n_y, n_x), np.nan)
    for j in range(n_y):
        for i in range(n_x):
            total, count = 0.0, 0
            for dj in range(max(0, j - 1), min(n_y, j + 2)):
                for di in range(max(0, i - 1), min(n_x, i + 2)):
                    if not np.isnan(image[dj, di]):
                        total += image[dj, di]
                        count += 1
            if count:
                out[j, i] = total / count
    return out


@inner()
def _measure(residual, sigma, correlation, detect, low, high, out):
    """One image: fill the row `out` = radius, concentration, extent, opposite, then snr, flux, bright of each band."""
    n_band, n_y, n_x = residual.shape
    light = np.zeros((n_y, n_x))
    weight = 0.0
    for band in detect:
        weight += 1 / sigma[band] ** 2
    for j in range(n_y):
        for i in range(n_x):
            for band in detect:
                light[j, i] += residual[band, j, i] / sigma[band] ** 2 / np.sqrt(weight)
    r, angle = np.empty((n_y, n_x)), np.empty((n_y, n_x))
    for j in range(n_y):
        for i in range(n_x):
            y, x = j - (n_y - 1) / 2, i - (n_x - 1) / 2
            r[j, i], angle[j, i] = np.hypot(x, y), np.arctan2(y, x)
    # The radius where the annulus is brightest against its noise.
    best, radius = -np.inf, low
    trial = low
    while trial <= high:
        total, count = 0.0, 0
        for j in range(n_y):
            for i in range(n_x):
                if abs(r[j, i] - trial) <= HALF_WIDTH and not np.isnan(light[j, i]):
                    total += light[j, i]
                    count += 1
        if count and total / np.sqrt(count) > best:
            best, radius = total / np.sqrt(count), trial
        trial += 0.5
    out[0] = radius
    # The annulus in each band, in sectors, and its brightest pixels.
    boxed = _boxed(light)
    peak = -np.inf
    sectors = np.zeros(SECTORS)
    total, count = np.zeros(n_band), np.zeros(n_band)
    for j in range(n_y):
        for i in range(n_x):
            if abs(r[j, i] - radius) > HALF_WIDTH or np.isnan(light[j, i]):
                continue
            peak = max(peak, boxed[j, i])
            sectors[int((angle[j, i] + np.pi) / (2 * np.pi) * SECTORS) % SECTORS] += light[j, i]
            for band in range(n_band):
                if not np.isnan(residual[band, j, i]):
                    total[band] += residual[band, j, i]
                    count[band] += 1
    for band in range(n_band):
        out[4 + band] = total[band] / (sigma[band] * np.sqrt(correlation[band] * max(count[band], 1.0)))
        out[4 + n_band + band] = total[band]
        out[4 + 2 * n_band + band] = 0.0
    for j in range(n_y):
        for i in range(n_x):
            if abs(r[j, i] - radius) <= HALF_WIDTH and boxed[j, i] >= 0.5 * peak:
                for band in range(n_band):
                    if not np.isnan(residual[band, j, i]):
                        out[4 + 2 * n_band + band] += residual[band, j, i]
    # Azimuth: how many equal sectors would hold this light, and where its middle is (two sectors wide).
    first = second = 0.0
    turn, highest = 0, -np.inf
    for k in range(SECTORS):
        positive = max(sectors[k], 0.0)
        first += positive
        second += positive**2
        pair = sectors[k] + sectors[(k + 1) % SECTORS]
        if pair > highest:
            highest, turn = pair, k + 1
    out[2] = first**2 / (SECTORS * second) if second > 0 else np.nan
    middle = -np.pi + turn * 2 * np.pi / SECTORS
    inner = outer = across = 0.0
    for j in range(n_y):
        for i in range(n_x):
            if np.isnan(light[j, i]):
                continue
            away = abs((angle[j, i] - middle + np.pi) % (2 * np.pi) - np.pi)
            if away <= SIDE:
                if abs(r[j, i] - radius) <= 1:
                    inner += light[j, i]
                if abs(r[j, i] - radius) <= 2 * HALF_WIDTH:
                    outer += light[j, i]
            elif away >= np.pi - SIDE and r[j, i] <= radius + HALF_WIDTH and r[j, i] >= 0.3 * radius:
                across += light[j, i]
    out[1] = inner / outer if outer > 0 else np.nan
    out[3] = across / outer if outer > 0 else np.nan


@kept()
def _measures(residuals, sigma, correlation, detect, low, high):
    n, n_band = residuals.shape[:2]
    out = np.full((n, 4 + 3 * n_band), np.nan)
    for row in range(n):
        _measure(residuals[row], sigma[row], correlation[row], detect, low, high, out[row])
    return out


def measure(residuals, sigma, correlation, detect, low, high) -> Arcs:
    """Light and shape of arcs, each in an annulus of its own radius.

    The radius is where an annulus 2 `HALF_WIDTH` wide holds the most light against its noise, in the bands of `detect`
    weighted by inverse variance: of mere noise too it finds one, with a ratio above zero, so that ratios compare only
    with others of this estimator.

    Parameters
    ----------
    residuals : (n, band, y, x) array
        Images less their host models, nanomaggy; NaN where nothing was observed.
    sigma, correlation : (n, band) array
        Noise of a pixel, nanomaggy, and the sum of its autocorrelation.
    detect : sequence of int
        Bands that find the arc.
    low, high : float
        Range of the radius, pixels.

    Returns
    -------
    Arcs
        radius (n,), pixels; snr (n, band), sum(flux) / (sigma sqrt(A N)) over the N pixels of the annulus; flux (n,
        band) in it, nanomaggy; bright (n, band), flux of those of its pixels that are brighter than half of the
        brightest (3 x 3 means); concentration (n,), on the arc's side, light within 1 pixel of the radius over light
        within 4; extent (n,), share of 16 equal sectors that would hold the light; opposite (n,), light across the
        centre, from 0.3 of the radius outwards, over that of the arc's side (counter-images).
    """
    n_band = np.shape(residuals)[1]
    table = _measures(
        np.ascontiguousarray(residuals, np.float64),
        np.ascontiguousarray(sigma, np.float64),
        np.ascontiguousarray(correlation, np.float64),
        np.asarray(detect, np.int64),
        float(low),
        float(high),
    )
    bands = [table[:, 4 + k * n_band : 4 + (k + 1) * n_band] for k in range(3)]
    return Arcs(table[:, 0], *bands, table[:, 1], table[:, 2], table[:, 3])


def fine_noise(image) -> np.ndarray:
    """The finest grain of an image: fourth differences along x and along y, of unit gain for white noise.

    A PSF whose Gaussian core has a sigma of 1.5 pixels leaves half a per cent of a source's peak; noise stays, the
    white shot noise of a source most of all.

    Parameters
    ----------
    image : (..., y, x) array

    Returns
    -------
    (..., y, x) array
        NaN within two pixels of the rim and of unobserved pixels.
    """
    image = np.asarray(image, np.float64)
    out = np.full(image.shape, np.nan)
    taps = (1, -4, 6, -4, 1)
    rows = sum(tap * image[..., k : image.shape[-2] - 4 + k, :] for k, tap in enumerate(taps))
    out[..., 2:-2, 2:-2] = sum(tap * rows[..., k : image.shape[-1] - 4 + k] for k, tap in enumerate(taps)) / 70
    return out
