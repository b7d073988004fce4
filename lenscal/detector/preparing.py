"""From stamps in nanomaggies to what a brought detector is shown, as its declaration says."""

from __future__ import annotations

import numpy as np

from lenscal.detector.declaration import Declaration
from lenscal.detector.preprocessing import crop_start, unmasked
from lenscal.errors import InputError

NANOMAGGY = 22.5
STRETCH = {
    "none": lambda x: x,
    "arcsinh": np.arcsinh,
    "sqrt": lambda x: np.sign(x) * np.sqrt(np.abs(x)),
    "log": lambda x: np.sign(x) * np.log1p(np.abs(x)),
}


def cropped(stamps: np.ndarray, declaration: Declaration) -> np.ndarray:
    """Centre crop (n, band, size, size) of stamps (n, band, y, x) [nanomaggy]; masked pixels are NaN.

    Raises
    ------
    InputError
        The stamps have another number of bands, are not square, or are smaller than the crop.
    """
    stamps, n_band = unmasked(stamps), len(declaration.bands)
    if stamps.ndim != 4 or stamps.shape[1] != n_band or stamps.shape[2] != stamps.shape[3]:
        raise InputError(
            f"detector: images have shape {stamps.shape}; expected (n, {n_band}, y, x), square, "
            f"bands {tuple(declaration.bands)}"
        )
    start = crop_start(stamps.shape[-1], declaration.size)
    return stamps[:, :, start : start + declaration.size, start : start + declaration.size]


def prepared(crop: np.ndarray, declaration: Declaration) -> np.ndarray:
    """What the detector is shown: filled, scaled, stretched, in its type and layout.

    The result is native and C-ordered, because runtimes read foreign byte order in silence.
    """

    def by_band(numbers: list[float]) -> np.ndarray:
        return np.asarray(numbers, crop.dtype.newbyteorder("="))[:, None, None]

    precise = np.float64 if declaration.dtype == "float64" else np.float32
    shown = np.where(np.isfinite(crop), crop, declaration.fill).astype(precise)
    if declaration.zeropoint != NANOMAGGY:
        shown *= precise(10 ** (0.4 * (declaration.zeropoint - NANOMAGGY)))
    if any(declaration.offset):
        shown -= by_band(declaration.offset).astype(precise)
    if declaration.scale != [1.0]:
        shown /= by_band(declaration.scale).astype(precise)
    shown = STRETCH[declaration.stretch](shown)
    if declaration.clip is not None:
        shown = np.clip(shown, *declaration.clip)
    if declaration.layout == "channels_last":
        shown = np.moveaxis(shown, 1, -1)
    return np.ascontiguousarray(shown, np.dtype(declaration.dtype))
