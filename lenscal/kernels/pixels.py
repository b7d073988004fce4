"""What the pixels of a stamp say: its sources, its sky noise and how that is correlated, its brightness."""

import numpy as np

from lenscal.kernels.compiled import inner, kept

MAD_TO_SIGMA = 1.4826  # of a Gaussian
THRESHOLD = 2.5  # where a source ends on the smoothed image, in the image's own sigma
# what a source must reach somewhere: at 2.5 peaks of mere noise are masked, and the correlation comes out a quarter low
SEED = 4.0
SMOOTHING = 1.5  # sigma of the smoothing Gaussian, pixels
GROWTH = 3  # radius by which sources are grown, pixels
LAG = 3  # largest lag of the autocorrelation, pixels
CLIP = 5.0  # sigma beyond which, on either side, a pixel is no sky: a dead or hot one would halve the correlation
PIXELS_MIN = 100  # of sky, below which no noise is measured

# Loops over stamps are njit, not guvectorize: a gufunc that allocates crashes when it is loaded from Numba's cache in a
# process that has compiled nothing yet (seen with Numba 0.68), and its explicit signature would be compiled on import.

_TAPS = np.exp(-0.5 * (np.arange(-5, 6) / SMOOTHING) ** 2)
_TAPS /= _TAPS.sum()


def radius(size) -> np.ndarray:
    """Distance in pixels of each pixel from the centre ((size - 1)/2, (size - 1)/2), (size, size)."""
    r = np.arange(size) - (size - 1) / 2
    return np.hypot(r[:, None], r)


def ring(size, inner, outer) -> np.ndarray:
    """Pixels of the sky ring, (size, size) bool; a stamp too small for it has the same ring scaled to end at its edge.

    Parameters
    ----------
    size : int
        Side of the stamp.
    inner, outer : float
        Radii in pixels; when the stamp's half-side is less than `outer`, both shrink by the same factor.
    """
    shrink = min(1.0, (size - 1) / 2 / outer)
    r = radius(size)
    return (r >= inner * shrink) & (r <= outer * shrink)


@inner()
def _blur(values):
    """Sum of the pixels under the Gaussian, which ends at the edge of the array."""
    n_y, n_x = values.shape
    half = _TAPS.size // 2
    rows, out = np.zeros((n_y, n_x)), np.zeros((n_y, n_x))
    for y in range(n_y):
        for k in range(-half, half + 1):
            for x in range(max(0, -k), min(n_x, n_x - k)):
                rows[y, x] += _TAPS[k + half] * values[y, x + k]
    for y in range(n_y):
        for k in range(max(-half, -y), min(half, n_y - 1 - y) + 1):
            for x in range(n_x):
                out[y, x] += _TAPS[k + half] * rows[y + k, x]
    return out


@inner()
def median_and_sigma(image, use) -> tuple:
    """Median and 1.4826 MAD of some pixels, and how many they are; NaN without any."""
    chosen = np.empty(image.size)
    count = 0
    for y in range(image.shape[0]):
        for x in range(image.shape[1]):
            if use[y, x] and not np.isnan(image[y, x]):
                chosen[count] = image[y, x]
                count += 1
    if count == 0:
        return np.nan, np.nan, 0
    middle = np.median(chosen[:count])
    return middle, MAD_TO_SIGMA * np.median(np.abs(chosen[:count] - middle)), count


@inner()
def _regions(values, low, high):
    """Pixels above `low` that are connected (by edge or corner) to one above `high`; NaN is neither."""
    n_y, n_x = values.shape
    found = np.zeros((n_y, n_x), np.bool_)
    waiting = np.empty(n_y * n_x, np.int64)
    count = 0
    for place in range(n_y * n_x):
        y, x = place // n_x, place % n_x
        if values[y, x] > high:
            found[y, x] = True
            waiting[count] = place
            count += 1
    while count > 0:
        count -= 1
        y0, x0 = waiting[count] // n_x, waiting[count] % n_x
        for y in range(max(0, y0 - 1), min(n_y, y0 + 2)):
            for x in range(max(0, x0 - 1), min(n_x, x0 + 2)):
                if not found[y, x] and values[y, x] > low:
                    found[y, x] = True
                    waiting[count] = y * n_x + x
                    count += 1
    return found


