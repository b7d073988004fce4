"""Noise of the pixels: the gain behind it, the resampling in it, and the signal-to-noise ratio of
an arc, on plain arrays.
"""

import math

import numpy as np

from lenscal.kernels.compiled import inner, kept

DARK_SKY = {"g": 0.105, "r": 0.297, "i": 0.913, "z": 2.84}
"""Dark sky, nanomaggy per pixel of 0.262 arcsec (22.04, 20.91, 19.69, 18.46 mag/arcsec^2).

That of i is the mean of r and z, as observers of the survey took it.
"""

ANNULUS_HALF_WIDTH = 2.0  # pixels
WHITE = np.zeros((4, 7))
WHITE[0, 3] = 1
"""Table of the correlation of independent pixels."""
CORRELATION_MAX = 6.0
"""Summed noise correlation of a stamp above which its sky ring holds light. Resampled DECam noise has about 2,
that of 90prime's larger pixels 4, and one stamp tells either to half a unit or better; light that falls across
the ring has up to all 49 lags."""
REACH = 5  # pixels from the middle of a resampling kernel to its edge
TAPS = 2 * REACH + 1
_WAVES = 32  # wave numbers along an axis at which the power of the noise is taken


def gain(sky, sigma, correlation) -> np.ndarray:
    """Electrons per nanomaggy of the sum of exposures behind a coadd: G = S_sky / (A sigma^2).

    The sky's own shot noise has the variance S_sky / G for independent pixels. Resampling lowers the variance of a
    pixel and correlates neighbours; A sigma^2 is what it was before.

    Parameters
    ----------
    sky : float or array
        Nanomaggy per pixel, before subtraction.
    sigma : float or array
        Noise of a pixel, nanomaggy.
    correlation : float or array
        A, the sum of the noise autocorrelation over all lags.

    Returns
    -------
    float or array
        NaN where the noise is not positive.
    """
    variance = np.asarray(correlation, float) * np.square(np.asarray(sigma, float))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(variance > 0, sky / variance, np.nan)


@kept()
def _median_weights(planes, out):
    weights = np.empty(planes.shape[1], planes.dtype)
    for i in range(len(planes)):
        count = 0
        for weight in planes[i]:
            if weight > 0:
                weights[count] = weight
                count += 1
        out[i] = np.median(weights[:count]) if count else np.nan


def gain_of_weights(sky, invvar) -> np.ndarray:
    """The same gain from an inverse-variance plane (..., y, x), whose median is one over A
    sigma^2; NaN without weights.
    """
    out = np.empty(invvar.shape[:-2])
    _median_weights(
        np.ascontiguousarray(invvar).reshape(out.size, invvar.shape[-2] * invvar.shape[-1]), out.reshape(-1)
    )
    return np.asarray(sky) * out


