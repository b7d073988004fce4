"""Recovered trials of a cell, counted host by host, and what shared hosts cost in precision."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import ndtri, stdtrit

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
COLUMNS_MIN, SCATTER_ERRORS = 10, 2.0
"""Independent sets of hosts that tell how much the correlation differs between cells, and the standard errors from
which it is taken to differ.
"""


def tally(host, score, thresholds) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Trials and detections of each host.

    Parameters
    ----------
    host : (row, trial) integer array
        Host of each trial.
    score : (row, trial) array
        NaN where a trial has none; such trials are left out.
    thresholds : (threshold,) array
        A score at or above is a detection.

    Returns
    -------
    hosts : (host,) array
        Distinct hosts of the scored trials, ascending.
    injected : (row, host) int64 array
        Scored trials.
    detected : (row, threshold, host) int64 array
        Detected ones.
    """
    scored = np.isfinite(score)
    hosts, code = np.unique(host[scored], return_inverse=True)
    rows = host.shape[0]
    place = np.nonzero(scored)[0] * hosts.size + code
    count = lambda chosen: np.bincount(place[chosen], minlength=rows * hosts.size).reshape(rows, hosts.size)  # noqa: E731
    values = score[scored].astype(float)
    injected = count(np.ones(values.size, bool))
    detected = np.zeros((rows, len(thresholds), hosts.size), np.int64)
    for i, threshold in enumerate(thresholds):
        detected[:, i] = count(values >= threshold)
    return hosts, injected.astype(np.int64), detected


class PairSums(NamedTuple):
    """Scatter of hosts beyond that of independent trials; sums of independent cells add.

    `excess` is expected to be `scale` times the intra-host correlation, and has the given `variance` when there is
    none.
    """

    excess: np.ndarray
    variance: np.ndarray
    scale: np.ndarray


def pair_sums(injected, detected) -> PairSums:
    """Scatter of the detections of hosts about the share of their cell, beyond that of trials
    that do not know their host.

    The sum over hosts of (k_h - n_h p)^2, p = K / N, is centred: it is the same when detected and missed are swapped,
    whatever the trials of each host (Tarone 1979, Biometrika 66, 585). Given all K detections of N trials on hosts with
    n_h trials each, and no correlation, the k_h are multivariate hypergeometric: expectation and variance of the sum
    are exact (falling-factorial moments). The scale is what a correlation of 1 adds to the expectation, with an
    unbiased estimate of p (1 - p) from pairs on different hosts, so that the ratio of sums over many cells is a
    consistent estimate of the correlation.

    Parameters
    ----------
    injected, detected : (..., host) arrays that broadcast
        Whole numbers.

    Returns
    -------
    PairSums of (...) arrays
        All 0 where a cell tells nothing: a single host, no host with two trials, none or all detected.
    """
    n, k = (np.asarray(x, float) for x in np.broadcast_arrays(injected, detected))
    total, found = n.sum(-1), k.sum(-1)
    squares = (n**2).sum(-1)
    pairs, all_pairs, different = squares - total, _falling(total, 2), total**2 - squares
    telling = (pairs > 0) & (different > 0) & (found > 0) & (found < total)
    share = _divide(found, total)
    mean = _divide(squares, total)
    excess = ((k - n * share[..., None]) ** 2).sum(-1) - share * (1 - share) * _divide(different, total - 1)
    alike = (
        (_falling(n, 2) * (1 - 2 * n * _divide(1.0, total)[..., None])).sum(-1)
        + mean * (mean - 1)
        + (mean - 1) * _divide(different, all_pairs)
    )
    scatter = _divide(
        found * total - (k * n).sum(-1) - found**2 + (k**2).sum(-1), different
    )  # one detected, the other missed
    sums = excess, np.maximum(_variance(n, total, found, share), 0), alike * scatter
    return PairSums(*(np.where(telling, value, 0.0) for value in sums))


