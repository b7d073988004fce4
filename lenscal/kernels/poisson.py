"""Poisson numbers that belong to a key: the same key and mean give the same number, whatever was
drawn before or beside it.
"""

import math

import numpy as np

from lenscal.kernels.compiled import inner
from lenscal.kernels.draws import GOLDEN, mix

SUMMED = 10.0  # mean below which probabilities are summed up
_NOTHING = 1e-17  # a probability that no double below 1 leaves over


@inner(error_model="numpy")
def _uniform(key, k):
    """The k-th number of a key, in the open interval (0, 1)."""
    return (float(mix(key + GOLDEN * np.uint64(k)) >> np.uint64(12)) + 0.5) * 2.0**-52


@inner(error_model="numpy")
def _summed(mean, u):
    """The smallest number whose cumulative probability is u or more."""
    chance, number = math.exp(-mean), 0.0
    while u > chance > _NOTHING:
        u -= chance
        number += 1.0
        chance *= mean / number
    return number


@inner(error_model="numpy")
def _log_chance(number, mean):
    """Logarithm of a Poisson probability; large numbers by Stirling's series about the mean, whose
    large terms cancel on paper.
    """
    if number < 10.0:
        return number * math.log(mean) - mean - math.lgamma(number + 1.0)
    x = (number - mean) / mean
    series = (1 / 12 - (1 / 360 - 1 / (1260 * number * number)) / (number * number)) / number
    return mean * (x - (1.0 + x) * math.log1p(x)) - 0.5 * math.log(2 * math.pi * number) - series


@inner(error_model="numpy")
def _rejected(mean, key):
    """Transformed rejection with squeeze."""
    root = math.sqrt(mean)
    b = 0.931 + 2.53 * root
    a = -0.059 + 0.02483 * b
    inverse_alpha = 1.1239 + 1.1328 / (b - 3.4)
    accepted = 0.9277 - 3.6224 / (b - 2.0)
    k = 1
    while True:
        u, v = _uniform(key, k) - 0.5, _uniform(key, k + 1)
        k += 2
        left = 0.5 - abs(u)
        number = np.floor((2.0 * a / left + b) * u + mean + 0.43)
        if left >= 0.07 and v <= accepted:
            return number
        if number < 0.0 or (left < 0.013 and v > left):
            continue
        if math.log(v * inverse_alpha / (a / (left * left) + b)) <= _log_chance(number, mean):
            return number


@inner(error_model="numpy")
def poisson(mean, key) -> float:
    """One Poisson number.

    Small means: inversion of the sum of the probabilities. Others: the transformed rejection PTRS of Hormann (1993,
    Insurance: Mathematics and Economics 12, 39). Both draw from the distribution itself, not from a normal one.

    Parameters
    ----------
    mean : float
        Positive, finite.
    key : uint64
        Keys that differ give unrelated numbers: the stream of a key is SplitMix64's from there.

    Returns
    -------
    float
        A whole number.
    """
    return _summed(mean, _uniform(key, 1)) if mean < SUMMED else _rejected(mean, key)
