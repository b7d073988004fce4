"""Stamps of a sheet: one picture in place of many."""

from __future__ import annotations

import io

import numpy as np

QUALITY = 80


def sheet(pictures: np.ndarray, columns: int) -> bytes:
    """A WebP of stamps, row by row.

    Parameters
    ----------
    pictures : (n, y, x, 3) float array
        Red, green, blue in [0, 1]; +y is North, as pixels are stored.
    columns : int
        Stamps of a row.

    Returns
    -------
    bytes
    """
    from PIL import Image

    count, height, width, _ = pictures.shape
    rows = -(-count // columns)
    canvas = np.full((rows * height, columns * width, 3), 255, np.uint8)
    for i, picture in enumerate(pictures):
        row, column = divmod(i, columns)
        place = np.s_[row * height : (row + 1) * height, column * width : (column + 1) * width]
        canvas[place] = np.round(255 * picture[::-1]).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(canvas).save(file, "webp", quality=QUALITY)
    return file.getvalue()
