"""Whether the image of a PSF has its star on the middle pixel, and nothing beneath it."""

from __future__ import annotations

import numpy as np

OFF_MAX = 0.4
"""Pixels between the star and the middle pixel. Real models of DECam, 90Prime and Mosaic-3 are within 0.14 of it; an
image whose star lies between pixels is 0.5 off."""
LEVEL_MAX = 0.01
"""Share of the light in a level beneath the star."""
_LIT = 0.1  # of the brightest pixel: what the place of a star is measured on
_WIDTHS, _SIDE_MIN = 2.0, 9  # widths of a star between middle and side, and pixels of a side, from which there is sky
_BLOCK = 256  # images at a time


def off_middle(images: np.ndarray) -> np.ndarray:
    """(..., 2) pixels (y, x) of the star off the middle pixel n // 2: centroid of all above a tenth of the brightest
    pixel, which follows a star to any place, and neither wings nor sky.
    """
    images = np.asarray(images, np.float64)
    lit = np.where(images > _LIT * images.max(axis=(-2, -1), keepdims=True), images, 0)
    y, x = (np.arange(n) - n // 2 for n in images.shape[-2:])
    total = lit.sum(axis=(-2, -1))
    return np.stack([lit.sum(axis=-1) @ y / total, lit.sum(axis=-2) @ x / total], axis=-1)


def level(images: np.ndarray) -> np.ndarray:
    """(...) share of the light, at least, in a level beneath the star; 0 where the image has no room to tell.

    The wings of a star fall more steeply than r^-2, or their light would have no finite sum: from half of the way
    to the corners on they fall to a quarter or less. With b in the corners and h half of the way to them, wings w in
    the corners obey h - b >= 3 w, so b - (h - b) / 3 or more is no wing.
    """
    images = np.asarray(images, np.float64)
    sides = images.shape[-2:]
    if min(sides) < _SIDE_MIN:
        return np.zeros(images.shape[:-2])
    y, x = (np.linspace(-1, 1, n) for n in sides)
    reach = np.hypot(y[:, None], x)
    corners, half = (np.median(images[..., (reach > near) & (reach <= 1.23 * near)], axis=-1) for near in (1.15, 0.575))
    bright = np.count_nonzero(images >= 0.5 * images.max(axis=(-2, -1), keepdims=True), axis=(-2, -1))
    roomy = (min(sides) - 1) / 2 >= _WIDTHS * 2 * np.sqrt(bright / np.pi)
    share = (corners - (half - corners) / 3) * images.shape[-2] * images.shape[-1] / images.sum(axis=(-2, -1))
    return np.where(roomy, np.maximum(share, 0), 0)


def is_sound(images: np.ndarray) -> np.ndarray:
    """(...) whether the star is on the middle pixel and stands on no level; true of images that hold no number, whose
    fault is another.
    """
    flat = np.asarray(images).reshape(-1, *np.shape(images)[-2:])
    found = np.ones(len(flat), bool)
    with np.errstate(all="ignore"):
        for start in range(0, len(flat), _BLOCK):
            block = flat[start : start + _BLOCK]
            off = np.hypot(*np.moveaxis(off_middle(block), -1, 0))
            found[start : start + _BLOCK] = ~(off > OFF_MAX) & ~(level(block) > LEVEL_MAX)
    return found.reshape(np.shape(images)[:-2])


def problem(image: np.ndarray) -> str:
    """What is wrong with the place of the star in one image (y, x), or beneath it; empty when nothing is."""
    if is_sound(image):
        return ""
    y, x = off_middle(image)
    n_y, n_x = (n // 2 for n in np.shape(image))
    if np.hypot(y, x) > OFF_MAX:
        return (
            f"the PSF has its star on x {n_x + x:.2f}, y {n_y + y:.2f}, and its middle pixel is x {n_x}, y {n_y} "
            f"(counted from 0), expected within {OFF_MAX:g} pixels; cut it about its star"
        )
    return (
        f"the PSF stands on a level that holds {100 * float(level(image)):.1f} % of its light or more, expected "
        f"at most {100 * LEVEL_MAX:g} %; subtract the sky from it"
    )
