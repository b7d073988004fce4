"""Where the objects of a brick go: lenses first and alone, then galaxies well apart, then
the faint sky between them.
"""

from __future__ import annotations

import numpy as np

from lenscal import schema
from lenscal.errors import InputError


def spread(
    count: int,
    room: tuple[float, float, float, float],
    taken: np.ndarray,
    clearance: np.ndarray,
    rng: np.random.Generator,
    tries: int = 10,
) -> np.ndarray:
    """Positions [pixel], each the roomiest of some random ones (Mitchell's best candidate).

    Parameters
    ----------
    room : (x low, x high, y low, y high)
        In pixels.
    taken : (m, 2) array
        Objects already there.
    clearance : (m,) array
        Arcsec that each of them wants free around it.

    Returns
    -------
    (count, 2) array
    """
    x_low, x_high, y_low, y_high = room
    if x_high <= x_low or y_high <= y_low:
        raise InputError(f"a brick leaves no room for objects: {x_high - x_low:.0f} x {y_high - y_low:.0f} pixels")
    points = np.empty((len(taken) + count, 2))
    points[: len(taken)] = taken
    wanted = np.concatenate([np.asarray(clearance, float), np.zeros(count)]) / schema.PIXEL_SCALE
    for k in range(len(taken), len(points)):
        candidates = rng.uniform((x_low, y_low), (x_high, y_high), (tries, 2))
        if k == 0:
            points[k] = candidates[0]
            continue
        apart = np.hypot(*(candidates[:, None] - points[None, :k]).transpose(2, 0, 1)) - wanted[:k]
        points[k] = candidates[np.argmax(apart.min(axis=1))]
    return points[len(taken) :]