@inner()
def _grow(found, distance):
    """All pixels within a distance of one that is found."""
    n_y, n_x = found.shape
    out = np.zeros((n_y, n_x), np.bool_)
    for y in range(n_y):
        for x in range(n_x):
            if found[y, x]:
                for dy in range(max(-distance, -y), min(distance, n_y - 1 - y) + 1):
                    for dx in range(max(-distance, -x), min(distance, n_x - 1 - x) + 1):
                        if dy * dy + dx * dx <= distance * distance:
                            out[y + dy, x + dx] = True
    return out


def stamps(image) -> tuple[np.ndarray, tuple[int, ...]]:
    """Images as (n, y, x) float32 in C order, and the shape that was in front."""
    image = np.asarray(image)
    return np.ascontiguousarray(image, np.float32).reshape(-1, *image.shape[-2:]), image.shape[:-2]


def _areas(area, image) -> np.ndarray:
    """An area for each stamp, (n, y, x) bool in C order."""
    return np.ascontiguousarray(np.broadcast_to(area, np.shape(image)), np.bool_).reshape(-1, *np.shape(image)[-2:])


def numbers(found, shape) -> tuple[np.ndarray, ...]:
    """Columns of the numbers of each stamp, as arrays of the shape that was in front (scalars for one stamp)."""
    return tuple(np.ascontiguousarray(column).reshape(shape)[()] for column in found.T)


@kept()
def _sources(images, skies):
    out = np.zeros(images.shape, np.bool_)
    n_y, n_x = images.shape[1:]
    under_all = _blur(np.ones((n_y, n_x)))
    for i in range(len(images)):
        values, weights = np.zeros((n_y, n_x)), np.zeros((n_y, n_x))
        seen = 0
        for y in range(n_y):
            for x in range(n_x):
                if np.isfinite(images[i, y, x]):
                    values[y, x], weights[y, x] = images[i, y, x], 1.0
                    seen += 1
        smoothed = _blur(values)
        under = under_all if seen == weights.size else _blur(weights)
        for y in range(n_y):
            for x in range(n_x):
                smoothed[y, x] = smoothed[y, x] / under[y, x] if weights[y, x] > 0 else np.nan
        found = out[i]
        for _ in range(3):
            level, sigma, count = median_and_sigma(smoothed, skies[i] & ~found)
            if count == 0:
                break
            found[:, :] = _grow(_regions(smoothed, level + THRESHOLD * sigma, level + SEED * sigma), GROWTH)
        for y in range(n_y):
            for x in range(n_x):
                found[y, x] = found[y, x] and weights[y, x] > 0
    return out


def sources(image, sky) -> np.ndarray:
    """Pixels of sources: above 2.5 sigma on the smoothed image, connected to one above 4 sigma, grown by 3 pixels.

    Level and sigma (1.4826 MAD) of the smoothed image are those of the `sky` pixels, found three times, the second and
    third time without the sources.

    Parameters
    ----------
    image : (..., y, x) array
        NaN where nothing was observed; such a pixel is never a source.
    sky : (..., y, x) or (y, x) bool array
        Where the level is measured, sources included.

    Returns
    -------
    (..., y, x) bool array
    """
    return _sources(stamps(image)[0], _areas(sky, image)).reshape(np.shape(image))


@inner()
def _clip(image, sky):
    """Sky pixels within 5 sigma of the level, their median and 1.4826 MAD, and how many they are."""
    use = sky.copy()
    level, sigma, count = median_and_sigma(image, use)
    for _ in range(5):
        far = 0
        for y in range(image.shape[0]):
            for x in range(image.shape[1]):
                if use[y, x] and np.abs(image[y, x] - level) > CLIP * sigma:
                    use[y, x] = False
                    far += 1
        if far == 0 or not sigma > 0:
            break
        level, sigma, count = median_and_sigma(image, use)
    return use, level, sigma, count


