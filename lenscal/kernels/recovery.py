"""Recovered trials of a cell, counted host by host, and what shared hosts cost in precision."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import ndtri

DETECTION_LEVEL = 0.1587
"""One-sided level (one sigma) of the test below which trials count as independent."""
BORROWED_CELLS = 4.0
"""Weight of all other columns in the correlation of one, as a number of cells."""
LONE_MARGIN = 0.5
"""Standard errors added to the correlation where a single cell tells it: its scatter would make intervals too short."""


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
    """Sums over pairs of trials on one host; sums of independent cells add.

    `excess` is expected to be `scale` times the intra-host correlation, and has the given `variance` when there is none.
    """

    excess: np.ndarray
    variance: np.ndarray
    scale: np.ndarray


def pair_sums(injected, detected) -> PairSums:
    """Agreement of trials that share a host, beyond that of trials that do not.

    Given all K detections of N trials on hosts with n_h trials each, and no correlation, the k_h are multivariate hypergeometric.
    The excess is the number of ordered pairs of detections on one host above its expectation there; its variance is exact
    (falling-factorial moments; the test is that of Tarone 1979, Biometrika 66, 585, given K). The scale is the number of
    pairs times an unbiased estimate of p (1 - p) from pairs on different hosts, so that the ratio of sums over many cells is a
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
    pairs, all_pairs = _falling(n, 2).sum(-1), _falling(total, 2)
    telling = (pairs > 0) & (pairs < all_pairs) & (found > 0) & (found < total)
    ratio = lambda order: _divide(_falling(found, order), _falling(total, order))  # noqa: E731
    expected = ratio(2) * pairs
    square = (
        ratio(4) * (_falling(n, 4).sum(-1) + pairs**2 - (_falling(n, 2) ** 2).sum(-1))
        + 4 * ratio(3) * _falling(n, 3).sum(-1)
        + 2 * expected
    )
    different = total**2 - (n**2).sum(-1)
    scatter = _divide(found, total) - _divide(found**2 - (k**2).sum(-1), different)
    unbiased = 1 - _divide(pairs, all_pairs)
    sums = (
        _divide(_falling(k, 2).sum(-1) - expected, unbiased),
        _divide(np.maximum(square - expected**2, 0), unbiased**2),
        pairs * scatter,
    )
    return PairSums(*(np.where(telling, value, 0.0) for value in sums))


def _falling(x, order):
    out = x
    for i in range(1, order):
        out = out * (x - i)
    return np.where(x >= order, out, 0.0)


def _divide(a, b):
    return np.divide(a, b, out=np.zeros(np.broadcast_shapes(np.shape(a), np.shape(b))), where=np.asarray(b) != 0)


def correlation(sums: PairSums, level: float = DETECTION_LEVEL, borrowed: float = BORROWED_CELLS) -> np.ndarray:
    """Intra-host correlation of each column, 0 where several cells detect none.

    One cell of some 30 hosts tells the correlation poorly. The cells of a column (the same hosts at other Einstein radii) are
    pooled, and the mean cell of all other columns is added with the weight of some cells. Where there is one telling
    cell in all, the correlation is raised by `LONE_MARGIN` of its standard error without correlation.

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
    weight = borrowed * _divide(1.0, others)
    own = PairSums(*(value.sum(0) for value in sums))
    pooled = [mine + weight**power * (mine.sum(0) - mine) for mine, power in zip(own, (1, 2, 1))]
    excess, variance, scale = pooled
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
        Intra-host correlation. NaN is unknown: 0 when there are several hosts (all or none of their trials were detected), 1
        when there is a single one, whose trials are then worth one.

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
