"""Recovered trials of a cell, counted host by host, and what shared hosts cost in precision."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri, stdtrit

from .likeness import PairSums, divide, levelled, pair_sums

DETECTION_LEVEL = 0.1587
"""One-sided level (one sigma) of the test below which trials count as independent."""
BORROWED_CELLS = 4.0
"""Weight of all other columns in the correlation of one, as a number of cells."""
LONE_MARGIN = 0.25
"""Standard errors added to the correlation where a single cell tells it: its scatter would make intervals too short."""
FREEDOM_MIN, FREEDOM_MIN_LONE = 15.0, 25.0
"""Hosts, one less for each set of them, below which nothing is said of a correlation that several
cells tell, or one or two.
"""
HOSTS_MIN = 5.0
"""Effective hosts of a cell below which it has no interval."""


def halves(injected, detected, correlation) -> tuple[np.ndarray, np.ndarray]:
    """Whether two halves of the hosts of a cell agree that their trials are more or less alike than a correlation says.

    The halves are independent: the product of what each finds beyond the correlation is expected to be the square of
    what the cell's own correlation differs by, times the second number.

    Parameters
    ----------
    injected, detected : (..., host) arrays that broadcast
        Every second host is in one half.
    correlation : (...) array
        NaN counts as 0.

    Returns
    -------
    product, scale : (...) arrays
    """
    n, k = np.broadcast_arrays(injected, detected)
    one, other = (levelled(pair_sums(n[..., i::2], k[..., i::2]), n, k) for i in (0, 1))
    rho = np.nan_to_num(correlation)
    return (one.excess - rho * one.scale) * (other.excess - rho * other.scale), one.scale * other.scale


def correlation(sums: PairSums, level: float = DETECTION_LEVEL, borrowed: float = BORROWED_CELLS) -> np.ndarray:
    """Intra-host correlation of each column, 0 where several cells detect none.

    One cell of some 30 hosts tells the correlation poorly. The cells of a column are pooled, and the mean cell of all
    other columns is added with the weight of some cells of this one: taken as it is, a cell in the middle of the rise
    would outweigh a column where little is detected. Where there is one telling cell in all, the correlation is raised
    by `LONE_MARGIN` of its standard error without correlation.

    Parameters
    ----------
    sums : PairSums of (cell, column, ...) arrays
        As from `pair_sums`.
    level : float
        One-sided level of the test for a correlation above 0.
    borrowed : float
        Weight of the mean cell of all other columns, in cells.

    Returns
    -------
    (column, ...) array
        In [0, 1]; NaN where no cell tells anything.
    """
    telling = (sums.scale > 0).sum(0)
    others = telling.sum(0) - telling
    own = PairSums(*(value.sum(0) for value in sums))
    rest = PairSums(*(mine.sum(0) - mine for mine in own))
    typical, elsewhere = divide(own.scale, telling), divide(rest.scale, others)
    like = np.where((typical > 0) & (elsewhere > 0), divide(typical, elsewhere), 1.0)
    weight = borrowed * divide(1.0, others) * like
    excess, variance, scale = (mine + weight**power * other for mine, other, power in zip(own, rest, (1, 2, 1)))
    detected = excess > -ndtri(level) * np.sqrt(variance)
    margin = np.where(telling.sum(0) == 1, LONE_MARGIN, 0.0) * np.sqrt(variance)
    return np.where(scale > 0, np.clip(divide(np.where(detected, excess, 0) + margin, scale), 0, 1), np.nan)


def design_effect(injected, correlation) -> np.ndarray:
    """Variance of a share over that of as many independent trials: ``1 + (m - 1) rho``, ``m = sum n_h^2 / sum n_h``.

    Parameters
    ----------
    injected : (..., host) array
        Trials of each host.
    correlation : array that broadcasts to (...)
        Intra-host correlation. NaN is unknown: 0 when there are several hosts (all or none of their trials were
        detected), 1 when there is a single one, whose trials are then worth one.

    Returns
    -------
    (...) array
        At least 1; NaN without trials.
    """
    n = np.asarray(injected, float)
    total, several = n.sum(-1), (n > 0).sum(-1) > 1
    mean = np.where(total > 0, divide((n**2).sum(-1), total), np.nan)
    rho = np.where(np.isnan(correlation), np.where(several, 0.0, 1.0), correlation)
    return 1 + (mean - 1) * rho


def hosts_effective(injected) -> np.ndarray:
    """As how many hosts with equal trials these count: ``(sum n_h)^2 / sum n_h^2``, 0 without trials.

    Parameters
    ----------
    injected : (..., host) array
        Trials of each host.
    """
    n = np.asarray(injected, float)
    return divide(n.sum(-1) ** 2, (n**2).sum(-1))


def told(hosts) -> bool:
    """Are there hosts enough to say how alike their trials are? Without, an interval would be a guess.

    Parameters
    ----------
    hosts : array
        Hosts (`hosts_effective`) of every cell that tells the correlation; 0 for those without trials. Along the first
        of several axes cells share hosts, which count once.
    """
    own = np.asarray(hosts, float)
    sets = own.max(0) if own.ndim > 1 and own.size else own
    return bool(np.maximum(sets - 1, 0).sum() >= (FREEDOM_MIN_LONE if (own > 0).sum() <= 2 else FREEDOM_MIN))


def enough(hosts) -> np.ndarray:
    """Which cells have an interval: those with `HOSTS_MIN` effective hosts, where all together tell how alike the
    trials of a host are (`told`).

    Parameters
    ----------
    hosts : array
        As for `told`.
    """
    return told(hosts) & (np.asarray(hosts, float) >= HOSTS_MIN)


def widened(effect, freedom, level: float, scatter=0.0) -> np.ndarray:
    """Design effect for an interval when its correlation comes from few hosts, or from cells that differ.

    Few hosts: Student's quantile in place of the normal one. Korn & Graubard (1998, Survey Methodology 24, 193) divide
    effective counts by the square of the ratio of the quantiles; here that ratio raises what the hosts add to the
    variance, as independent trials need no estimate of it. Cells that differ: the error is a mixture of normal ones
    with a kurtosis of 3 times the relative variance of their variances; more of it lies near 0 and far out, so the
    quantiles are those of Cornish & Fisher (1938), z + (z^3 - 3 z) kurtosis / 24.

    Parameters
    ----------
    effect : array
        As from `design_effect`.
    freedom : array that broadcasts
        Hosts behind the correlation, less one for each set of them.
    level : float
        Of the interval, in (0, 1).
    scatter : array that broadcasts
        Relative variance of the design effects of single cells about the one given.

    Returns
    -------
    array
        At least 1; NaN stays NaN.
    """
    tail = (1 + level) / 2
    z = ndtri(tail)
    ratio = stdtrit(np.maximum(np.asarray(freedom, float), 1.0), tail) / z
    mixed = 1 + np.minimum(scatter, 1.0) * (z**2 - 3) / 8
    return np.maximum((1 + (np.asarray(effect, float) - 1) * ratio**2) * mixed**2, 1.0)
