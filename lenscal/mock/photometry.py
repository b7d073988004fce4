"""What a catalogue measures of a known light profile: fibre fluxes, noise areas, blending."""

from __future__ import annotations

from functools import lru_cache

import galsim
import numpy as np
from scipy.interpolate import RegularGridInterpolator

from lenscal.mock import shapes

_N = (0.5, 1.0, 2.0, 4.0, 6.2)
_R = (0.02, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0)
_FIBRE_RADIUS, _FIBRE_SEEING = 0.75, 1.0  # arcsec


@lru_cache(maxsize=1)
def _fibre_table() -> RegularGridInterpolator:
    scale, size = 0.1, 41
    seeing = galsim.Gaussian(fwhm=_FIBRE_SEEING)
    axis = (np.arange(size) - size // 2) * scale
    fibre = np.hypot(*np.meshgrid(axis, axis)) < _FIBRE_RADIUS
    values = [
        [
            galsim.Convolve([shapes.sersic(n, r, 1.0, 0.0), seeing], gsparams=shapes.ACCURACY)
            .drawImage(nx=size, ny=size, scale=scale, method="no_pixel")
            .array[fibre]
            .sum()
            for r in _R
        ]
        for n in _N
    ]
    return RegularGridInterpolator((_N, np.log(_R)), np.array(values))


def fibre_fraction(n: np.ndarray, radius: np.ndarray) -> np.ndarray:
    """Share of the light of a profile within a fibre 1.5 arcsec wide at 1 arcsec seeing.

    Parameters
    ----------
    n : (m,) array
        Sersic index (0 for a point).
    radius : (m,) array
        Circularised half-light radius in arcsec (0 for a point).
    """
    points = np.column_stack([np.clip(n, _N[0], _N[-1]), np.log(np.clip(radius, _R[0], _R[-1]))])
    return _fibre_table()(points)


@lru_cache(maxsize=1)
def _galaxy_table() -> tuple[np.ndarray, np.ndarray]:
    sizes = np.linspace(0.7, 2.6, 9)
    galaxy = galsim.Exponential(half_light_radius=0.45)

    def area(profile: galsim.GSObject) -> float:
        image = profile.drawImage(nx=161, ny=161, scale=0.1, method="no_pixel").array
        return image.sum() ** 2 / (image.astype(float) ** 2).sum()

    ratio = [area(galsim.Gaussian(fwhm=s)) / area(galsim.Convolve([galaxy, galsim.Gaussian(fwhm=s)])) for s in sizes]
    return sizes, np.array(ratio)


def galaxy_depth(psfdepth: np.ndarray, psfsize: np.ndarray) -> np.ndarray:
    """GALDEPTH: inverse variance of the flux of a 0.45 arcsec round exponential, from that of a point source."""
    return psfdepth * np.interp(psfsize, *_galaxy_table())


def noise_area(psfsize: np.ndarray, radius: np.ndarray) -> np.ndarray:
    """Noise-equivalent area [arcsec^2] of a profile of that circularised half-light radius behind the PSF."""
    return 4 * np.pi * ((psfsize / 2.3548) ** 2 + (0.75 * radius) ** 2)


def blending(
    x: np.ndarray, y: np.ndarray, flux: np.ndarray, radius: np.ndarray, psfsize: float
) -> tuple[np.ndarray, np.ndarray]:
    """Blending of the objects of one brick, their profiles taken as Gaussians.

    Parameters
    ----------
    x, y : (m,) arrays
        Positions in arcsec.
    flux, radius : (m,) arrays
        Nanomaggies; circularised half-light radius in arcsec.
    psfsize : float
        In arcsec.

    Returns
    -------
    fracflux : (m,) array
        Light of the others, weighted by an object's own profile, over its own light so weighted.
    neighbour_light : (m,) array
        Light of the others in its fibre, in nanomaggies.
    """
    distance = np.hypot(x[:, None] - x, y[:, None] - y) ** 2
    variance = (psfsize / 2.3548) ** 2 + (0.6 * radius) ** 2
    both = variance[:, None] + variance
    weight = 2 * variance[:, None] / both * np.exp(-0.5 * distance / both)
    np.fill_diagonal(weight, 0)
    in_fibre = (_FIBRE_SEEING / 2.3548) ** 2 + (0.6 * radius) ** 2
    share = (1 - np.exp(-(_FIBRE_RADIUS**2) / (2 * in_fibre))) * np.exp(-0.5 * distance / in_fibre)
    np.fill_diagonal(share, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        fracflux = np.where(flux > 0, weight @ flux / flux, 0.0)
    return fracflux, share @ flux
