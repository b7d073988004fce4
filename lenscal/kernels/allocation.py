"""How many more trials each cell needs: where the interval of a share is widest, until a half-width or a budget."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri

GROWTH = 3.0
"""Times as many trials that a cell has after one round, at most: the share that a few trials tell is rough."""
_HALVINGS = 60


def needed(detected, injected, correlation, hosts, unequal, half_width: float, level: float) -> np.ndarray:
    """Trials with which the interval of each share is as wide as is wanted.

    Neyman's rule, p (1 - p) of each cell, with the share taken as ``(k + 1/2) / (n + 1)`` of effective counts so that
    none or all found needs trials too. Trials of one host are alike: more of them on the same hosts tell ever less.

    Parameters
    ----------
    detected, injected, correlation, hosts, unequal : arrays that broadcast
        k and n; intra-host correlation, effective hosts that the trials are spread over, and by how much unequal
        weights of the trials raise the variance, 1 where they are equal.
    half_width, level : float
        Of the interval, such as 0.05 and 0.6827.

    Returns
    -------
    float array
        Infinite where no number of trials on these hosts would do; NaN without trials.
    """
    arrays = (detected, injected, correlation, hosts, unequal)
    k, n, rho, hosts, unequal = np.broadcast_arrays(*(np.asarray(x, float) for x in arrays))
    with np.errstate(divide="ignore", invalid="ignore"):
        effect = (1 + np.maximum(n / hosts - 1, 0) * rho) * unequal
        share = (k / effect + 0.5) / (n / effect + 1)
        independent = np.maximum(ndtri((1 + level) / 2) ** 2 * share * (1 - share) / half_width**2 - 1, 1.0)
        independent = independent * unequal
        spread = 1 - independent * rho / hosts
        out = np.where(spread > 0, independent * (1 - rho) / spread, np.inf)
    return np.where(n > 0, out, np.nan)


def allocate(
    detected,
    injected,
    correlation,
    hosts,
    unequal,
    half_width: float,
    level: float,
    budget: int,
    growth: float = GROWTH,
) -> tuple[np.ndarray, float]:
    """More trials for each cell, so that the widest intervals become narrower first.

    All cells go to one half-width: the one that is wanted, or the smallest that the budget allows. What a cell gets
    depends on itself and on that one number, so cells may come in any order.

    Parameters
    ----------
    detected, injected, correlation, hosts, unequal, half_width, level
        As in `needed`.
    budget : int
        Trials of all cells together.
    growth : float
        A cell has at most so many times its trials afterwards.

    Returns
    -------
    extra : int64 array
        0 for cells without a trial, and for those that no number of trials on their hosts would narrow enough.
    float
        The half-width that all others are expected to have, as far as `growth` lets them.
    """
    n = np.asarray(injected, np.int64)
    most = np.ceil(n * (growth - 1)).astype(np.int64)

    def extra(width: float) -> np.ndarray:
        wanted = needed(detected, n, correlation, hosts, unequal, width, level)
        reached = np.isfinite(wanted)
        return np.where(reached, np.clip(np.ceil(np.where(reached, wanted, 0)).astype(np.int64) - n, 0, most), 0)

    if extra(half_width).sum() <= budget:
        return extra(half_width), half_width
    low, high = half_width, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if extra(middle).sum() <= budget else (middle, high)
    return extra(high), high
