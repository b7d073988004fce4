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


def interval(first: float, second: float, both: float, level: float) -> tuple[float, float]:
    """Of the number of all, by the logit of the share that no list has, with half a lens added to each field of the
    fourfold table (Sadinle 2009, Commun. Stat. Simul. Comput. 38, 1909): it holds where one list lies within the other,
    too, and is never below what was found.

    Returns
    -------
    tuple of float
        NaN where nothing is on both lists: what is found then says little of how many there are.
    """
    if both == 0:
        return float("nan"), float("nan")
    shared, one, two = both + 0.5, first - both + 0.5, second - both + 0.5
    spread = np.exp(ndtri((1 + level) / 2) * np.sqrt(1 / shared + 1 / one + 1 / two + shared / (one * two)))
    found, unseen = first + second - both, one * two / shared
    return tuple(float(max(found, found - 0.5 + end)) for end in (unseen / spread, unseen * spread))  # type: ignore[return-value]


def bounds(first: float, second: float, both: float, odds: float, level: float) -> tuple[float, float]:
    """The number of all if being on one list multiplies the odds of being on the other by 1 / `odds` to `odds`.

    Of a fourfold table with odds ratio t the empty cell is t times that of independent lists: that much more or less
    than the ends of the interval at `level`.

    Returns
    -------
    tuple of float
        NaN where nothing is on both lists.
    """
    found = first + second - both
    low, high = (end - found for end in interval(first, second, both, level))
    return float(found + low / odds), float(found + high * odds)


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
