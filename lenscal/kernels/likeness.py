"""Pairs of trials on one host: how often both are found, counted from hits and trials."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

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
    share = divide(found, total)
    mean = divide(squares, total)
    excess = ((k - n * share[..., None]) ** 2).sum(-1) - share * (1 - share) * divide(different, total - 1)
    alike = (
        (_falling(n, 2) * (1 - 2 * n * divide(1.0, total)[..., None])).sum(-1)
        + mean * (mean - 1)
        + (mean - 1) * divide(different, all_pairs)
    )
    scatter = divide(
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
    typical = divide((n**2).sum(-1), total)
    share = divide(k.sum(-1) + typical / 2, total + typical)
    weight = divide(1.0, share * (1 - share))
    return PairSums(*(value * weight**power for value, power in zip(sums, (1, 2, 1))))


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
    square = divide(np.sum(product, 0), total)
    error = divide(np.sqrt(np.square(product - square * scale).sum(0)), total)
    return np.where((telling >= COLUMNS_MIN) & (square > SCATTER_ERRORS * error), square, 0.0)


def _variance(n, total, found, share):
    """Variance of the sum over hosts of (k_h - n_h p)^2 when K detections fall on N trials at random."""
    ratio = lambda order: divide(_falling(found, order), _falling(total, order))  # noqa: E731
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


def divide(a, b) -> np.ndarray:
    """A ratio; 0 where nothing is there to divide by."""
    return np.divide(a, b, out=np.zeros(np.broadcast_shapes(np.shape(a), np.shape(b))), where=np.asarray(b) != 0)