def _waves(reach) -> tuple[np.ndarray, np.ndarray]:
    """Cosines from lags to wave numbers (lag, wave), of half of the plane along y, and from those to half of a kernel
    (wave, place). The other halves are the same: lags but the first, and waves within the plane, count twice.
    """
    waves = np.stack(np.indices((_WAVES // 2 + 1, _WAVES))).reshape(2, -1)
    cosine = np.cos(2 * np.pi * np.arange(_WAVES) / _WAVES)

    def at(height, width):
        y, x = np.stack(np.indices((height + 1, 2 * width + 1))).reshape(2, -1)
        return cosine[(np.outer(y, waves[0]) + np.outer(x - width, waves[1])) % _WAVES]

    return 2 * at(reach, reach)[reach + 1 :], np.ascontiguousarray(at(REACH, REACH).T)


@kept()
def _kernels(tables, to_waves, to_places, out):
    reach = tables.shape[1] - 1
    count, places = to_waves.shape[1], to_places.shape[1]
    root, half = np.empty(count), np.empty(places)
    for i in range(tables.shape[0]):
        lags = tables[i].reshape(tables[i].size)
        root[:] = lags[reach]
        for lag in range(to_waves.shape[0]):
            for k in range(count):
                root[k] += lags[reach + 1 + lag] * to_waves[lag, k]
        half[:] = 0
        for k in range(count):
            edge = k < _WAVES or k >= count - _WAVES
            value = math.sqrt(max(root[k], 0.0)) * (1 if edge else 2)
            for place in range(places):
                half[place] += value * to_places[k, place]
        plane = half.reshape(REACH + 1, TAPS)
        out[i, REACH:] = plane
        out[i, : REACH + 1] = plane[::-1, ::-1]
        out[i] /= plane[0].sum() + 2 * plane[1:].sum()


def resampling_kernels(lags) -> np.ndarray:
    """What turns independent pixels into the pixels of a coadd: kernels of sum 1 that leave the
    measured noise correlation.

    A survey resamples counted pixels with a kernel w that keeps flux. Independent noise comes out with the
    autocorrelation of w, and the variance of a pixel times sum(w^2) = 1/A. Of the kernels that do that, this is the one
    without phase: the transform is the root of the power spectrum of the lags, divided by its value at wave number 0,
    which is A. The root is cut off REACH pixels from the middle and brought back to sum 1. On 39 real stamps in three
    bands that leaves 19 of 20 lag tables to 0.003 and all to 0.012, and a pixel 0.95 to 1.005 of its variance.

    A measured table may have negative power where the true one is small. It is then no autocorrelation of anything, and
    has no kernel: that power is taken as 0, which raises the variance of a pixel as much as it cuts off (1 % where the
    power falls to -0.4 at one wave number).

    Parameters
    ----------
    lags : (..., l + 1, 2 l + 1) array
        Tables of the noise correlation, as in `pair_sum`.

    Returns
    -------
    (..., 2 REACH + 1, 2 REACH + 1) float32 array
        The middle one `[REACH, REACH]`; the same bits for a table whatever the others are. NaN where the table has NaN
        or a sum that is not positive.
    """
    lags = np.asarray(lags, np.float64)
    tables = np.ascontiguousarray(lags.reshape(-1, *lags.shape[-2:]))
    out = np.empty((len(tables), 2 * REACH + 1, 2 * REACH + 1))
    known = tables[:, 0].sum(1) + 2 * tables[:, 1:].sum((1, 2)) > 0  # NaN is not
    tables[~known] = np.nan
    _kernels(tables, *_waves(lags.shape[-2] - 1), out)
    out[~known] = np.nan
    return out.astype(np.float32).reshape(*lags.shape[:-2], *out.shape[1:])


@inner()
def pair_sum(inside, lags) -> float:
    """Variance of the sum over the pixels of an aperture, in units of a pixel's: the noise correlation
    summed over their pairs.

    Parameters
    ----------
    inside : (y, x) bool array
        The aperture.
    lags : (l + 1, 2 l + 1) array
        Noise autocorrelation at lags of 0 to l along y and -l to l along x; beyond there is none.
    """
    n_y, n_x = inside.shape
    reach = lags.shape[0] - 1
    total = 0.0
    for y in range(n_y):
        for x in range(n_x):
            if not inside[y, x]:
                continue
            total += lags[0, reach]
            for dy in range(reach + 1):
                for dx in range(-reach, reach + 1):
                    if (dy > 0 or dx > 0) and y + dy < n_y and 0 <= x + dx < n_x and inside[y + dy, x + dx]:
                        total += 2 * lags[dy, dx + reach]
    return total


@inner()
def _aperture_snr(image, sigma, lags):
    if not (sigma > 0 and np.isfinite(lags.sum())):
        return np.nan
    peak = image.max()
    if not peak > 0:
        return 0.0
    chosen = np.empty(image.size)
    count = 0
    for y in range(image.shape[0]):
        for x in range(image.shape[1]):
            if image[y, x] > 0.02 * peak:
                chosen[count] = image[y, x]
                count += 1
    order = np.sort(chosen[:count])[::-1]
    total = best = 0.0
    level, flux = order[0], order[0]
    for k in range(count):
        total += order[k]
        if total / np.sqrt(k + 1.0) > best:
            best, level, flux = total / np.sqrt(k + 1.0), order[k], total
    variance = pair_sum(image >= level, lags)
    return flux / (sigma * np.sqrt(variance)) if variance > 0 else np.nan


@inner()
def _annulus_snr(image, sigma, correlation, radius, centre):
    if not (sigma > 0 and correlation > 0):
        return np.nan
    total, count = 0.0, 0
    outer = radius + ANNULUS_HALF_WIDTH
    inner2, outer2 = max(radius - ANNULUS_HALF_WIDTH, 0.0) ** 2, outer**2
    for y in range(max(0, int(centre[1] - outer)), min(image.shape[0], int(centre[1] + outer) + 2)):
        for x in range(image.shape[1]):
            r2 = (x - centre[0]) ** 2 + (y - centre[1]) ** 2
            if inner2 <= r2 <= outer2:
                total += image[y, x]
                count += 1
    return total / count / (sigma * np.sqrt(correlation)) if count else np.nan


@kept()
def aperture_snr(image, sigma, lags) -> float:
    """Signal-to-noise ratio of an arc inside one of its own isophotes.

    The aperture is the set of pixels above a level, the level that of the highest sum(flux) / sqrt(N) of its N pixels;
    the noise of the sum is sigma times the root of the noise correlation summed over all pairs of its pixels, the arc's
    own shot noise left out. All images of the source count, inner and counter-images too, when they were rendered.
    Levels below a fiftieth of the peak are not tried: they never hold the best one of a compact image.

    Parameters
    ----------
    image : (y, x) array
        Noise-free arc.
    sigma : float
        Noise of a pixel.
    lags : (l + 1, 2 l + 1) array
        Table of the noise correlation, as in `pair_sum`; `WHITE` for independent pixels.

    Returns
    -------
    float
        NaN when the noise is not positive or not known; 0 for an image without light.
    """
    return _aperture_snr(image, sigma, lags)


@kept()
def annulus_snr(image, sigma, correlation, radius, centre) -> float:
    """Mean signal-to-noise ratio of a pixel in the annulus of an Einstein ring: its surface
    brightness in units of the noise.

    The mean flux of the N pixels within ANNULUS_HALF_WIDTH of the ring, over sigma sqrt(A): the integrated ratio
    sum(flux) / (sigma sqrt(A N)) is sqrt(N) times as large.

    Parameters
    ----------
    image : (y, x) array
        Noise-free arc.
    sigma, correlation : float
        Noise of a pixel, and A.
    radius : float
        Of the ring, pixels.
    centre : tuple of float
        (x, y) of its centre, pixels.

    Returns
    -------
    float
        NaN when the noise is not positive, or the annulus holds no pixel.
    """
    return _annulus_snr(image, sigma, correlation, radius, centre)


@kept()
def arc_snrs(images, sigma, correlation, lags, radius, centre, aperture, annulus) -> None:
    """`aperture_snr` and `annulus_snr` of many arcs (arc, y, x) in one centre, into the last two arguments (arc,)."""
    for i in range(len(images)):
        aperture[i] = _aperture_snr(images[i], sigma[i], lags[i])
        annulus[i] = _annulus_snr(images[i], sigma[i], correlation[i], radius[i], centre)
