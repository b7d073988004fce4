"""The smooth model of a galaxy that may host an arc: its light in ellipses, without what lies on one side only."""

import numpy as np

from lenscal.kernels.compiled import inner, kept

from .arcs import SHARE, SHIFT

STEPS = 12  # of the adaptive moments

STRETCHES = np.array([0.6, 0.8, 1.0, 1.2, 1.4, 1.6, 1.8, 2.1])  # of the moments' 1 - q

RATIO_RANGE = (2.0, 14.0)  # pixels from the centre, where the axis ratio is fitted


@inner()
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


@inner()
def _between(at, level, nearest, r):
    """Linear between knots, of which `nearest` is the first or the second around r; constant beyond the ends."""
    k = nearest if at[nearest] <= r else nearest - 1
    if k < 0:
        return level[0]
    if k >= at.size - 1:
        return level[at.size - 1]
    return level[k] + (level[k + 1] - level[k]) * (r - at[k]) / (at[k + 1] - at[k])


@inner()
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


@inner()
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


@kept()
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
