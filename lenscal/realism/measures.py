"""What is measured on the pixels of a lens, real or injected: one estimator for both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lenscal import arclight, config, schema
from lenscal.errors import InputError
from lenscal.kernels import arcs, features
from lenscal.kernels import pixels as sky

NOISE_EDGES = np.round(np.arange(-6, 6.025, 0.05), 3)
"""Of fine noise in units of the sky's; what lies beyond counts in the last bin."""
NOISE_REACH = 3.0  # pixels on both sides of the arc's radius
RING = (33.0, 48.0)  # pixels, of a 101 px stamp; scaled down to smaller ones
STRUCTURE = ("concentration", "extent", "opposite")
COLOURS = ("colour_gr", "colour_rz")


@dataclass(frozen=True)
class Pixels:
    """Measures of some images: one row each in every member.

    `table` has radius [arcsec], snr_g, snr_r, snr_z (snr_i of images that have i), colour_gr, colour_rz [mag],
    concentration, extent, opposite;
    `noise` is (n, band, bin), counts of pixels; `texture` (n, feature) of what is left beside the host's model;
    `host_texture` the same of the model itself.
    """

    table: pd.DataFrame
    noise: np.ndarray
    texture: np.ndarray
    host_texture: np.ndarray
    bands: tuple[str, ...] = schema.BANDS

    def rows(self, chosen: np.ndarray) -> Pixels:
        """Those of some of the images."""
        return Pixels(
            self.table.iloc[chosen].reset_index(drop=True),
            self.noise[chosen],
            self.texture[chosen],
            self.host_texture[chosen],
            self.bands,
        )


def centred(images: np.ndarray, stamp: int) -> np.ndarray:
    """Images with the galaxy in the middle pixel: a crop of odd difference from its stamp loses
    its first row and column.
    """
    cut = (stamp - images.shape[-1]) % 2
    return images[..., cut:, cut:]


def pixels(
    images: np.ndarray,
    sigma: np.ndarray,
    correlation: np.ndarray,
    reference: np.ndarray,
    settings: config.Realism,
    bands: Sequence[str] = schema.BANDS,
) -> Pixels:
    """Measures of images.

    Parameters
    ----------
    images : (n, band, y, x) array
        Nanomaggy, galaxy in the middle (`centred`); NaN where nothing was observed.
    sigma, correlation : (n, band) array
        Noise of the sky of each stamp and the sum of its autocorrelation, as in `schema.QUALITY`.
    reference : (n, band, y, x) array
        The same stamps as observed: their sky ring gives the unit of the fine noise. For a real lens the image itself,
        for an injection its host before.
    settings : config.Realism
    bands : sequence of str
        Of the images.
    """
    images = np.asarray(images, np.float32)
    if images.ndim != 4 or images.shape != np.shape(reference) or images.shape[1] != len(bands):
        raise InputError(
            f"realism: images are {images.shape}, their references {np.shape(reference)}; expected (n, "
            f"{len(bands)}, y, x) both"
        )
    if len(images) and not (
        np.isfinite(sigma).all() and np.isfinite(correlation).all() and np.min(sigma) > 0 and np.min(correlation) > 0
    ):
        raise InputError(
            "realism: a stamp has no positive noise; leave out stamps whose sigma or "
            "noise_correlation is not a positive number"
        )
    light = arclight.measured(images, sigma, correlation, settings.radius_arcsec, bands)
    found = light.arcs
    table = pd.DataFrame({"radius": found.radius * schema.PIXEL_SCALE})
    for b, band in enumerate(bands):
        table[f"snr_{band}"] = found.snr[:, b]
    visible = light.snr >= settings.arc_snr_min
    for name, (blue, red) in zip(COLOURS, ("gr", "rz")):
        first, second = (found.bright[:, bands.index(band)] for band in (blue, red))
        table[name] = np.where(visible, _colour(first, second), np.nan)
    for name in STRUCTURE:
        table[name] = np.where(visible, getattr(found, name), np.nan)
    scaled = np.asarray(sigma, float)[..., None, None]
    middle = images.shape[-1] // 2
    half = min(settings.probe_window // 2, middle)
    window = (..., slice(middle - half, middle + half + 1), slice(middle - half, middle + half + 1))
    return Pixels(
        table,
        _noise(images, reference, found.radius),
        features.texture((light.residuals / scaled)[window]),
        features.texture((light.models / scaled)[window]),
        tuple(bands),
    )


def _colour(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Magnitude of the first less that of the second flux; infinite where one has no light, so that
    a median still counts it.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.maximum(first, 0) / np.maximum(second, 0)
        return -2.5 * np.log10(ratio)


def _noise(images: np.ndarray, reference: np.ndarray, radius: np.ndarray) -> np.ndarray:
    """Counts (n, band, bin) of the fine noise around the arc, in units of the sky ring's of the reference."""
    size = images.shape[-1]
    r = sky.radius(size)
    ring = sky.ring(size, *RING)
    out = np.zeros((*images.shape[:2], NOISE_EDGES.size - 1), np.int64)
    middle = 0.5 * (NOISE_EDGES[:-1] + NOISE_EDGES[1:])
    for row, band in np.ndindex(images.shape[:2]):
        outside = arcs.fine_noise(reference[row, band])[ring]
        outside = outside[np.isfinite(outside)]
        inside = arcs.fine_noise(images[row, band])[np.abs(r - radius[row]) <= NOISE_REACH]
        inside = inside[np.isfinite(inside)]
        if outside.size < sky.PIXELS_MIN or not inside.size:
            continue
        unit = sky.MAD_TO_SIGMA * np.median(np.abs(outside - np.median(outside)))
        if unit > 0:
            out[row, band] = np.histogram(np.clip(inside / unit, middle[0], middle[-1]), NOISE_EDGES)[0]
    return out
