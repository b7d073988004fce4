"""Brightness of a Sersic source with a soft core, and the radii beyond which it changes, or shines, too little.

Radii are in R_e, brightness in that at R_e. The radii are found once for each level of the quadtree, in double
precision and without relaxed arithmetic, so that they need not be inlined (see `compiled`).
"""

import math

import numpy as np

from lenscal.kernels.compiled import inner
from lenscal.kernels.fastmath import FLAGS, exp2, log2

_f4 = np.float32


@inner(fastmath=FLAGS, error_model="numpy", forceinline=True)
def brightness(r2, profile) -> np.float32:
    """Sersic profile with a soft core, I(R) / I(R_e) of R^2 in R_e^2."""
    k, half_n, core2, inverse_core2, bump = profile
    w = max(_f4(1.0) - r2 * inverse_core2, _f4(0.0))
    return exp2(k - k * exp2(half_n * log2(max(r2, core2)))) * (_f4(1.0) + bump * w * w)


@inner(error_model="numpy")
def _slow_brightness(r, b, n, core2, bump):
    w = max(1.0 - r * r / core2, 0.0)
    return math.exp(b - b * max(r * r, core2) ** (0.5 / n)) * (1.0 + bump * w * w)


@inner(error_model="numpy")
def radius_of_change(area, width, tolerance, b, n, core2, bump) -> float:
    """Radius beyond which a ring of a width changes by less than a tolerance over an area
    (radii in R_e); -1 for none.
    """
    # The search starts where the profile is steepest: in the core at 0.447 of its radius, below n = 1 at ((1 - n)/b)^n.
    steepest = 0.447 * math.sqrt(core2)
    if n < 1:
        steepest = max(steepest, ((1 - n) / b) ** n)
    low = max(0.0, steepest - 0.5 * width)
    change = _slow_brightness(low, b, n, core2, bump) - _slow_brightness(low + width, b, n, core2, bump)
    if area * change < tolerance:
        return -1.0
    high = low + 0.5
    while high < 1e4:
        change = _slow_brightness(high, b, n, core2, bump) - _slow_brightness(high + width, b, n, core2, bump)
        if area * change < tolerance:
            break
        low, high = high, 2 * high
    for _ in range(6):
        middle = 0.5 * (low + high)
        change = _slow_brightness(middle, b, n, core2, bump) - _slow_brightness(middle + width, b, n, core2, bump)
        if area * change < tolerance:
            high = middle
        else:
            low = middle
    return high


@inner(error_model="numpy")
def radius_of_light(area, tolerance, b, n, core2, bump) -> float:
    """Radius beyond which an area holds less light than a tolerance: `radius_of_change` of a ring without end.

    Outside of the core it is known in closed form, so that the steps of the search are only compared with it.
    """
    outside = (1 - math.log(tolerance / area) / b) if area > 0 else -1.0
    if not outside > 0 or outside ** (2 * n) < core2:
        return radius_of_change(area, 1e30, tolerance, b, n, core2, bump)
    known = outside**n
    low, high = 0.0, 0.5
    while high < 1e4 and high <= known:
        low, high = high, 2 * high
    for _ in range(6):
        middle = 0.5 * (low + high)
        if middle > known:
            high = middle
        else:
            low = middle
    return high