@inner()
def _noise(image, sky, out, table):
    """Level, sigma and summed autocorrelation of the sky pixels of one stamp; the table of the autocorrelation."""
    table[:] = np.nan
    n_y, n_x = image.shape
    out[:] = np.nan
    sky, level, sigma, count = _clip(image, sky)
    if count < PIXELS_MIN:
        return
    out[0], out[1] = level, sigma
    places, total = np.empty((count, 2), np.int64), 0.0
    found = 0
    for y in range(n_y):
        for x in range(n_x):
            if sky[y, x] and not np.isnan(image[y, x]):
                places[found, 0], places[found, 1] = y + LAG, x + LAG
                total += image[y, x]
                found += 1
    values, weights = np.zeros((n_y + 2 * LAG, n_x + 2 * LAG)), np.zeros((n_y + 2 * LAG, n_x + 2 * LAG))
    squares = 0.0
    for i in range(count):
        y, x = places[i]
        values[y, x], weights[y, x] = image[y - LAG, x - LAG] - total / count, 1.0
        squares += values[y, x] ** 2
    if not squares > 0:
        return
    products, pairs = np.zeros((LAG + 1, 2 * LAG + 1)), np.zeros((LAG + 1, 2 * LAG + 1))
    for i in range(count):
        y, x = places[i]
        for dy in range(LAG + 1):
            for dx in range(2 * LAG + 1):
                products[dy, dx] += values[y, x] * values[y + dy, x + dx - LAG]
                pairs[dy, dx] += weights[y + dy, x + dx - LAG]
    summed = 1.0
    table[:] = 0.0
    table[0, LAG] = 1.0
    for dy in range(LAG + 1):
        for dx in range(2 * LAG + 1):
            if (dy > 0 or dx > LAG) and pairs[dy, dx] > 0:
                table[dy, dx] = products[dy, dx] / pairs[dy, dx] / (squares / count)
                summed += 2 * table[dy, dx]
    out[2] = summed / (1 - (2 * LAG + 1) ** 2 / count)
    for dx in range(LAG):
        table[0, dx] = table[0, 2 * LAG - dx]
    # The mean that was taken off each pixel took this much off every lag.
    table += out[2] / count


@kept()
def _noises(images, skies):
    out, tables = np.empty((len(images), 3)), np.empty((len(images), LAG + 1, 2 * LAG + 1))
    for i in range(len(images)):
        _noise(images[i], skies[i], out[i], tables[i])
    return out, tables


def sky_noise(image, sky) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Level, noise and noise correlation of the sky pixels.

    Parameters
    ----------
    image : (..., y, x) array
        NaN where nothing was observed.
    sky : (..., y, x) or (y, x) bool array
        Pixels to use, sources excluded.

    Returns
    -------
    level, sigma : (...) arrays
        Median and 1.4826 MAD of the pixels within 5 sigma of the median; NaN when there are fewer than 100.
    correlation : (...) array
        Sum of the autocorrelation over lags of -3 to 3 pixels in both axes, lag 0 included: 1 for white noise. The
        variance of a sum over an aperture is this times that of independent pixels. Each lag is averaged over its own
        pairs of sky pixels, and the sum is divided by 1 - 49/N for the mean of the N pixels that was taken off each.
    """
    return sky_statistics(image, sky)[:3]


def sky_statistics(image, sky) -> tuple[np.ndarray, ...]:
    """Level, noise and noise correlation as `sky_noise`, and the table of the noise autocorrelation that sums to it.

    Returns
    -------
    level, sigma, correlation : (...) arrays
    lags : (..., 4, 7) array
        Autocorrelation at lags of 0 to 3 pixels along y and -3 to 3 along x; the other half follows by symmetry, and
        the sum over all 49 lags is the noise correlation: what the mean that was taken off took off each lag is put
        back. NaN where the noise is not known.
    """
    images, shape = stamps(image)
    found, table = _noises(images, _areas(sky, image))
    return *numbers(found, shape), table.reshape(*shape, *table.shape[1:])
