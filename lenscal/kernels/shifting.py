"""Images shifted by half a pixel: what lay between four pixels lies on one."""

from __future__ import annotations

import numpy as np

_RIM = 16  # pixels mirrored beyond each edge, so that one edge does not reach the other


def half_pixel(image: np.ndarray) -> np.ndarray:
    """Image shifted by half a pixel along both axes, towards larger indices: the middle of an even side n, at (n - 1) /
    2, comes to lie on pixel n / 2.

    The shift is exact for what pixels can hold (band-limited, Whittaker and Shannon), so it neither blurs nor
    correlates white noise; an average of neighbours would do both.

    Parameters
    ----------
    image : (..., y, x) array
        NaN where nothing was observed.

    Returns
    -------
    (..., y, x) float64 array
        NaN in the first row and column, which would need what lies beyond the edge, and where one of the four pixels
        about was not observed.
    """
    image = np.asarray(image, np.float64)
    missing = ~np.isfinite(image)
    observed = np.where(missing, np.nan, image)
    with np.errstate(all="ignore"):
        level = np.nanmedian(observed, axis=(-2, -1), keepdims=True) if not missing.all() else np.zeros(1)
    filled = np.where(missing, np.nan_to_num(level), image)
    for axis in (-2, -1):
        filled = _shifted(filled, axis)
    gone = np.ones_like(missing)
    gone[..., 1:, 1:] = any_of_four(missing)[..., 1:, 1:]
    return np.where(gone, np.nan, filled)


def _shifted(values: np.ndarray, axis: int) -> np.ndarray:
    """Along one axis, by the phases of its Fourier transform, mirrored beyond its ends."""
    n = values.shape[axis]
    rim = min(_RIM, n - 1)
    pads = [(0, 0)] * values.ndim
    pads[axis] = (rim, rim)
    padded = np.moveaxis(np.pad(values, pads, mode="symmetric"), axis, -1)
    frequency = np.fft.rfftfreq(padded.shape[-1])
    moved = np.fft.irfft(np.fft.rfft(padded) * np.exp(-1j * np.pi * frequency), n=padded.shape[-1])
    return np.moveaxis(moved[..., rim : rim + n], -1, axis)


def any_of_four(flags: np.ndarray) -> np.ndarray:
    """Bits (or truths) that any of the four pixels has, between which a pixel of the shifted image lies; of the first
    row and column, of those that there are.
    """
    out = flags.copy()
    out[..., 1:, :] |= flags[..., :-1, :]
    out[..., 1:] |= out[..., :-1].copy()
    return out


def mean_of_four(weights: np.ndarray) -> np.ndarray:
    """Mean inverse variance of those four pixels; 0 in the first row and column, and where one of the four is 0; NaN
    where it is not known of one.
    """
    weights = np.asarray(weights, np.float64)
    four = np.stack(
        [weights[..., 1:, 1:], weights[..., :-1, 1:], weights[..., 1:, :-1], weights[..., :-1, :-1]], axis=0
    )
    out = np.zeros_like(weights)
    out[..., 1:, 1:] = np.where((four == 0).any(0), 0, four.mean(0))
    return out
