"""Means, medians and moments of the pixels of stamps, on plain arrays."""

import numpy as np

from lenscal.kernels.compiled import kept

from .pixels import _areas, median_and_sigma, numbers, stamps

# Loops over stamps are njit, not guvectorize: a gufunc that allocates crashes when it is loaded from Numba's cache in a
# process that has compiled nothing yet (seen with Numba 0.68), and its explicit signature would be compiled on import.


@kept()
def _means(images, areas):
    out = np.full((len(images), 1), np.nan)
    for i in range(len(images)):
        total, count = 0.0, 0
        for y in range(images.shape[1]):
            for x in range(images.shape[2]):
                if areas[i, y, x] and not np.isnan(images[i, y, x]):
                    total += images[i, y, x]
                    count += 1
        if count:
            out[i, 0] = total / count
    return out


def mean(image, area) -> np.ndarray:
    """Mean of the observed pixels of an area, (...); NaN when there is none."""
    images, shape = stamps(image)
    return numbers(_means(images, _areas(area, image)), shape)[0]


@kept()
def _medians(images, areas):
    out = np.empty((len(images), 1))
    for i in range(len(images)):
        out[i, 0] = median_and_sigma(images[i], areas[i])[0]
    return out


def median(image, area) -> np.ndarray:
    """Median of the observed pixels of an area, (...); NaN when there is none."""
    images, shape = stamps(image)
    return numbers(_medians(images, _areas(area, image)), shape)[0]


def clipped(image, level, sigma) -> np.ndarray:
    """Share of the observed pixels farther than 5 sigma from the level, (...); NaN where either is."""
    image = np.asarray(image)
    level, sigma = (np.asarray(v)[..., None, None] for v in (level, sigma))
    seen = np.isfinite(image).sum(axis=(-2, -1))
    far = (np.abs(image - level) > 5 * sigma).sum(axis=(-2, -1))
    known = (seen > 0) & np.isfinite(sigma[..., 0, 0])
    return np.where(known, far / np.maximum(seen, 1), np.nan)[()]


@kept()
def _moments(images):
    out = np.full((len(images), 5), np.nan)
    chosen = np.empty(images[0].size if len(images) else 0)
    for i in range(len(images)):
        count = 0
        for y in range(images.shape[1]):
            for x in range(images.shape[2]):
                if not np.isnan(images[i, y, x]):
                    chosen[count] = images[i, y, x]
                    count += 1
        if count == 0:
            continue
        kept = chosen[:count]
        out[i, 0] = np.mean(kept)
        out[i, 1] = np.sqrt(np.mean((kept - out[i, 0]) ** 2))
        for j, share in enumerate((0.01, 0.5, 0.99)):
            place = share * (count - 1)
            low = int(place)
            high = min(low + 1, count - 1)
            kept = np.partition(kept, np.array([low, high]))
            out[i, 2 + j] = kept[low] + (place - low) * (kept[high] - kept[low])
    return out


def moments(image) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Mean, standard deviation, percentile 1, median and percentile 99 of the observed pixels.

    Percentiles interpolate linearly between the pixels in order, as NumPy's do.

    Parameters
    ----------
    image : (..., y, x) array
        NaN where nothing was observed.

    Returns
    -------
    five (...) arrays
        NaN where nothing was observed.
    """
    images, shape = stamps(image)
    return numbers(_moments(images), shape)