def levelled(sums: PairSums, injected, detected) -> PairSums:
    """Sums of cells over their share times its complement, so that cells of all completenesses count alike.

    The sums as they are grow with p (1 - p): cells near one half would decide for all, and where hosts matter less at
    the ends their intervals would be too wide. p is drawn to one half by the trials of one host, lest a cell with few
    detections weigh by chance.

    Parameters
    ----------
    sums : PairSums of (...) arrays
        Of the cells, or of some of their hosts.
    injected, detected : (..., host) arrays that broadcast
        Of all hosts of the cells.
    """
    n, k = (np.asarray(x, float) for x in np.broadcast_arrays(injected, detected))
    total = n.sum(-1)
    typical = _divide((n**2).sum(-1), total)
    share = _divide(k.sum(-1) + typical / 2, total + typical)
    weight = _divide(1.0, share * (1 - share))
    return PairSums(*(value * weight**power for value, power in zip(sums, (1, 2, 1))))


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


def scatter(product, scale) -> np.ndarray:
    """Mean square by which the correlation of single cells differs from the one that is taken for them;
    0 where that is not seen.

    Parameters
    ----------
    product, scale : (column, ...) arrays
        Of `halves`, summed over cells that share hosts.

    Returns
    -------
    (...) array
        0 with fewer than `COLUMNS_MIN` columns, or within `SCATTER_ERRORS` standard errors, told by the scatter between
        columns.
    """
    telling = (np.asarray(scale) > 0).sum(0)
    total = np.sum(scale, 0)
    square = _divide(np.sum(product, 0), total)
    error = _divide(np.sqrt(np.square(product - square * scale).sum(0)), total)
    return np.where((telling >= COLUMNS_MIN) & (square > SCATTER_ERRORS * error), square, 0.0)


def _variance(n, total, found, share):
    """Variance of the sum over hosts of (k_h - n_h p)^2 when K detections fall on N trials at random."""
    ratio = lambda order: _divide(_falling(found, order), _falling(total, order))  # noqa: E731
    own = 1 - 2 * share[..., None] * n  # k^2 - 2 p n k = k (k - 1) + own k
    two, three, four = (_falling(n, order) for order in (2, 3, 4))
    pairs, ones = two.sum(-1), (own * n).sum(-1)
    square = (
        ratio(4) * (pairs**2 - (two**2).sum(-1) + four.sum(-1))
        + ratio(3) * (2 * (pairs * ones - (two * own * n).sum(-1)) + ((4 + 2 * own) * three).sum(-1))
        + ratio(2) * (ones**2 - (own**2 * n**2).sum(-1) + ((2 + 4 * own + own**2) * two).sum(-1))
        + ratio(1) * (own**2 * n).sum(-1)
    )
    return square - (ratio(2) * pairs + ratio(1) * ones) ** 2


def _falling(x, order):
    out = x
    for i in range(1, order):
        out = out * (x - i)
    return np.where(x >= order, out, 0.0)


def _divide(a, b):
    return np.divide(a, b, out=np.zeros(np.broadcast_shapes(np.shape(a), np.shape(b))), where=np.asarray(b) != 0)


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
    typical, elsewhere = _divide(own.scale, telling), _divide(rest.scale, others)
    like = np.where((typical > 0) & (elsewhere > 0), _divide(typical, elsewhere), 1.0)
    weight = borrowed * _divide(1.0, others) * like
    excess, variance, scale = (mine + weight**power * other for mine, other, power in zip(own, rest, (1, 2, 1)))
    detected = excess > -ndtri(level) * np.sqrt(variance)
    margin = np.where(telling.sum(0) == 1, LONE_MARGIN, 0.0) * np.sqrt(variance)
    return np.where(scale > 0, np.clip(_divide(np.where(detected, excess, 0) + margin, scale), 0, 1), np.nan)


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
    mean = np.where(total > 0, _divide((n**2).sum(-1), total), np.nan)
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
    return _divide(n.sum(-1) ** 2, (n**2).sum(-1))


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
