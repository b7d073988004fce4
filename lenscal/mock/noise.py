"""Sky noise as the coadds have it: correlated over a few pixels by their resampling, with the depth that is stated."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.ndimage import correlate1d

from lenscal.mock.telescopes import TELESCOPES, Lags

_TAPS = 8
DECAM = TELESCOPES["DECam"].noise["r"]


@lru_cache
def kernel(lags: tuple[float, ...]) -> np.ndarray:
    """Symmetric filter (unit sum of squares) that gives white noise this autocorrelation: the root of its spectrum."""
    k = 2 * np.pi * np.fft.fftfreq(256)
    taps = np.fft.fftshift(np.fft.ifft(np.sqrt(spectrum(lags, k))).real)[128 - _TAPS : 128 + _TAPS + 1]
    return taps / np.sqrt((taps**2).sum())


def spectrum(lags: tuple[float, ...], k: np.ndarray) -> np.ndarray:
    """Power of unit-variance noise with these autocorrelations at wave number k [radian per pixel]."""
    return lags[0] + 2 * sum(lag * np.cos((j + 1) * k) for j, lag in enumerate(lags[1:]))


def unit(n: int, rng: np.random.Generator, lags: tuple[Lags, Lags] = DECAM) -> np.ndarray:
    """(n, n) float32 noise of unit variance with those autocorrelations along x and y."""
    along_x, along_y = lags
    white = rng.standard_normal((n + 2 * _TAPS, n + 2 * _TAPS), dtype=np.float32)
    smooth = correlate1d(correlate1d(white, kernel(along_x), axis=1), kernel(along_y), axis=0)
    return smooth[_TAPS : n + _TAPS, _TAPS : n + _TAPS]


def excess(psf: np.ndarray, lags: tuple[Lags, Lags] = DECAM) -> float:
    """How much more a PSF-weighted flux scatters in this noise than in white noise of equal pixel variance.

    sum |P|^2 S / sum |P|^2 over wave numbers, P the transform of the PSF and S the noise power.
    """
    along_x, along_y = lags
    power = np.abs(np.fft.fft2(psf)) ** 2
    k_y, k_x = (2 * np.pi * np.fft.fftfreq(length) for length in psf.shape)
    return float((power * spectrum(along_y, k_y)[:, None] * spectrum(along_x, k_x)).sum() / power.sum())
