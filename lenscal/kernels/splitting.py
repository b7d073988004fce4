"""Which split a piece of sky belongs to."""

from __future__ import annotations

import numpy as np

from lenscal.kernels import draws


def split_codes(pixels, seed, fractions) -> np.ndarray:
    """Split of each sky pixel: its uniform number against explicit bounds, in the order train, val, test.

    Parameters
    ----------
    pixels : integer array, any shape
        HEALPix pixels, nested; negative where there is no position.
    seed : int
        Of the run.
    fractions : (float, float, float)
        Shares of train, val and test; they add to 1.

    Returns
    -------
    int8 array, of the shape of `pixels`
        0 train, 1 val, 2 test, -1 without a position. It depends on the pixel's number and the seed only.
    """
    pixels = np.asarray(pixels)
    number = draws.uniform(seed, "split", pixels)
    train, val, _ = fractions
    codes = (number >= train).astype(np.int8) + (number >= train + val).astype(np.int8)
    return np.where(pixels < 0, np.int8(-1), codes)
