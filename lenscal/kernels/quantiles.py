"""Quantiles of weighted values, and how two of them compare when the values come in clusters."""

from collections.abc import Callable

import numpy as np
from scipy.special import betainc
from scipy.stats import binom

_GRID = np.linspace(0, 1, 4097)


def at_rank(values, weights, q) -> np.ndarray:
    """The value at which the cumulative weight reaches a share q: one of the values, without interpolation.

    Parameters
    ----------
    values : (n,) array
        May hold infinities.
    weights : (draw, n) array
        Not negative.
    q : float
        In (0, 1).

    Returns
    -------
    (draw,) array
        NaN where no value has a weight.
    """
    order = np.argsort(values, kind="stable")
    total = np.cumsum(weights[:, order], axis=1)
    place = (total < q * total[:, -1:] * (1 - 1e-12)).sum(1)
    return np.where(total[:, -1] > 0, np.asarray(values, float)[order][np.minimum(place, len(order) - 1)], np.nan)


def smooth(values, weights, q) -> np.ndarray:
    """Quantile as a mean of all values weighed by their chance to be it (Harrell & Davis 1982, Biometrika 69, 635); as
    `at_rank`, finite values only.
    """
    order = np.argsort(values, kind="stable")
    n = len(order)
    total = np.cumsum(weights[:, order], axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.concatenate([np.zeros((len(total), 1)), total / total[:, -1:]], axis=1)
    chance = np.interp(share, _GRID, betainc((n + 1) * q, (n + 1) * (1 - q), _GRID))
    return (np.diff(chance, axis=1) * np.asarray(values, float)[order]).sum(1)


def median_interval(values, level) -> tuple[float, float, float]:
    """Median and its interval between two order statistics, which needs no distribution (the sign test turned round).

    Parameters
    ----------
    values : (n,) array
        Independent, finite.
    level : float
        In (0, 1); the interval holds at least as much.

    Returns
    -------
    median, lower, upper : float
        Infinite ends where n values are too few for the level; NaN without values.
    """
    values = np.sort(np.asarray(values, float))
    n = values.size
    if n == 0:
        return np.nan, np.nan, np.nan
    rank = int(binom.ppf((1 - level) / 2, n, 0.5))  # the first with more than the tail at or below it
    return (
        float(np.median(values)),
        float(values[rank - 1]) if rank > 0 else -np.inf,
        float(values[n - rank]) if rank > 0 else np.inf,
    )


def compared(
    first, second, own_first, own_second, q, compare: Callable, level, rng, draws=1000
) -> tuple[float, float, float]:
    """A comparison of the q-quantiles of two samples, and its bootstrap interval; clusters are drawn, with
    all that belongs to them.

    The quantile of a sample of two or three values at its end is a rank or nothing; further inside, the ranks of a
    resample scatter more than those of a sample, where both samples share a cluster's luck. So finite values take ends
    between those of ranks and of smooth quantiles, the ranks with the weight of one value in all beyond the quantile.

    Parameters
    ----------
    first, second : (n,), (m,) arrays
    own_first, own_second : (n,), (m,) integer arrays
        Cluster of each value; one number in both is one cluster.
    q : float
        In (0, 1).
    compare : callable
        From two arrays of quantiles to an array; NaN where they do not compare.
    level : float
        Of the interval.
    rng : numpy.random.Generator
    draws : int

    Returns
    -------
    value, lower, upper : float
        NaN where a sample is empty or nothing compares.
    """
    if not len(first) or not len(second):
        return np.nan, np.nan, np.nan
    clusters, own = np.unique(np.concatenate([own_first, own_second]), return_inverse=True)
    chosen = rng.multinomial(clusters.size, np.full(clusters.size, 1 / clusters.size), draws).astype(float)
    one, two = chosen[:, own[: len(first)]], chosen[:, own[len(first) :]]
    every = np.ones((1, len(first))), np.ones((1, len(second)))
    with np.errstate(divide="ignore", invalid="ignore"):
        value = float(compare(at_rank(first, every[0], q), at_rank(second, every[1], q))[0])
        ends = _ends(compare(at_rank(first, one, q), at_rank(second, two, q)), level)
        if np.isfinite(first).all() and np.isfinite(second).all():
            even = _ends(compare(smooth(first, one, q), smooth(second, two, q)), level)
            ranks = min(1.0, 1 / (len(first) * min(q, 1 - q)))
            ends = ranks * ends + (1 - ranks) * even
            ends = np.array([min(ends[0], value), max(ends[1], value)]) if np.isfinite(value) else ends
    return value, float(ends[0]), float(ends[1])


def _ends(found, level):
    found = found[~np.isnan(found)]
    return (
        np.quantile(found, [(1 - level) / 2, (1 + level) / 2], method="inverted_cdf")
        if found.size
        else np.full(2, np.nan)
    )
