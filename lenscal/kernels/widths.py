"""What the conditions of an image are, measured on the image: width of the PSF, noise of the sky, depth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage, optimize

_SIGMA_TO_FWHM = 2.0 * np.sqrt(2.0 * np.log(2.0))


def noise_equivalent_area(psf: np.ndarray) -> np.ndarray:
    """Noise-equivalent area of PSF images, (sum p)^2 / sum p^2, in pixels (King 1983, PASP 95, 163).

    Parameters
    ----------
    psf : (..., y, x) array
        Of any normalisation.
    """
    psf = np.asarray(psf, dtype=np.float64)
    return psf.sum(axis=(-2, -1)) ** 2 / (psf**2).sum(axis=(-2, -1))


def psfsize(psf: np.ndarray, pixel_scale: float) -> np.ndarray:
    """PSFSIZE of PSF images: FWHM of the Gaussian of equal noise-equivalent area, in the unit of `pixel_scale`."""
    return _SIGMA_TO_FWHM * np.sqrt(noise_equivalent_area(psf) / (4 * np.pi)) * pixel_scale


def depth(sigma: np.ndarray, correlation: np.ndarray, psf: np.ndarray) -> np.ndarray:
    """5-sigma magnitude (AB) of a point source in nanomaggy noise.

    The PSF-weighted flux has the variance sigma^2 A NEA where A is the sum of the noise autocorrelation over the lags,
    as long as the PSF is wider than the correlation: sigma sqrt(A) is the pixel noise before the pixels were
    correlated, which is what the survey's PSFDEPTH is made from.

    Parameters
    ----------
    sigma : array
        Noise per pixel, nanomaggy.
    correlation : array
        Sum of the autocorrelation over all lags, 1 for white noise.
    psf : (..., y, x) array
        One PSF for each sigma.
    """
    flux = 5 * np.asarray(sigma) * np.sqrt(np.asarray(correlation) * noise_equivalent_area(psf))
    return 22.5 - 2.5 * np.log10(flux)


def sky_pixels(image: np.ndarray, threshold: float = 4.0, grow: int = 4) -> np.ndarray:
    """Pixels that no source reaches: `grow` px away from all above `threshold` sigma after smoothing.

    The threshold is high and one-sided, so that the noise's own swings stay: cut at 2.5 sigma on both sides, white
    noise would seem to have a correlation of 0.65.

    Parameters
    ----------
    image : (y, x) array
        NaN where nothing was observed.

    Returns
    -------
    (y, x) bool array
    """
    observed = np.isfinite(image)
    if not observed.any():
        return observed
    smooth = ndimage.gaussian_filter(np.where(observed, image, np.median(image[observed])), 1.5)
    level, source = 0.0, ~observed
    for _ in range(5):
        values = smooth[~source]
        if values.size == 0:
            return ~source
        level = np.median(values)
        scatter = 1.4826 * np.median(np.abs(values - level))
        source = ~observed | (smooth - level > threshold * scatter)
    return ~ndimage.binary_dilation(source, iterations=grow)


def sky_noise(image: np.ndarray, minimum: int = 500, box: int = 31) -> tuple[float, float, float]:
    """Noise of the sky of one image.

    Parameters
    ----------
    image : (y, x) array
        NaN where nothing was observed.
    minimum : int
        Fewest sky pixels to measure on.
    box : int
        Side of the box of the local mean, pixels.

    Returns
    -------
    level, sigma, correlation : float
        Median of the sky; 1.4826 MAD about the local mean of the sky (a box of `box` px, so that the halo of a galaxy
        is not taken for noise); and the sum of the autocorrelation over lags of up to 3 px in each axis, corrected for
        what the local mean takes away. NaN where there is too little sky.
    """
    sky = sky_pixels(image)
    if sky.sum() < minimum:
        return np.nan, np.nan, np.nan
    values = np.where(sky, image, 0.0).astype(np.float64)
    level = float(np.median(values[sky]))
    share = ndimage.uniform_filter(sky.astype(np.float64), box, mode="constant")
    mean = ndimage.uniform_filter(values, box, mode="constant") / np.maximum(share, 1e-12)
    residual = np.where(sky, values - mean, 0.0)
    sigma = 1.4826 * float(np.median(np.abs(residual[sky] - np.median(residual[sky]))))
    # A mean over B pixels removes A/B of the variance at every lag (A is the sum sought).
    removed = float((1.0 / (share[sky] * box**2)).mean())
    return level, sigma, _correlation(residual, sky, removed)


def _correlation(field, sky, removed, reach: int = 3) -> float:
    """Sum of the autocorrelation over lags of up to `reach` px, of pixels that are zero outside `sky`."""
    weight = sky.astype(np.float64)
    total = 0.0
    zero = (field**2).sum() / weight.sum()
    n_y, n_x = field.shape
    for dy in range(-reach, reach + 1):
        for dx in range(-reach, reach + 1):
            here = slice(max(0, dy), n_y + min(0, dy)), slice(max(0, dx), n_x + min(0, dx))
            there = slice(max(0, -dy), n_y + min(0, -dy)), slice(max(0, -dx), n_x + min(0, -dx))
            pairs = (weight[here] * weight[there]).sum()
            total += (field[here] * field[there]).sum() / pairs if pairs else 0.0
    ratio = total / zero
    return ratio / (1 - removed * ((2 * reach + 1) ** 2 - ratio))


@dataclass(frozen=True)
class Moffat:
    """An elliptical Moffat profile: I ~ (1 + r^2)^-beta, r^2 = ((1 + e1) x^2 + (1 - e1)
    y^2 + 2 e2 x y) / a^2, pixels.
    """

    flux: float
    x: float
    y: float
    a: float
    beta: float
    e1: float
    e2: float
    snr: float = np.nan
    misfit: float = np.nan

    @property
    def ellipticity(self) -> float:
        return float(np.hypot(self.e1, self.e2))

    @property
    def area(self) -> float:
        """Noise-equivalent area, pi a^2 (2 beta - 1) / (beta - 1)^2 over sqrt(1 - e^2)."""
        return np.pi * self.a**2 * (2 * self.beta - 1) / (self.beta - 1) ** 2 / np.sqrt(1 - self.ellipticity**2)

    @property
    def fwhm(self) -> float:
        """Core FWHM, geometric mean of the axes."""
        return 2 * self.a * np.sqrt(2 ** (1 / self.beta) - 1) * (1 - self.ellipticity**2) ** -0.25

    def image(self, size: int) -> np.ndarray:
        """The profile centred on a (size, size) array, sum 1."""
        offset = np.arange(size) - (size - 1) / 2
        values = _moffat(offset[None, :], offset[:, None], self.a, self.beta, self.e1, self.e2)
        return values / values.sum()


def _moffat(x, y, a, beta, e1, e2):
    return (1 + ((1 + e1) * x**2 + (1 - e1) * y**2 + 2 * e2 * x * y) / a**2) ** -beta


def fit_moffat(image: np.ndarray, sigma: float, model_error: float = 0.03) -> Moffat:
    """Moffat that fits an image of one source best, with a level below it.

    Parameters
    ----------
    image : (n, n) array
        The source near its centre.
    sigma : float
        Noise per pixel.
    model_error : float
        Share of the pixel's light by which a true PSF may differ from a Moffat; added to the noise in squares.

    Returns
    -------
    Moffat
        `snr` is the peak-to-noise times the square root of the noise-equivalent area; `misfit` the mean squared
        residual in units of noise and model error.
    """
    image = np.asarray(image, dtype=np.float64)
    offset = np.arange(len(image)) - (len(image) - 1) / 2
    x, y = offset[None, :], offset[:, None]
    light = np.clip(image - np.median(image), 0, None)
    error = np.sqrt(sigma**2 + (model_error * light) ** 2)
    peak = light.max()

    def residual(p):
        height, x0, y0, a, beta, e1, e2, level = p
        return ((peak * height * _moffat(x - x0, y - y0, a, beta, e1, e2) + sigma * level - image) / error).ravel()

    start = [1.0, 0.0, 0.0, 3.0, 2.7, 0.0, 0.0, 0.0]
    limits = ([0, -3, -3, 0.5, 1.3, -0.6, -0.6, -20], [10, 3, 3, 15, 9, 0.6, 0.6, 20])
    found = optimize.least_squares(residual, start, bounds=limits, x_scale=[1, 1, 1, 1, 1, 0.2, 0.2, 1])
    height, x0, y0, a, beta, e1, e2, _ = found.x
    fit = Moffat(peak * height, x0, y0, a, beta, e1, e2)
    snr = peak * height * np.sqrt(fit.area) / sigma
    return Moffat(peak * height, x0, y0, a, beta, e1, e2, snr, 2 * found.cost / image.size)


@dataclass(frozen=True)
class StarRule:
    """When a source of a stamp is taken for a star, in every band; angles in arcsec."""

    snr: float = 40.0
    misfit: float = 2.2
    ellipticity: float = 0.16
    beta: tuple[float, float] = (1.9, 6.0)
    psfsize: tuple[float, float] = (0.7, 1.9)
    band_ratio: tuple[float, float] = (0.65, 1.55)  # PSFSIZE of a band over that of the detection band
    from_centre: float = 4.0
    half_width: float = 2.4


def find_star(
    image: np.ndarray, sigma: np.ndarray, pixel_scale: float, detect: int = 1, rule: StarRule | None = None
) -> list[Moffat] | None:
    """The brightest source of a stamp that is a star by the rule in all its bands; one Moffat a band, or None.

    Galaxies fail on beta (their wings), ellipticity, width, or on the ratio of widths between bands.

    Parameters
    ----------
    image : (band, y, x) array
        NaN where nothing was observed.
    sigma : (band,) array
        Noise per pixel.
    pixel_scale : float
        Arcsec per pixel.
    detect : int
        Index of the band to find sources in.
    """
    rule = rule or StarRule()
    if not np.all(np.isfinite(sigma)):
        return None
    half = round(rule.half_width / pixel_scale)
    n_y, n_x = image.shape[-2:]
    sources = np.where(np.isfinite(image[detect]), image[detect], 0.0)
    smooth = ndimage.gaussian_filter(sources, 0.5 / pixel_scale)
    peaks = (smooth == ndimage.maximum_filter(smooth, 2 * half + 1)) & (smooth > 8 * sigma[detect])
    found = []
    for y, x in np.argwhere(peaks):
        inside = half <= y < n_y - half and half <= x < n_x - half
        away = np.hypot(y - (n_y - 1) / 2, x - (n_x - 1) / 2) * pixel_scale >= rule.from_centre
        window = image[:, y - half : y + half + 1, x - half : x + half + 1]
        if not (inside and away and np.isfinite(window).all()):
            continue
        fits = [fit_moffat(values, noise) for values, noise in zip(window, sigma, strict=True)]
        if _is_star(fits, pixel_scale, detect, rule):
            found.append(fits)
    return max(found, key=lambda fits: fits[detect].snr) if found else None


def _is_star(fits, pixel_scale, detect, rule) -> bool:
    size = [_SIGMA_TO_FWHM * np.sqrt(fit.area / (4 * np.pi)) * pixel_scale for fit in fits]
    return all(
        fit.snr >= rule.snr
        and fit.misfit <= rule.misfit
        and fit.ellipticity <= rule.ellipticity
        and rule.beta[0] <= fit.beta <= rule.beta[1]
        and rule.psfsize[0] <= width <= rule.psfsize[1]
        and rule.band_ratio[0] <= width / size[detect] <= rule.band_ratio[1]
        and max(abs(fit.x), abs(fit.y)) < 1.5
        for fit, width in zip(fits, size, strict=True)
    )


def star_psf(image: np.ndarray, sigma: np.ndarray, pixel_scale: float, size: int, detect: int = 1) -> np.ndarray | None:
    """PSF images measured on the best star of a stamp: the Moffats fitted to it, (band, size, size),
    sum 1; None without one.

    They include the pixel, as the star's image does.
    """
    star = find_star(image, sigma, pixel_scale, detect)
    return None if star is None else np.stack([fit.image(size) for fit in star])
