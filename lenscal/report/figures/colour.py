"""Colour pictures of g, r, z images."""

from __future__ import annotations

import numpy as np

SCALES = {"g": 6.0, "r": 3.4, "z": 2.2}
PEDESTAL, SOFTENING = 0.03, 20.0


def grz(image: np.ndarray) -> np.ndarray:
    """Arcsinh colours, one stretch for all images, so that brightness compares between them.

    The intensity is stretched and the colour kept (Lupton et al. 2004), with the scales of the Legacy Surveys' viewer.

    Parameters
    ----------
    image : (3, y, x) array
        g, r, z in nanomaggy per pixel; NaN where nothing was observed.

    Returns
    -------
    (y, x, 3) array
        Red, green, blue in [0, 1]; mid-grey where any band was not observed.
    """
    light = {band: image[i].astype(np.float64) * scale + PEDESTAL for i, (band, scale) in enumerate(SCALES.items())}
    intensity = sum(np.maximum(plane, 0) for plane in light.values()) / 3
    stretched = np.arcsinh(SOFTENING * intensity) / np.sqrt(SOFTENING)
    gain = np.divide(stretched, intensity, out=np.zeros_like(intensity), where=intensity > 0)
    picture = np.clip(np.stack([light[band] * gain for band in "zrg"], axis=-1), 0, 1)
    return np.where(np.isfinite(image).all(0)[..., None], picture, 0.5)
