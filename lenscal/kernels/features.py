"""Texture of small images in a few numbers: Gabor energies and radial power, both blind to rotations by design."""

import numpy as np
from scipy import fft

SIGMAS = (1.5, 2.5, 4.0)  # pixels; the wavelength is four times the sigma
ORIENTATIONS = 6
RINGS = 8
FLOOR = 1e-3  # added to energies before the logarithm, in units of white noise of unit variance


def _gabors(side):
    """Transfer functions (scale, orientation, y, x), of unit gain for white noise: a
    Gaussian around one wave number.
    """
    k = 2 * np.pi * fft.fftfreq(side)
    out = np.empty((len(SIGMAS), ORIENTATIONS, side, side))
    for i, sigma in enumerate(SIGMAS):
        k0 = 2 * np.pi / (4 * sigma)
        for j in range(ORIENTATIONS):
            angle = np.pi * j / ORIENTATIONS
            x, y = k[None, :] - k0 * np.cos(angle), k[:, None] - k0 * np.sin(angle)
            out[i, j] = np.exp(-0.5 * sigma**2 * (x**2 + y**2))
            out[i, j] /= np.sqrt(np.mean(out[i, j] ** 2))
    return out


def window(side) -> np.ndarray:
    """Round taper: 1 within 0.6 of the half side, a raised cosine down to 0 at its end."""
    r = np.hypot(*np.meshgrid(*2 * [np.arange(side) - (side - 1) / 2])) / (side / 2)
    return np.where(r < 0.6, 1.0, np.where(r < 1, 0.5 * (1 + np.cos(np.pi * (r - 0.6) / 0.4)), 0.0))


def names(bands) -> list[str]:
    """Names of the features, in order."""
    out = []
    for band in bands:
        out += [f"{band}_gabor{i}_{what}" for i in range(len(SIGMAS)) for what in ("mean", "peak", "turn")]
        out += [f"{band}_power{i}" for i in range(RINGS)]
    return out


def texture(images) -> np.ndarray:
    """Features of images in units of their noise.

    Gabor energy (Daugman 1985, JOSA A 2, 1160): the squared modulus of the image filtered by a complex Gabor function,
    at three scales and six orientations. Of each scale: the mean over orientations and pixels, the largest pixel, and
    the scatter of the orientations' means over their mean (how much it runs one way). Radial power: the mean of the
    power spectrum in eight rings of wave number. All but the scatter as logarithms.

    Parameters
    ----------
    images : (n, band, y, x) array
        NaN counts as 0.

    Returns
    -------
    (n, feature) array
        In the order of `names`.
    """
    images = np.nan_to_num(np.asarray(images, np.float32))
    n, n_band, side = images.shape[:3]
    taper = window(side).astype(np.float32)
    size = fft.next_fast_len(side)
    filters = _gabors(size).astype(np.float32)
    k = np.hypot(*np.meshgrid(*2 * [fft.fftfreq(size)]))
    ring = np.minimum((k / 0.5 * RINGS).astype(int), RINGS)
    rings = np.stack([(ring == i).ravel() / max((ring == i).sum(), 1) for i in range(RINGS)], axis=1)
    columns = 3 * len(SIGMAS) + RINGS
    out = np.empty((n, n_band, columns))
    area = (taper**2).sum() / size**2
    for row in range(n):
        transform = fft.fft2(images[row] * taper, (size, size))
        for i in range(len(SIGMAS)):
            energy = np.abs(fft.ifft2(transform[:, None] * filters[i])) ** 2 / area
            means = energy.mean((2, 3))
            out[row, :, 3 * i] = np.log(means.mean(1) + FLOOR)
            out[row, :, 3 * i + 1] = np.log(energy.max((1, 2, 3)) + FLOOR)
            out[row, :, 3 * i + 2] = means.std(1) / (means.mean(1) + FLOOR)
        power = (np.abs(transform) ** 2 / (area * size**2)).reshape(n_band, -1) @ rings
        out[row, :, 3 * len(SIGMAS) :] = np.log(power + FLOOR)
    return out.reshape(n, n_band * columns)
