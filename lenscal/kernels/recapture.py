"""How many there are, from two lists that each found some of them, and whether the lists depend on each other."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri
from scipy.stats import contingency


def chapman(first: float, second: float, both: float) -> float:
    """The number of all, from two lists that are independent (Chapman 1951, Univ. Calif. Publ. Statist. 1, 131).

    Parameters
    ----------
    first, second, both : float
        On each list, and on both.
    """
    return (first + 1) * (second + 1) / (both + 1) - 1


def variance(first: float, second: float, both: float) -> float:
    """Of `chapman` (Seber 1970, Biometrics 26, 13)."""
    return (first + 1) * (second + 1) * (first - both) * (second - both) / ((both + 1) ** 2 * (both + 2))


def interval(first: float, second: float, both: float, level: float) -> tuple[float, float]:
    """Of the number of all: log-normal in the number that no list has, never below what was found (Chao 1987,
    Biometrics 43, 783).

    Returns
    -------
    tuple of float
        NaN where nothing is on both lists: the number has no upper end then.
    """
    found = first + second - both
    if both == 0:
        return float("nan"), float("nan")
    unseen = chapman(first, second, both) - found
    if unseen <= 0:
        return float(found), float(found)
    spread = np.exp(ndtri((1 + level) / 2) * np.sqrt(np.log1p(variance(first, second, both) / unseen**2)))
    return float(found + unseen / spread), float(found + unseen * spread)


def bounds(first: float, second: float, both: float, odds: float) -> tuple[float, float]:
    """The number of all if being on one list multiplies the odds of being on the other by 1 / `odds` to `odds`.

    Of a fourfold table with odds ratio t the empty cell is t (first - both) (second - both) / both; t = 1 is
    independence (Lincoln and Petersen's estimate).

    Returns
    -------
    tuple of float
        NaN where nothing is on both lists.
    """
    if both == 0:
        return float("nan"), float("nan")
    unseen = (first - both) * (second - both) / both
    found = first + second - both
    return float(found + unseen / odds), float(found + unseen * odds)


def dependence(table: np.ndarray, level: float) -> tuple[float, float, float, float]:
    """Odds ratio of two lists among those that a third one found, its interval, and Fisher's exact p.

    Parameters
    ----------
    table : (2, 2) array of int
        [[on both, on the first alone], [on the second alone, on neither]].
    level : float
        Of the interval, exact and conditional on the margins.

    Returns
    -------
    tuple of float
        Odds ratio (conditional maximum likelihood), lower, upper, p.
    """
    from scipy.stats import fisher_exact

    table = np.asarray(table, np.int64)
    found = contingency.odds_ratio(table, kind="conditional")
    low, high = found.confidence_interval(level)
    return float(found.statistic), float(low), float(high), float(fisher_exact(table).pvalue)
