"""Sky noise as the coadds have it: correlated over a few pixels by their resampling, with the depth that is stated."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.ndimage import correlate1d

ALONG_X = (1.0, 0.19, -0.09, 0.03)
ALONG_Y = (1.0, 0.27, -0.08, 0.02)
"""Autocorrelation at lags 0 to 3 px, as measured on DR10 cutouts."""
_TAPS = 8


@lru_cache
def kernel(lags: tuple[float, ...]) -> np.ndarray:
    """Symmetric filter (unit sum of squares) that gives white noise this autocorrelation: the root of its spectrum."""
    k = 2 * np.pi * np.fft.fftfreq(256)
    taps = np.fft.fftshift(np.fft.ifft(np.sqrt(spectrum(lags, k))).real)[128 - _TAPS : 128 + _TAPS + 1]
    return taps / np.sqrt((taps**2).sum())


def spectrum(lags: tuple[float, ...], k: np.ndarray) -> np.ndarray:
    """Power of unit-variance noise with these autocorrelations at wave number k [radian per pixel]."""
    return lags[0] + 2 * sum(lag * np.cos((j + 1) * k) for j, lag in enumerate(lags[1:]))


def unit(n: int, rng: np.random.Generator) -> np.ndarray:
    """(n, n) float32 noise of unit variance with those autocorrelations."""
    white = rng.standard_normal((n + 2 * _TAPS, n + 2 * _TAPS), dtype=np.float32)
    smooth = correlate1d(correlate1d(white, kernel(ALONG_X), axis=1), kernel(ALONG_Y), axis=0)
    return smooth[_TAPS : n + _TAPS, _TAPS : n + _TAPS]


def excess(psf: np.ndarray) -> float:
    """How much more a PSF-weighted flux scatters in this noise than in white noise of equal pixel variance.

    sum |P|^2 S / sum |P|^2 over wave numbers, P the transform of the PSF and S the noise power.
    """
    power = np.abs(np.fft.fft2(psf)) ** 2
    k_y, k_x = (2 * np.pi * np.fft.fftfreq(length) for length in psf.shape)
    return float((power * spectrum(ALONG_Y, k_y)[:, None] * spectrum(ALONG_X, k_x)).sum() / power.sum())
