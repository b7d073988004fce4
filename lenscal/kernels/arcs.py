"""What is left of a lens when its galaxy is taken off: light, colour and shape of the arc, by one
estimator for any image.
"""

from typing import NamedTuple

import numba
import numpy as np

from lenscal.kernels import compiled  # noqa: F401  (before anything is compiled, see there)

HALF_WIDTH = 2.0  # pixels: half the width of the arc's annulus
SECTORS = 16
SIDE = 0.25 * np.pi  # half opening angle of the arc's side, and of the opposite one
STEPS = 12  # of the adaptive moments
STRETCHES = np.array([0.6, 0.8, 1.0, 1.2, 1.4, 1.6, 1.8, 2.1])  # of the moments' 1 - q
RATIO_RANGE = (2.0, 14.0)  # pixels from the centre, where the axis ratio is fitted
SHARE, SHIFT = (
    0.25,
    0.6745,
)  # the level below which a quarter of Gaussian noise lies, and how many sigma that is below its middle

njit = numba.njit(cache=True, nogil=True)
inner = numba.njit(nogil=True)  # called by kernels only: see compiled.py


class Arcs(NamedTuple):
    """Measures of many images; bands are along the last axis where there is one."""

    radius: np.ndarray
    snr: np.ndarray
    flux: np.ndarray
    bright: np.ndarray
    concentration: np.ndarray
    extent: np.ndarray
    opposite: np.ndarray


@inner
def _shape(image, scale):
    """Axis ratio and angle of the centre's light: moments under an elliptical Gaussian that follows them."""
    n_y, n_x = image.shape
    xx, yy, xy = scale**2, scale**2, 0.0
    for _ in range(STEPS):
        determinant = xx * yy - xy**2
        total = sum_xx = sum_yy = sum_xy = 0.0
        for j in range(n_y):
            y = j - (n_y - 1) / 2
            for i in range(n_x):
                x = i - (n_x - 1) / 2
                if np.isnan(image[j, i]):
                    continue
                distance = (yy * x**2 + xx * y**2 - 2 * xy * x * y) / determinant
                if distance > 16:
                    continue
                light = image[j, i] * np.exp(-0.5 * distance)
                total += light
                sum_xx += light * x**2
                sum_yy += light * y**2
                sum_xy += light * x * y
        if not total > 0:
            return 1.0, 0.0
        new_xx, new_yy, new_xy = 2 * sum_xx / total, 2 * sum_yy / total, 2 * sum_xy / total
        # No size beyond 3 and none below 1/2 of the first one: the ellipse stays on the galaxy whatever the noise.
        size = np.sqrt(max(new_xx * new_yy - new_xy**2, 0.0))
        if not size > 0:
            return 1.0, 0.0
        factor = min(max(size, 0.25 * scale**2), 9 * scale**2) / size
        xx, yy, xy = factor * new_xx, factor * new_yy, factor * new_xy
    middle, half = 0.5 * (xx + yy), np.hypot(0.5 * (xx - yy), xy)
    q = np.sqrt(max(middle - half, 1e-9) / (middle + half))
    return max(q, 0.2), 0.5 * np.arctan2(2 * xy, xx - yy)


@inner
def _between(at, level, nearest, r):
    """Linear between knots, of which `nearest` is the first or the second around r; constant beyond the ends."""
    k = nearest if at[nearest] <= r else nearest - 1
    if k < 0:
        return level[0]
    if k >= at.size - 1:
        return level[at.size - 1]
    return level[k] + (level[k + 1] - level[k]) * (r - at[k]) / (at[k + 1] - at[k])


