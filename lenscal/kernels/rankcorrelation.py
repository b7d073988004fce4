"""Rank correlation of two quantities, in one sample or in many weightings of it, and how surely it exceeds a limit."""

import numpy as np
from scipy.special import ndtr, ndtri


def spearman(x, y, weights=None) -> np.ndarray:
    """Correlation of the ranks; equal values share the middle one.

    Parameters
    ----------
    x, y : (n,) arrays
        Finite.
    weights : (..., n) array, optional
        Of the rows; one each by default.

    Returns
    -------
    (...) array
        NaN where one of both does not vary.
    """
    weights = np.ones(np.size(x)) if weights is None else np.asarray(weights, float)
    total = weights.sum(-1, keepdims=True)
    one, two = (_ranks(np.asarray(values, float), weights) - total / 2 for values in (x, y))
    product, first, second = ((weights * a * b).sum(-1) for a, b in ((one, two), (one, one), (two, two)))
    scale = np.sqrt(first * second)
    flat = np.ptp(x) == 0 or np.ptp(y) == 0
    return np.where(flat | (scale == 0), np.nan, product / np.where(scale == 0, 1, scale))


def interval(rho, n, level) -> tuple[np.ndarray, np.ndarray]:
    """Interval of a rank correlation, on Fisher's z with the error of Bonett & Wright (2000, Psychometrika 65, 23); NaN
    for n below 4.
    """
    z, error = _fisher(rho, n)
    half = ndtri((1 + level) / 2) * error
    return np.tanh(z - half), np.tanh(z + half)


def p_beyond(rho, n, limit) -> np.ndarray:
    """One-sided p of a correlation no farther from 0 than `limit`: small where it surely lies beyond."""
    z, error = _fisher(np.abs(rho), n)
    return ndtr((np.arctanh(limit) - z) / error)


def holm(p) -> np.ndarray:
    """Adjusted p-values (n,) of several questions put together (Holm 1979, Scand. J. Statistics 6, 65): each at most 1,
    in the order given.
    """
    p = np.asarray(p, float)
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate((p.size - np.arange(p.size)) * p[order])
    out = np.empty(p.size)
    out[order] = np.minimum(stepped, 1)
    return out


def _fisher(rho, n):
    rho, n = np.asarray(rho, float), np.asarray(n, float)
    with np.errstate(invalid="ignore", divide="ignore"):
        z = np.arctanh(np.clip(rho, -1 + 1e-12, 1 - 1e-12))
        return z, np.sqrt((1 + rho**2 / 2) / np.where(n > 3, n - 3, np.nan))


def _ranks(values, weights):
    """Weight below each value, and half of that at it."""
    order = np.argsort(values, kind="stable")
    starts = np.append(0, np.flatnonzero(np.diff(values[order])) + 1)
    mass = np.add.reduceat(weights[..., order], starts, axis=-1)
    middle = np.cumsum(mass, axis=-1) - mass / 2
    own = np.empty(values.size, int)
    own[order] = np.repeat(np.arange(starts.size), np.diff(np.append(starts, values.size)))
    return middle[..., own]
