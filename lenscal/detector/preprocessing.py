"""From stamps in nanomaggies to what the network sees: one fixed function, for training and for scoring."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from lenscal.errors import InputError

FILL = 0.0  # nanomaggy: coadds are sky-subtracted, so an unobserved pixel looks like empty sky
SOFTENING = 3.0  # of the stretch, in robust sigma of the band: linear within the noise, logarithmic in the core


def crop_start(stamp: int, size: int) -> int:
    """First row and column of a centre crop, as everywhere in lenscal."""
    if stamp < size:
        raise InputError(
            f"stamps are {stamp} px, smaller than detector.size {size}; cut larger stamps or lower detector.size"
        )
    return (stamp - size) // 2


@dataclass(frozen=True)
class Preprocessing:
    """Centre crop, fill, arcsinh stretch.

    Nothing is measured on the image at hand: the scales are those of the training set and travel in the artifact.

    Parameters
    ----------
    bands : tuple of str
        In the order the network sees them.
    size : int
        Of the crop, in pixels.
    scale : tuple of float
        Softening of the stretch per band, in nanomaggy per pixel.
    """

    bands: tuple[str, ...]
    size: int
    scale: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.scale) != len(self.bands) or not all(np.isfinite(s) and s > 0 for s in self.scale):
            raise InputError(
                f"preprocessing scales are {self.scale} nanomaggy for bands {self.bands}; "
                "expected one positive number each"
            )

    def __call__(self, stamps: np.ndarray) -> np.ndarray:
        """What the network sees of stamps (n, band, y, x) in nanomaggy: (n, band, size, size), float32.

        Pixels that are not finite, or masked, become `FILL`, then every pixel becomes arcsinh(flux / scale of its
        band).
        """
        if stamps.ndim != 4 or stamps.shape[1] != len(self.bands) or stamps.shape[2] != stamps.shape[3]:
            raise InputError(
                f"stamps have shape {stamps.shape}; expected (n, {len(self.bands)}, y, x), square, bands {self.bands}"
            )
        start = crop_start(stamps.shape[-1], self.size)
        crop = unmasked(stamps[:, :, start : start + self.size, start : start + self.size])
        crop = np.where(np.isfinite(crop), crop, np.float32(FILL)).astype(np.float32, copy=False, order="C")
        crop /= np.asarray(self.scale, np.float32)[:, None, None]
        return np.arcsinh(crop, out=crop)

    def observed(self, stamps: np.ndarray) -> np.ndarray:
        """Whether the crop of each stamp holds at least one finite pixel in every band."""
        start = crop_start(stamps.shape[-1], self.size)
        crop = unmasked(stamps[:, :, start : start + self.size, start : start + self.size])
        return np.isfinite(crop).any((2, 3)).all(1)

    def record(self) -> dict:
        """For the artifact; `from_record` reads it."""
        return {
            "function": "centre crop, fill, arcsinh(flux / scale)",
            "bands": list(self.bands),
            "size": self.size,
            "scale_nanomaggy": list(self.scale),
            "fill_nanomaggy": FILL,
        }

    @classmethod
    def from_record(cls, record: Mapping) -> Preprocessing:
        """The function an artifact was trained with.

        Raises
        ------
        ValueError
            When the record asks for something this version does not do.
        """
        made = cls(tuple(record["bands"]), int(record["size"]), tuple(record["scale_nanomaggy"]))
        if made.record() != dict(record):
            raise InputError(
                f"detector.json asks for preprocessing {dict(record)}; this version of lenscal does {made.record()}"
            )
        return made


def unmasked(values: np.ndarray) -> np.ndarray:
    """An array with NaN where a masked one was masked; others as they are."""
    if not np.ma.isMaskedArray(values):
        return np.asarray(values)
    return values.astype(np.result_type(values.dtype, np.float32)).filled(np.nan)


def robust_sigma(stamps: np.ndarray) -> np.ndarray:
    """Typical robust scatter of the pixels of each band: median over stamps of 1.4826 MAD.

    Parameters
    ----------
    stamps : (n, band, y, x) array
        In nanomaggy; NaN where nothing was observed.

    Returns
    -------
    (band,) float array
        In nanomaggy per pixel.
    """
    stamps = unmasked(stamps)
    flat = np.where(np.isfinite(stamps), stamps, np.nan).reshape(*stamps.shape[:2], -1).astype(np.float64)
    seen = np.isfinite(flat).any(2)
    flat = np.where(seen[..., None], flat, 0.0)
    deviation = np.nanmedian(np.abs(flat - np.nanmedian(flat, 2, keepdims=True)), 2)
    return np.array(
        [1.4826 * np.median(deviation[seen[:, b], b]) if seen[:, b].any() else np.nan for b in range(stamps.shape[1])]
    )