@inner
def _smooth(image, sigma, q, phi, reach, model):
    """Fill `model`, within `reach` pixels, with the lower quartile along ellipses one pixel
    apart, less that of the noise.
    """
    n_y, n_x = image.shape
    c, s = np.cos(phi), np.sin(phi)
    bins = int(reach) + 1
    radius = np.empty((n_y, n_x))
    counts = np.zeros(bins, np.int64)
    for j in range(n_y):
        y = j - (n_y - 1) / 2
        for i in range(n_x):
            x = i - (n_x - 1) / 2
            u, v = c * x + s * y, c * y - s * x
            radius[j, i] = np.sqrt(q * u**2 + v**2 / q)
            if radius[j, i] < bins and not np.isnan(image[j, i]):
                counts[int(radius[j, i])] += 1
    start = np.zeros(bins + 1, np.int64)
    for k in range(bins):
        start[k + 1] = start[k] + counts[k]
    values, places = np.empty(start[bins]), np.empty(start[bins])
    filled = np.zeros(bins, np.int64)
    for j in range(n_y):
        for i in range(n_x):
            if radius[j, i] < bins and not np.isnan(image[j, i]):
                k = int(radius[j, i])
                values[start[k] + filled[k]] = image[j, i]
                places[start[k] + filled[k]] = radius[j, i]
                filled[k] += 1
    full = 0
    knot = np.empty(bins, np.int64)  # the knot of each bin, or of the last bin before it that has one
    for k in range(bins):
        full += counts[k] > 0
        knot[k] = max(full - 1, 0)
    if full == 0:
        model[:, :] = 0.0
        return
    at, level, rest = np.empty(full), np.empty(full), np.empty(full)
    for k in range(bins):
        if counts[k] > 0:
            at[knot[k]] = np.median(places[start[k] : start[k + 1]])
            level[knot[k]] = np.median(values[start[k] : start[k + 1]])
    # The quartile is that of what is left beside the medians' slope: across a bin the slope alone would spread the
    # pixels.
    for k in range(bins):
        if counts[k] > 0:
            left = values[start[k] : start[k + 1]].copy()
            for i in range(counts[k]):
                left[i] -= _between(at, level, knot[k], places[start[k] + i])
            rest[knot[k]] = np.quantile(left, SHARE) + SHIFT * sigma
    level += rest
    for j in range(n_y):
        for i in range(n_x):
            k = min(int(radius[j, i]), bins - 1)
            model[j, i] = _between(at, level, knot[k], radius[j, i])


@inner
def _fit_ratio(image, sigma, q, phi, model):
    """The axis ratio, among stretches of the given one, that leaves least light beside the model: blur
    makes the centre rounder.
    """
    n_y, n_x = image.shape
    best, chosen = np.inf, q
    for stretch in STRETCHES:
        trial = max(1 - (1 - q) * stretch, 0.2)
        _smooth(image, sigma, trial, phi, RATIO_RANGE[1] * np.sqrt(2.0), model)
        left = 0.0
        for j in range(n_y):
            for i in range(n_x):
                r = np.hypot(j - (n_y - 1) / 2, i - (n_x - 1) / 2)
                if RATIO_RANGE[0] <= r <= RATIO_RANGE[1] and not np.isnan(image[j, i]):
                    left += abs(image[j, i] - model[j, i])
        if left < best:
            best, chosen = left, trial
    return chosen


@njit
def _host_models(images, sigma, guide, scale):
    models = np.empty(images.shape)
    for row in range(images.shape[0]):
        q, phi = _shape(images[row, guide].astype(np.float64), scale)
        q = _fit_ratio(images[row, guide].astype(np.float64), sigma[row, guide], q, phi, models[row, guide])
        for band in range(images.shape[1]):
            _smooth(
                images[row, band].astype(np.float64),
                sigma[row, band],
                q,
                phi,
                0.5 * min(images.shape[2], images.shape[3]),
                models[row, band],
            )
    return models


def host_models(images, sigma, guide, scale=4.0) -> np.ndarray:
    """Smooth models of the central galaxies: the lower quartile along ellipses plus 0.67 sigma of
    the noise, band by band.

    The ellipse is one for all bands: its angle that of the light of one band under an adaptive Gaussian (Bernstein &
    Jarvis 2002, AJ 123, 583, section 3.1), its axis ratio the one that leaves the smallest sum of absolute residuals
    there. The quartile lets arcs cover most of an ellipse before they go into the model, as their faint parts do, in
    part, whoever made them; where there is none, the noise puts it 0.67 sigma below the light.

    Parameters
    ----------
    images : (n, band, y, x) array
        The galaxy at ((size - 1)/2, (size - 1)/2); NaN where nothing was observed.
    sigma : (n, band) array
        Noise of a pixel.
    guide : int
        Band that gives the ellipse.
    scale : float
        First size of the Gaussian, pixels.

    Returns
    -------
    (n, band, y, x) float64 array
    """
    return _host_models(
        np.ascontiguousarray(images, np.float32), np.ascontiguousarray(sigma, np.float64), guide, float(scale)
    )


@inner
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


@inner
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


@njit
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
