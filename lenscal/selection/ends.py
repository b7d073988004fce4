"""The interval of a share that is known by its variance."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri, stdtrit

from lenscal.kernels import intervals, recovery

BORROWED = 2.0
"""Effective detections (or misses) at which the variance is told as much by the binomial as by the hosts."""


def counts_of(value: float, variance: float, n_eff: float, freedom: float, level: float) -> tuple[float, float]:
    """Detections and trials whose binomial error is the error of a share.

    The variance between hosts is told by the detected trials: by few of them badly, by none not at all. So much the
    more of it is taken from the binomial of as many trials as the weights are worth. As it is told by few hosts, it is
    raised by the square of Student's quantile over the normal one.

    Parameters
    ----------
    value, variance : float
        Share, and its variance with hosts as units; a variance that is NaN counts as that of the binomial.
    n_eff : float
        Kish's effective number of the trials.
    freedom : float
        Effective hosts behind the variance, less one.
    level : float
        Of the interval that is meant.
    """
    found = value * n_eff
    share = (found + 0.5) / (n_eff + 1)
    plain = share * (1 - share) / n_eff
    telling = min(found, n_eff - found) if np.isfinite(variance) else 0.0
    ratio = stdtrit(max(freedom, 1.0), (1 + level) / 2) / ndtri((1 + level) / 2)
    spread = (telling * np.nan_to_num(variance) * ratio**2 + BORROWED * plain) / (telling + BORROWED)
    least = 0.25 / (n_eff + 1)
    inside = min(max(value, least), 1 - least)
    trials = inside * (1 - inside) / spread
    return value * trials, trials


def share_interval(
    value: float, variance: float, n_eff: float, hosts: float, freedom: float, level: float
) -> tuple[float, float]:
    """Interval of a share; NaN where fewer effective hosts than `recovery.FREEDOM_MIN_LONE` tell its error.

    Parameters
    ----------
    value, variance, n_eff, freedom, level
        As in `counts_of`.
    hosts : float
        Effective hosts.
    """
    if not hosts >= recovery.FREEDOM_MIN_LONE or np.isnan(value):
        return float("nan"), float("nan")
    found, trials = counts_of(value, variance, n_eff, freedom, level)
    low, high = intervals.interval(found, trials, level)
    return float(low), float(high)
