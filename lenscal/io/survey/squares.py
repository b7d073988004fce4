"""Squares cut from a plane."""

from __future__ import annotations

import numpy as np


def _boxes(plane: np.ndarray | object, boxes: np.ndarray, size: int, dtype: type) -> np.ndarray:
    """Squares of a plane (an array, or a section of a file); NaN, or 0 of an integer, where they leave it."""
    n_y, n_x = plane.shape
    out = np.full((len(boxes), size, size), np.nan if dtype is np.float32 else 0, dtype)
    for stamp, (top, left) in zip(out, boxes):
        y0, y1, x0, x1 = max(top, 0), min(top + size, n_y), max(left, 0), min(left + size, n_x)
        stamp[y0 - top : y1 - top, x0 - left : x1 - left] = plane[y0:y1, x0:x1]
    return out
