"""Magnitudes of fluxes and of depths."""

from __future__ import annotations

import numpy as np


def magnitude(flux, zeropoint) -> np.ndarray:
    """Magnitude of a flux; NaN where the flux is zero, negative or unknown. It has the dtype of the flux."""
    flux = np.asarray(flux)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(flux > 0, zeropoint - 2.5 * np.log10(flux), np.nan).astype(flux.dtype)


def depth(ivar, zeropoint) -> np.ndarray:
    """5-sigma magnitude of the inverse variance of a flux; NaN where it is zero, negative or unknown."""
    ivar = np.asarray(ivar, "f8")
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(ivar > 0, zeropoint - 2.5 * np.log10(5 / np.sqrt(ivar)), np.nan)


WAVELENGTHS = {"g": 473.0, "r": 642.0, "i": 784.0, "z": 926.0}
"""Effective wavelengths of DECam [nm] (Abbott et al. 2018, ApJS 239, 18)."""

I_SHARE = float(np.log(WAVELENGTHS["i"] / WAVELENGTHS["r"]) / np.log(WAVELENGTHS["z"] / WAVELENGTHS["r"]))
"""Where i lies between r and z in the logarithm of the wavelength: 0.546."""


def i_between(mag_r, mag_z) -> np.ndarray:
    """Magnitude in i of light whose flux density is a power law of wavelength between r and z."""
    return mag_r + I_SHARE * (mag_z - mag_r)


MAGNITUDES = (15.0, 40.0)
"""Every 5-sigma magnitude of any survey lies between."""


def no_magnitudes(depths) -> np.ndarray:
    """Which depths are known (above 0) and can be no magnitude: they lie outside `MAGNITUDES`."""
    depths = np.asarray(depths)
    low, high = MAGNITUDES
    return (depths > high) | ((depths > 0) & (depths < low))


def are_inverse(depths) -> bool:
    """Whether depths of one unit are inverse variances: one of them can be no magnitude."""
    return bool(np.any(no_magnitudes(depths)))
