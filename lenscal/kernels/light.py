"""Light of sources and of the point spread function, on plain arrays."""

from functools import cache

import numpy as np
from scipy.special import gammainc, gammaincinv, gammaln

PSFSIZE_PER_SIGMA = 2.3548200450309493  # FWHM of a Gaussian over its sigma


def sersic_b(n) -> np.ndarray:
    """b_n of a Sersic profile: gammainc(2n, b_n) = 1/2, so that R_e holds half the light."""
    return gammaincinv(2 * np.asarray(n, float), 0.5)


def sersic_central(n, r_e) -> np.ndarray:
    """Surface brightness at R = 0 of a Sersic profile of unit flux, per arcsec^2.

    Flux = 2 pi n R_e^2 b^(-2n) Gamma(2n) I_0 (Ciotti & Bertin 1999, equation 4); no axis ratio, since R_e lies along
    the intermediate axis.
    """
    n = np.asarray(n, float)
    return np.exp(2 * n * np.log(sersic_b(n)) - gammaln(2 * n)) / (2 * np.pi * n * np.square(r_e))


def sersic(x, y, n, r_e, q=1.0, phi=0.0, source_x=0.0, source_y=0.0) -> np.ndarray:
    """Surface brightness of a Sersic profile of unit flux.

    Parameters
    ----------
    x, y : float or array
        In the source plane, arcsec.
    n, r_e : float
        Sersic index; half-light radius along the intermediate axis, arcsec.
    q, phi : float
        Axis ratio, and the angle of the major axis from +x, radians.
    source_x, source_y : float
        Centre, arcsec.

    Returns
    -------
    float or array
        Per arcsec^2.
    """
    c, s = np.cos(phi), np.sin(phi)
    dx, dy = x - source_x, y - source_y
    radius = np.sqrt(q * (c * dx + s * dy) ** 2 + (c * dy - s * dx) ** 2 / q) / r_e
    return sersic_central(n, r_e) * np.exp(-sersic_b(n) * radius ** (1 / n))


def soft_core(n, radius) -> np.ndarray:
    """Bump that holds, inside a radius, the flux of the Sersic cusp it stands for.

    For R below `radius` the profile is replaced by I(radius) (1 + a (1 - R^2/radius^2)^2): smooth, continuous with its
    slope's bump at the rim, and of the same flux, so that a grid of about that spacing can sample it.

    Parameters
    ----------
    n, radius : float or array
        Sersic index; radius in units of R_e, > 0.

    Returns
    -------
    float or array
        The height a.
    """
    n, radius = np.asarray(n, float), np.asarray(radius, float)
    b = sersic_b(n)
    x = b * radius ** (1 / n)
    # Flux inside the radius over pi radius^2 I(radius).
    mean = 2 * n * np.exp(gammaln(2 * n) + x - 2 * n * np.log(x)) * gammainc(2 * n, x)
    return 3 * (mean - 1)


def moffat_fwhm(psfsize, beta) -> np.ndarray:
    """Core FWHM of the Moffat profile whose noise-equivalent area is that of a PSFSIZE.

    NEA = pi a^2 (2b - 1)/(b - 1)^2 and PSFSIZE = 2.3548 sqrt(NEA/4 pi) (docs/conventions.md).
    """
    beta = np.asarray(beta, float)
    scale = np.sqrt((2 ** (1 / beta) - 1) / (2 * beta - 1))
    return psfsize * 4 * (beta - 1) * scale / PSFSIZE_PER_SIGMA


def moffat(fwhm, beta, size, pixel_scale) -> np.ndarray:
    """Image of an effective Moffat PSF (the pixel is already in it), sampled at pixel centres.

    Parameters
    ----------
    fwhm, beta : float
        Core FWHM in arcsec; exponent, > 1.
    size : int
        Side in pixels, odd.
    pixel_scale : float
        Arcsec per pixel.

    Returns
    -------
    (size, size) array
        Sum 1.
    """
    a = fwhm / (2 * np.sqrt(2 ** (1 / beta) - 1))
    r2, which = _circles(size, pixel_scale)
    image = ((1 + r2 / a**2) ** -beta)[which]
    return image / image.sum()


@cache
def _circles(size: int, pixel_scale: float) -> tuple[np.ndarray, np.ndarray]:
    """Squared distances from the middle of an image, each once, and which of them every pixel (y, x) has."""
    r = (np.arange(size) - (size - 1) / 2) * pixel_scale
    values, which = np.unique(r[:, None] ** 2 + r**2, return_inverse=True)
    return values, which.reshape(size, size)


def core_fwhm(psf, pixel_scale, fine=5) -> np.ndarray:
    """FWHM of the core of PSF images: diameter of the circle with the area in which they exceed half their peak.

    Parameters
    ----------
    psf : (..., y, x) array
        Odd sides, centred on the middle pixel; a core narrower than 20 pixels.
    pixel_scale : float
        Unit of the result per pixel.
    fine : int
        Points along a pixel at which a cubic spline is evaluated.

    Returns
    -------
    (...) array
        NaN for images without light.
    """
    from scipy.interpolate import make_interp_spline  # a third of a second that few calls need

    psf = np.asarray(psf, float)
    middle, reach = np.array(psf.shape[-2:]) // 2, np.minimum(np.array(psf.shape[-2:]) // 2, 10)
    core = psf[..., middle[0] - reach[0] : middle[0] + reach[0] + 1, middle[1] - reach[1] : middle[1] + reach[1] + 1]
    if min(core.shape[-2:]) <= 3:
        return np.full(psf.shape[:-2], np.nan)
    # A spline is linear in what it goes through: one matrix for each axis serves all images.
    along_y, along_x = (
        make_interp_spline(np.arange(side), np.eye(side))(np.linspace(0, side - 1, (side - 1) * fine + 1))
        for side in core.shape[-2:]
    )
    image = along_y @ core @ along_x.T
    peak = image.max((-2, -1))
    area = (image > peak[..., None, None] / 2).sum((-2, -1))
    return np.where(peak > 0, 2 * np.sqrt(area / np.pi) / fine * pixel_scale, np.nan)


def half_light_radius(image, pixel_scale, finer=1) -> tuple[float, tuple[float, float]]:
    """Radius about the centroid that holds half the light of an image, and the centroid.

    Parameters
    ----------
    image : (y, x) array
        Sum 1; negative pixels allowed.
    pixel_scale : float
        Arcsec per pixel.
    finer : int
        Each pixel is taken as so many squared, of equal light; for galaxies of a few pixels.

    Returns
    -------
    tuple of float
        Radius in arcsec; centroid (x, y) in pixels.
    """
    image = np.kron(image, np.full((finer, finer), 1 / finer**2)) if finer > 1 else image
    y, x = ((place + 0.5) / finer - 0.5 for place in np.indices(image.shape))
    light = np.clip(image, 0, None)
    centre_x, centre_y = (light * x).sum() / light.sum(), (light * y).sum() / light.sum()
    radius = np.hypot(x - centre_x, y - centre_y).ravel()
    order = np.argsort(radius, kind="stable")
    curve = np.cumsum(image.ravel()[order])
    first = int(np.argmax(curve >= 0.5 * curve[-1]))
    return float(radius[order][first] * pixel_scale), (float(centre_x), float(centre_y))
